"""The layer that a network ends in, a new one in its place, and the dropout before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from suture.errors import PlanError, listed
from suture.graph import Patched, Shadow, last_layers
from suture.graph.dropped import DroppedConv, DroppedLinear, dropout_before

Layer = nn.Linear | nn.Conv2d


def head(network: nn.Module, example: Tensor | None = None) -> tuple[str, Layer]:
    """Name and module of the layer that a network ends in: an nn.Linear, or a 1x1 nn.Conv2d (SqueezeNet, BiT).

    Raises PlanError as ``heads``, and where it ends in several side by side.
    """
    found = heads(network, example)
    if len(found) > 1:
        raise PlanError(
            f"this {_called(network)} ends in {len(found)} layers side by side: {listed(name for name, _ in found)}",
            expected="a network with one head",
            instead="suture fuse, which puts one head over the features of any network",
        )
    return found[0]


def heads(network: nn.Module, example: Tensor | None = None) -> tuple[tuple[str, Layer], ...]:
    """Names and modules of the layers that the output comes from; of most networks one.

    They are those that run last, seen from one pass on a batch of input, ``example``. Where that is not given and not
    known, as of a plain module, it is the linear layer that is declared last, or the last layer of all where that is a
    1x1 convolution. Raises PlanError where a network gives features or ends in another layer.
    """
    check_head(network)
    seen = last_layers(network, example)
    layers = [(name, network.get_submodule(name)) for name in (_declared(network) if seen is None else seen)]
    found = tuple((name, layer) for name, layer in layers if _is_head(layer))
    if found and len(found) == len(layers):
        return found
    if any(isinstance(layer, Patched) for _, layer in layers):
        raise PlanError(
            f"the head of this {_called(network)}, {layers[0][0]}, is patched",
            expected="a head without blocks, to be replaced or given a dropout",
            instead="num_classes and dropout in the call that patches it",
        )
    others = [(name, layer) for name, layer in layers if not _is_head(layer)]
    told = f", but in {others[0][0]}, a {type(others[0][1]).__name__}" if others else ""
    raise PlanError(
        f"this {_called(network)} ends in no linear layer{told}",
        expected="a head that is an nn.Linear, or a 1x1 nn.Conv2d",
        instead="--train all, or a cut before the head",
    )


def check_head(network: nn.Module) -> None:
    """Raises PlanError for a network that timm made without one."""
    body = getattr(network, "body", network)
    if getattr(body, "num_classes", None) == 0:
        raise PlanError(
            f"this {type(body).__name__} has no head: it gives features",
            expected="a network that ends in a linear layer for its classes",
            instead="another network, or a cut in it before the head of one that has classes",
        )


def new_head(
    network: nn.Module, classes: int, seed: int = 0, dropout: float = 0.0, example: Tensor | None = None
) -> None:
    """Replace the last layer by a random one with ``classes`` outputs, drawn by ``seed``.

    ``dropout`` above 0 is the chance before it, as in ``set_dropout``. Where there is no last layer, or several side
    by side (DINO, the distilled DeiT), timm's networks make their own (``reset_classifier``). ``num_classes``
    attributes on the way to the head are kept right. Raises PlanError as ``head``.
    """
    _check_chance(dropout)
    made: tuple[tuple[str, Layer], ...]
    try:
        made = (_replaced(network, *head(network, example), classes, seed),)
    except PlanError:
        body: Any = getattr(network, "body", network)
        if not hasattr(body, "reset_classifier"):
            raise
        with _drawn(seed):
            body.reset_classifier(classes)
        made = heads(network, example)
    like = next(p for p in network.parameters() if p.is_floating_point())
    for name, layer in made:
        layer.to(like.device, like.dtype).train(network.training)
        _tell_classes(network, name, classes)
    if dropout:
        set_dropout(network, dropout, example)


def set_dropout(network: nn.Module, p: float, example: Tensor | None = None) -> None:
    """Make ``p`` the chance with which the input of the head is dropped in train mode; the head keeps its weights.

    Where an nn.Dropout gives the head its input (EfficientNet, VGG, MobileNet) the chance becomes that one's.
    Elsewhere the head becomes one that drops by itself, so that no name changes. Raises PlanError as ``heads``, and
    for a head of another kind than torch's own.
    """
    _check_chance(p)
    for name, layer in heads(network, example):
        before = dropout_before(network, layer, example)
        if before is not None:
            before.p = p
        elif isinstance(layer, (DroppedLinear, DroppedConv)):
            layer.p = p
        elif p:
            network.set_submodule(name, _dropped(layer, p))


def _is_head(layer: nn.Module) -> TypeGuard[Layer]:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def _declared(network: nn.Module) -> list[str]:
    """The linear layer that is declared last, else the last layer of any kind."""
    layers = [(name, one) for name, one in network.named_modules() if any(True for _ in one.parameters(recurse=False))]
    linear = [name for name, one in layers if isinstance(one, nn.Linear)]
    return linear[-1:] or [name for name, one in layers[-1:] if isinstance(one, nn.Conv2d)]


def _replaced(network: nn.Module, name: str, old: Layer, classes: int, seed: int) -> tuple[str, Layer]:
    fresh: Layer
    bias = old.bias is not None
    with _drawn(seed):
        if isinstance(old, nn.Linear):
            fresh = nn.Linear(old.in_features, classes, bias)
        else:
            step: Any = {"stride": old.stride, "padding": old.padding}
            fresh = nn.Conv2d(old.in_channels, classes, 1, bias=bias, **step)
    network.set_submodule(name, fresh)
    return name, fresh


@contextmanager
def _drawn(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _dropped(layer: Layer, p: float) -> Layer:
    """A layer with the parameters of ``layer``, the very same, that drops its input."""
    if type(layer) is nn.Linear:
        made: DroppedLinear | DroppedConv = DroppedLinear(1, 1, device="meta")
    elif type(layer) is nn.Conv2d:
        made = DroppedConv(1, 1, 1, device="meta")
    else:
        raise PlanError(
            f"a dropout of {p} before a head that is a {type(layer).__name__}",
            expected="a head that is an nn.Linear or an nn.Conv2d, or that comes after an nn.Dropout",
            instead="dropout=0, or num_classes=... for a new head",
        )
    made.__dict__.update(layer.__dict__)
    made.p = p
    return made


def _tell_classes(network: nn.Module, name: str, classes: int) -> None:
    """Every module around the head that says for how many classes it is says so rightly."""
    parts = name.split(".")
    for end in range(len(parts)):
        around: nn.Module | None = network.get_submodule(".".join(parts[:end]))
        while around is not None:
            if isinstance(vars(around).get("num_classes"), int):
                around.num_classes = classes  # type: ignore[assignment]
            around = around.covered if isinstance(around, Shadow) else None


def _check_chance(p: float) -> None:
    if not 0 <= p < 1:
        raise PlanError(
            f"a dropout of {p}",
            expected="the chance with which a number is dropped: at least 0 and less than 1",
            instead="dropout=0.5",
        )


def _called(network: nn.Module) -> str:
    return type(getattr(network, "body", network)).__name__
