"""One network in, the same with changed layers out, every weight kept that can be."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from suture.blocks import Gate, IdentityGate, IdentityStart, Site, build, check
from suture.errors import PlanError, listed, nearest
from suture.graph import (
    Added,
    Layer,
    Network,
    Patched,
    add,
    batch_of,
    free_name,
    last_layers,
    layers,
    untouched,
)
from suture.hybrids.chain import Giver
from suture.hybrids.effects import check_heard, check_runs
from suture.hybrids.heads import new_head, set_dropout
from suture.hybrids.model import Change, HybridModel
from suture.hybrids.parent import Parent, parent
from suture.sources.registry import first_line
from suture.spec.patch import Patch, read_patches
from suture.spec.plan import Part, patch_plan


def patch(
    network: Giver,
    patches: Mapping[str, Any] | Sequence[Patch],
    *,
    num_classes: int | None = None,
    dropout: float = 0.0,
    identity_start: bool = False,
    seed: int = 0,
    example: Tensor | None = None,
    trust_code: bool = False,
) -> Network | HybridModel:
    """Wrap, inject or replace layers: ``patch("torchvision:resnet18", {"layer3": {"wrap": "se"}})``.

    ``network`` is a source string, a loaded network, or any ``nn.Module`` with an ``example`` batch of its input; it is
    not changed. ``patches`` are as ``read_patches`` takes them. ``num_classes`` asks for that many outputs: where the
    network has another number it gets a new head. ``dropout`` is the chance before the head (0: as it is).
    ``identity_start`` makes every added block begin as the identity, so that the network answers as before. ``seed``
    draws what is new.

    A source or a loaded network gives a network that takes RGB images in [0, 1] and whose ``body`` is a
    ``HybridModel``; another module gives a ``HybridModel``. Both carry their ``plan``. Raises SourceError, PlanError;
    nothing is built then.
    """
    read = _read(patches, identity_start)
    side = parent(network, example, trust_code=trust_code, seed=seed)
    return build_patched(side, read, classes=num_classes, dropout=dropout, seed=seed)


def build_patched(
    side: Parent,
    patches: Sequence[Patch],
    *,
    classes: int | None = None,
    dropout: float = 0.0,
    seed: int = 0,
    fresh: bool = False,
    owned: bool = False,
) -> Network | HybridModel:
    """The patched network of a parent, which is left alone; with ``owned`` it is used up instead of copied.

    ``classes`` None keeps the head; ``fresh`` makes a new one even of the same number. Raises PlanError.
    """
    for one in patches:
        check(one.block, dict(one.params))
    check_classes(classes)
    if not 0 <= dropout < 1:
        raise PlanError(f"dropout={dropout!r}", expected="a chance from 0 up to below 1", instead="dropout=0.3")
    example = example_of(side)
    image = example[:1]
    network = side.network if owned else _copied(side.network)
    body = network.body if isinstance(network, Network) else network
    part = Part(side.origin, side.digest, "")
    made = _headed(body, classes, dropout, seed, image, fresh=fresh)
    ends = tuple(filter(None, last_layers(body, image) or ()))
    changes = apply(body, patches, image, seed)
    plan = patch_plan(part, patches, classes if made else None, dropout)
    model = HybridModel(body, plan, example, ends, changes)
    if isinstance(body, HybridModel) and body.frozen:
        model.freeze(*body.frozen - {"blocks", "head" if made else "blocks"}).thaw(*model.named("blocks"))
    if not isinstance(network, Network):
        return model.eval()
    model.input_size, model.decode_size = network.input_size, network.decode_size
    network.body = model
    network.classes = None if made else network.classes
    model.classes = network.classes
    network.plan = plan
    return network.eval()


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except RuntimeError as error:
        raise PlanError(
            f"this {type(network).__name__} cannot be copied: {first_line(error)}",
            expected="a network whose tensors are parameters and buffers",
            instead="torch.nn.utils.parametrizations for the older weight_norm, or prune.remove, first",
        ) from error


def check_classes(classes: object) -> None:
    """Raises PlanError for what is no number of classes; None, for those that there are, is fine."""
    if classes is not None and (isinstance(classes, bool) or not isinstance(classes, int) or classes < 1):
        raise PlanError(f"num_classes={classes!r}", expected="a whole number, 1 or more", instead="num_classes=10")


def preview(side: Parent, patches: Sequence[Patch]) -> tuple[Change, ...]:
    """What patches would change; the network is left alone. Raises PlanError as ``patch``."""
    return model_of(build_patched(side, patches)).changes


def model_of(network: nn.Module) -> HybridModel:
    """The patched network itself, or that behind the preprocessing. Raises PlanError for one that was not patched."""
    model = network.body if isinstance(network, Network) else network
    if not isinstance(model, HybridModel):
        raise PlanError(
            f"this {type(model).__name__} is no patched network",
            expected="what suture.patch or a HybridBuilder gives",
            instead="suture.patch(network, {}), which changes no layer",
        )
    return model


def example_of(side: Parent) -> Tensor:
    """Two images as the body of a parent takes them. Raises TraceError for a module without an example."""
    batch = batch_of(side.network, side.example)
    if isinstance(side.network, Network):
        with torch.no_grad():
            prepared: Tensor = side.network.preprocess(batch)
            return prepared
    return batch


def apply(network: nn.Module, patches: Sequence[Patch], example: Tensor, seed: int = 0) -> tuple[Change, ...]:
    """Change a network in place, one patch after the other. Raises PlanError."""
    named = [(one, name) for one in patches for name in _targets(network, one.target)]
    if not named:
        return ()
    classes = _answers(network, example, "before it is patched")
    known: dict[str, Layer] = {}
    changes: list[Change] = []
    for number, (one, name) in enumerate(named):
        if name not in known:
            with _running(f"with {listed([str(other) for other, _ in named[:number]])}"):
                known = layers(network, {other for _, other in named[number:]}, example)
        changes.append(_change(network, one, name, known[name], seed + number))
        if one.allow_change:
            known = {}
    if _answers(network, example, f"with {listed([str(one) for one in patches])}") != classes:
        raise PlanError(
            "the patches change what the network answers with",
            expected=f"an answer of shape {classes}",
            instead="patches before the head, and num_classes for another head",
        )
    check_runs(network, changes, example)
    check_heard(network, changes, example)
    return tuple(changes)


def _change(network: nn.Module, one: Patch, name: str, seen: Layer, seed: int) -> Change:
    try:
        layer = network.get_submodule(name)
    except AttributeError as error:
        raise PlanError(
            f"{one}, where {name} is gone, as a layer around it was replaced",
            expected="patches of layers that are there",
            instead="patches of the replaced layer itself, or no replacement",
        ) from error
    site = _site(one, name, layer, seen)
    block = build(one.block, dict(one.params), site, identity_start=one.identity_start, seed=seed)
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    block.to(device=like.device, dtype=like.dtype).train(layer.training)
    both = isinstance(block.block if isinstance(block, IdentityStart) else block, Gate)
    if not one.allow_change:
        _check_shape(one, site, block, both, like)
    # Blocks around a layer stay when it is replaced.
    own = layer.covered if isinstance(layer, Patched) else layer
    gone = sum(p.numel() for p in own.parameters()) if one.operation == "replace" else 0
    added = Added(free_name(layer, one.block), "instead" if one.operation == "replace" else one.position, both)
    add(network, name, block, added)
    count = sum(p.numel() for p in block.parameters()) - gone
    return Change(one, name, f"{name}.{added.name}", site.layout, site.shape, site.out, count)


def _site(one: Patch, name: str, layer: nn.Module, seen: Layer) -> Site:
    """Where a block goes. Raises PlanError for a layer that never runs, or that takes or gives no single tensor."""
    if not seen.runs:
        raise PlanError(
            f"{name} never runs as a layer: the network calls it in no pass, or reads its weights itself",
            expected="a layer that the network calls on a tensor",
            instead=name.rpartition(".")[0] or "another layer",
        )
    takes = seen.given if one.operation == "replace" or one.position == "before" else seen.gives
    gives = seen.gives if one.operation == "replace" else takes
    if takes is None or gives is None:
        what = "takes" if takes is None and one.operation != "wrap" else "gives"
        raise PlanError(
            f"{name}, a {type(layer).__name__}, {what} no single tensor of one shape that is a map, tokens or a vector",
            expected="a layer whose input and output are one tensor each, of the same shape every time it runs",
            instead="a layer inside it, or around it",
        )
    return Site(
        name=name,
        operation=one.operation,
        layout=takes.layout,
        shape=takes.shape,
        out=gives.shape,
        frame=takes.frame,
        layer=layer,
        given=seen.given.shape if seen.given else None,
    )


def _check_shape(one: Patch, site: Site, block: nn.Module, both: bool, like: Tensor) -> None:
    """Raises PlanError for a block that gives another shape than it should."""
    given = site.given if both and site.given else site.shape
    values = [torch.rand(2, *shape, device=like.device, dtype=like.dtype) for shape in ([given] if both else [])]
    values.append(torch.rand(2, *site.shape, device=like.device, dtype=like.dtype))
    # As the identity has the shape of its input, and what is added to it only has to broadcast.
    block = block.block if isinstance(block, (IdentityStart, IdentityGate)) else block
    try:
        with untouched(block, False), torch.no_grad():
            shape = tuple(block(*values).shape[1:])
    except RuntimeError as error:
        raise PlanError(
            f"{one.block} cannot take what is at {site}: {first_line(error)}",
            expected="parameters that fit the activation there",
            instead=f"{one.block} without parameters, or another layer",
        ) from error
    if shape != site.out:
        raise PlanError(
            f"{one} gives {'x'.join(map(str, shape))} where {'x'.join(map(str, site.out))} is wanted",
            expected="a block that keeps width and resolution",
            instead="other parameters, or allow_change: true, if what comes after can take it",
        )


def _answers(network: nn.Module, example: Tensor, when: str) -> tuple[int, ...]:
    """The shape of an answer, without the batch axis. Raises PlanError where the network fails."""
    with _running(when), untouched(network, False), torch.no_grad():
        answer = network(example)
    return tuple(answer.shape[1:]) if isinstance(answer, Tensor) else ()


@contextmanager
def _running(when: str) -> Iterator[None]:
    """What a network raises that cannot take what a layer gives, as a PlanError."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError, IndexError) as error:
        raise PlanError(
            f"the network fails {when}: {first_line(error)}",
            expected="patches after which every layer can still take what it is given",
            instead="blocks that keep width and resolution, without allow_change",
        ) from error


def _headed(body: nn.Module, classes: int | None, dropout: float, seed: int, example: Tensor, *, fresh: bool) -> bool:
    """Give a network the head that is asked for, where it has another; whether it has a new one."""
    has = _answers(body, example, "before it is patched")
    if classes is not None and (fresh or has != (classes,)):
        new_head(body, classes, seed, dropout, example)
        return True
    if dropout:
        set_dropout(body, dropout, example)
    return False


def _targets(network: nn.Module, pattern: str) -> Iterator[str]:
    """The layers that a name or a pattern stands for; ``*`` stands for (part of) one component.

    Raises PlanError for none.
    """
    modules = {name: module for name, module in network.named_modules(remove_duplicate=False) if name}
    names, wanted = list(modules), pattern.split(".")
    matching = (
        name for name in names if len(parts := name.split(".")) == len(wanted) and all(map(fnmatchcase, parts, wanted))
    )
    # A layer that is used under several names is one.
    found = {modules[name]: name for name in reversed(list(matching))}
    if not found:
        raise PlanError(
            f"{pattern!r} is no layer of this {type(network).__name__}",
            expected=f"a layer by name, such as {listed([name for name, _ in network.named_children()])}",
            instead=listed(nearest(pattern, names)),
        )
    yield from reversed(found.values())


def _read(patches: Any, identity_start: bool) -> tuple[Patch, ...]:
    if isinstance(patches, Sequence) and not isinstance(patches, str) and all(isinstance(p, Patch) for p in patches):
        return tuple(patches)
    return read_patches(patches or {}, identity_start)
