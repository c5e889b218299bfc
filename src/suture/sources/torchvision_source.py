"""``torchvision:NAME[@TAG|@none|@PATH]``: the classifiers of torchvision.models."""

import inspect
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from suture.errors import SourceError, WeightsError, nearest
from suture.sources.imagenet import class_names
from suture.sources.registry import Body, Request, register, sized
from suture.sources.weights import load_weights, read_weights
from suture.spec.source import Interpolation, Source

LICENCE = "BSD-3-Clause (torchvision)"


@register("torchvision")
def load_torchvision(request: Request) -> Body:
    """A file gets the preprocessing of the architecture's first weights.

    Networks of a fixed image size (ViT, MaxViT) are built for that of ``?size=``, and a ViT's positions resampled.
    Raises SourceError where torchvision has no such classifier or weights, WeightsError.
    """
    source = request.source
    known = models.list_models(module=models)
    if source.name not in known:
        close = nearest(source.name, known)
        raise SourceError(
            f"torchvision has no classifier {source.name!r}",
            expected=f"one of its {len(known)} classifiers (suture ls models --filter torchvision:)",
            instead=" or ".join(f"torchvision:{name}" for name in close),
        )
    tag = _tag(source, models.get_model_weights(source.name))
    recipe, published = tag.transforms(), len(tag.meta["categories"])
    own = _outline(source.name)
    size, resize = _sides(own, source, recipe)
    options = _size_options(own, source.override.size or size)
    count, trained = request.num_classes, False
    if request.path:
        state = read_weights(request.path)
        count = _classes(own, state)
        module = _build(source, num_classes=count, **options)
        load_weights(module, _resampled(source, module, state), str(request.path))
        request.check_classes(count)
    elif request.random:
        module = _build(source, **({"num_classes": count} if count else {}), **options)
    else:
        count, trained = published, True
        request.check_classes(count)
        module = _published(source, tag, options)
    kind: Interpolation = "bicubic" if recipe.interpolation.value == "bicubic" else "bilinear"
    norm = (tuple(recipe.mean), tuple(recipe.std))
    classes = class_names(count, published) if count and not request.random else None
    licence = tag.meta.get("license", LICENCE) if trained else "unknown"
    return Body(module, size, norm, size, resize, kind, classes, licence)


def _outline(name: str) -> nn.Module:
    """The architecture without numbers, where it can be built so; some compute with them while they are built."""
    try:
        with torch.device("meta"):
            outline: nn.Module = models.get_model(name, weights=None)
    except NotImplementedError:
        outline = models.get_model(name, weights=None)
    return outline


def _sides(own: nn.Module, source: Source, recipe: Any) -> tuple[int, int]:
    """The side of the images, and what they are resized to first: those of the weights.

    Random ones have none: an architecture of a fixed image size has its own (vit_h_14: 224, its best weights 518).
    """
    side, resize = recipe.crop_size[0], recipe.resize_size[0]
    fixed = getattr(own, "image_size", side) if source.random else side
    return (side, resize) if fixed == side else (fixed, fixed)


def _size_options(own: nn.Module, size: int) -> dict[str, Any]:
    """What tells an architecture of a fixed image size for which to build it; nothing for the others."""
    takes = inspect.signature(type(own)).parameters
    if "image_size" in takes:
        return {"image_size": size}
    return {"input_size": (size, size)} if "input_size" in takes else {}


def _build(source: Source, **options: Any) -> nn.Module:
    with sized(source):
        module: nn.Module = models.get_model(source.name, weights=None, **options)
    return module


def _published(source: Source, tag: Any, options: dict[str, Any]) -> nn.Module:
    module: nn.Module
    try:
        if not (options and source.override.size):
            module = models.get_model(source.name, weights=tag)
            return module
        state = tag.get_state_dict(check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"the weights of {source} could not be fetched: {error}",
            expected="a connection for the first use, or a file on this machine",
            instead=f"torchvision:{source.name}@PATH, or @none for random weights",
        ) from error
    module = _build(source, num_classes=len(tag.meta["categories"]), **options)
    load_weights(module, _resampled(source, module, state), str(source))
    return module


def _resampled(source: Source, module: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The positions of a ViT on the grid of another ``?size=``; whatever does not fit is left for load_weights."""
    size, patch = source.override.size, getattr(module, "patch_size", None)
    if size is None or patch is None or state.get("encoder.pos_embedding", torch.empty(0)).ndim != 3:
        return state
    try:
        return interpolate_embeddings(size, patch, dict(state))  # type: ignore[arg-type]
    except ValueError:
        return state


def _tag(source: Source, tags: Any) -> Any:
    """The weights, named or by default; for a file those that come first, whose recipe is the common one."""
    if source.path:
        return next(iter(tags))
    name = "DEFAULT" if source.random else source.weights or "DEFAULT"
    # Weights without classes have no classifier (IMAGENET1K_FEATURES of vgg16: it is filled with NaN).
    known = [key for key, tag in tags.__members__.items() if tag.meta["categories"]]
    if name not in known:
        raise SourceError(
            f"torchvision has no weights {name!r} for {source.name}",
            expected=f"one of {', '.join(known)}, none, or a file",
            instead=f"torchvision:{source.name}@{nearest(name, known, 1)[0]}",
        )
    return tags[name]


def _classes(own: nn.Module, state: Mapping[str, Tensor]) -> int:
    """How many classes a checkpoint is for: the rows of the weight that comes last in the architecture."""
    weights = own.state_dict()
    head = [key for key, value in weights.items() if key.endswith("weight") and value.ndim >= 2][-1]
    return int(state.get(head, weights[head]).shape[0])
