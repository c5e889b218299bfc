"""``torchvision:NAME[@TAG|@none|@PATH]``: the classifiers of torchvision.models."""

from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torchvision import models

from suture.errors import SourceError, WeightsError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights
from suture.spec.source import Interpolation, Source

LICENCE = "BSD-3-Clause (torchvision)"


@register("torchvision")
def load_torchvision(request: Request) -> Body:
    source = request.source
    known = models.list_models(module=models)
    if source.name not in known:
        close = nearest(source.name, known)
        raise SourceError(
            f"torchvision has no classifier {source.name!r}",
            expected=f"one of its {len(known)} classifiers (suture ls models)",
            instead=" or ".join(f"torchvision:{name}" for name in close),
        )
    tags = models.get_model_weights(source.name)
    tag = _tag(source, tags)
    trained = False
    if request.path:
        state = read_weights(request.path)
        count = _classes(source.name, state)
        module = models.get_model(source.name, weights=None, num_classes=count)
        load_weights(module, state, str(request.path))
        request.check_classes(count)
    elif request.random:
        options = {"num_classes": request.num_classes} if request.num_classes else {}
        module = models.get_model(source.name, weights=None, **options)
    else:
        trained = True
        request.check_classes(len(tag.meta["categories"]))
        try:
            module = models.get_model(source.name, weights=tag)
        except (URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"the weights of {source} could not be fetched: {error}",
                expected="a connection for the first use, or a file on this machine",
                instead=f"torchvision:{source.name}@PATH, or @none for random weights",
            ) from error
    recipe = tag.transforms()
    size, resize = recipe.crop_size[0], recipe.resize_size[0]
    kind: Interpolation = "bicubic" if recipe.interpolation.value == "bicubic" else "bilinear"
    norm = (tuple(recipe.mean), tuple(recipe.std))
    classes = tuple(tag.meta["categories"]) if trained else None
    licence = tag.meta.get("license", LICENCE) if trained else "unknown"
    return Body(module, size, norm, size, resize, kind, classes, licence)


def _tag(source: Source, tags: Any) -> Any:
    """The weights, named or by default; for a file those that come first, whose recipe is the common one."""
    if source.path:
        return next(iter(tags))
    name = "DEFAULT" if source.random else source.weights or "DEFAULT"
    if name not in tags.__members__:
        raise SourceError(
            f"torchvision has no weights {name!r} for {source.name}",
            expected=f"one of {', '.join(tags.__members__)}, none, or a file",
            instead=f"torchvision:{source.name}@{nearest(name, tags.__members__, 1)[0]}",
        )
    return tags[name]


def _classes(name: str, state: dict[str, Tensor]) -> int:
    """How many classes a checkpoint is for: the rows of the weight that comes last in the architecture."""
    with torch.device("meta"):
        own = models.get_model(name, weights=None).state_dict()
    head = [key for key, value in own.items() if key.endswith("weight") and value.ndim >= 2][-1]
    return int(state[head].shape[0]) if head in state else int(own[head].shape[0])
