"""explain(network, images): what a network looks at, without being told where to look inside it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from suture.errors import CutError, DataError, PlanError, UsageError, nearest
from suture.explanation.explanation import PIXELS, WHOLE, Explanation, Window
from suture.explanation.gradcam import grad_cam
from suture.explanation.pixels import METHODS, need_captum, pixel_map
from suture.graph import Spatial, Traced, differentiable, last_maps
from suture.graph.frames import frame_of, to_grid
from suture.hybrids import Parent, parent
from suture.spec.cut import Cut

GRAD_CAM = "grad-cam"
BATCH = 16


def explain(
    network: str | nn.Module | Parent,
    images: Tensor,
    targets: int | Sequence[int] | Tensor | None = None,
    layers: Sequence[str] | str | None = None,
    *,
    method: str = GRAD_CAM,
    relu: bool = True,
    batch_size: int = BATCH,
    **options: Any,
) -> Explanation:
    """Where in ``images`` (n, 3, H, W) a network sees what speaks for a class.

    ``network`` is a source string or any module; it stays as it is, and may be frozen. ``targets`` are class numbers,
    one or one each; by default what the network answers. ``layers`` name values with a grid of cells; by default the
    last one of every branch (see ``graph.last_maps``). ``method`` is ``grad-cam``, or one of captum's; without ``relu``
    Grad-CAM also shows what speaks against the class. ``options`` are those of ``load``.

    Grad-CAM explains the logit, not the decision between classes, and its maps are as coarse as the layer. Raises
    SourceError, TraceError, CutError, PlanError, DataError, UsageError.
    """
    check_method(method, layers)
    _check_images(images)
    side = parent(network, images, **options)
    _check_weights(side.network)
    values = find_maps(side.traced, layers) if method == GRAD_CAM else ()
    goals = _goals(targets, len(images))
    found = []
    with differentiable(side.network):
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size].clone().to(next(side.network.parameters()).device)
            wanted = None if goals is None else goals[start : start + batch_size]
            if method == GRAD_CAM:
                found.append(_cams(side.traced, values, part, wanted, relu))
            else:
                found.append(_pixels(side.network, part, wanted, method))
    size = (images.shape[2], images.shape[3])
    logits, answers, maps = zip(*found, strict=True)
    return Explanation(
        method,
        {name: torch.cat([part[name] for part in maps]) for name in maps[0]},
        {value.cut.name: _window(value, size) for value in values} or {PIXELS: WHOLE},
        torch.cat(answers),
        torch.cat(logits),
        size,
    )


def find_maps(traced: Traced, layers: Sequence[str] | str | None = None) -> tuple[Spatial, ...]:
    """The named values, or the last map of every branch. Raises CutError for a name of no value with a grid."""
    if not layers:
        return last_maps(traced)
    known = {name: value for value in traced.spatial() for name in (*value.cut.aliases, value.cut.name)}
    names = layers.split(",") if isinstance(layers, str) else list(layers)
    for name in names:
        if name not in known:
            raise CutError(
                f"the network has no {name!r} with a grid of cells that its output depends on",
                expected="a layer that gives a map, or tokens of known cells",
                instead=" or ".join(nearest(name, known)) or "--method saliency, which needs no layer",
            )
    return tuple({known[name].cut.name: known[name] for name in names}.values())


def check_method(method: str, layers: object = None) -> None:
    """Raises UsageError for an unknown method, for one that is not installed, and for layers it has no use for."""
    known = (GRAD_CAM, *METHODS)
    if method not in known:
        raise UsageError(
            f"there is no method {method!r}",
            expected=f"one of {', '.join(known)}",
            instead=f"--method {nearest(method, known, 1)[0]}",
        )
    if method != GRAD_CAM:
        need_captum(method)
        if layers:
            raise UsageError(
                f"{method} looks at pixels and has no use for layers",
                expected="layers with grad-cam only",
                instead="--method grad-cam, or no --layer",
            )


def _cams(
    traced: Traced, values: tuple[Spatial, ...], images: Tensor, wanted: Tensor | None, relu: bool
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    names = [value.cut.name for value in values]
    output, seen = traced.watched(names).to(images.device)(images)
    logits, goals = _answered(output, wanted)
    chosen = logits.gather(1, goals[:, None]).sum()
    gradients = torch.autograd.grad(chosen, [seen[name] for name in names])
    maps = {
        name: grad_cam(_as_map(seen[name].detach(), value.cut), _as_map(gradient, value.cut), relu).float().cpu()
        for name, value, gradient in zip(names, values, gradients, strict=True)
    }
    return logits.detach().float().cpu(), goals.cpu(), maps


def _pixels(
    network: nn.Module, images: Tensor, wanted: Tensor | None, method: str
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    with torch.no_grad():
        logits, goals = _answered(network(images), wanted)
    found = pixel_map(method, network, images, goals)
    return logits.float().cpu(), goals.cpu(), {PIXELS: found.float().cpu()}


def _as_map(value: Tensor, cut: Cut) -> Tensor:
    return to_grid(value, cut.layout, frame_of(cut, cut))[0]


def _answered(output: object, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The logits, and the class to explain of each image."""
    if not isinstance(output, Tensor) or output.ndim != 2:
        told = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise PlanError(
            f"the network answers with {told}, not one number a class",
            expected="one tensor (n, classes)",
            instead="a classifier, or a module around the network that returns its logits",
        )
    goals = output.detach().argmax(1) if wanted is None else wanted.to(output.device)
    wrong = goals[(goals < 0) | (goals >= output.shape[1])]
    if len(wrong):
        raise DataError(
            f"target {int(wrong[0])} of a network of {output.shape[1]} classes",
            expected=f"a class from 0 to {output.shape[1] - 1}",
            instead="no target: what the network answers",
        )
    return output, goals


def _goals(targets: int | Sequence[int] | Tensor | None, count: int) -> Tensor | None:
    if targets is None:
        return None
    goals = torch.as_tensor(targets).cpu()
    goals = goals.expand(count) if goals.ndim == 0 else goals
    if goals.shape != (count,) or goals.is_floating_point():
        raise DataError(
            f"targets of shape {tuple(goals.shape)} and type {goals.dtype} for {count} images",
            expected="one class number, or one each",
            instead="targets=3, or None for what the network answers",
        )
    return goals.long()


def _window(value: Spatial, size: tuple[int, int]) -> Window:
    """The part of the images that a value covers, once it has been through all preprocessing before it."""
    top, left, bottom, right = WHOLE
    for step in value.preprocess:
        a, b, c, d = step.window(*size)
        high, wide = bottom - top, right - left
        top, left, bottom, right = top + a * high, left + b * wide, top + c * high, left + d * wide
        size = (step.size, step.size) if step.size else size
    return top, left, bottom, right


def _check_images(images: object) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images) or not images.is_floating_point():
        told = f"{tuple(images.shape)}, {images.dtype}" if isinstance(images, Tensor) else type(images).__name__
        raise DataError(
            f"the images are {told}",
            expected="a batch (n, 3, H, W) of RGB images as floats in [0, 1], one or more",
            instead="images.float() / 255 for bytes, images[None] for one image",
        )


def _check_weights(network: nn.Module) -> None:
    tensors = list(network.parameters())
    if not tensors or any(tensor.is_inference() for tensor in tensors):
        raise PlanError(
            f"this {type(network).__name__} has weights made under torch.inference_mode"
            if tensors
            else f"this {type(network).__name__} has no weights",
            expected="a network that gradients can run through",
            instead="the network loaded outside of inference_mode (torch.no_grad does no harm)",
        )
