"""``torchvision:NAME[@TAG|@none|@PATH]``: the classifiers of torchvision.models."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torchvision import models

from suture.errors import SourceError, WeightsError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights
from suture.spec.source import Interpolation

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
    options: dict[str, Any] = {"num_classes": request.num_classes} if request.num_classes else {}
    tag: Any = tags["DEFAULT"]
    if source.path:
        state = read_weights(Path(source.path))
        module = models.get_model(source.name, weights=None, **{"num_classes": _classes(source.name, state), **options})
        load_weights(module, state, source.path)
    elif source.random or (source.weights is None and request.scratch):
        module = models.get_model(source.name, weights=None, **options)
    else:
        if source.weights and source.weights not in tags.__members__:
            raise SourceError(
                f"torchvision has no weights {source.weights!r} for {source.name}",
                expected=f"one of {', '.join(tags.__members__)}, none, or a file",
                instead=f"{source.name}@{nearest(source.weights, tags.__members__, 1)[0]}",
            )
        tag = tags[source.weights or "DEFAULT"]
        try:
            module = models.get_model(source.name, weights=tag)
        except (URLError, OSError) as error:
            raise WeightsError(
                f"the weights of {source} could not be fetched: {error}",
                expected="a connection for the first use, or a file on this machine",
                instead=f"torchvision:{source.name}@PATH, or @none for random weights",
            ) from error
    recipe = tag.transforms()
    trained = source.weights != "none" and source.path is None
    size, resize = recipe.crop_size[0], recipe.resize_size[0]
    kind: Interpolation = "bicubic" if recipe.interpolation.value == "bicubic" else "bilinear"
    norm = (tuple(recipe.mean), tuple(recipe.std))
    classes = tuple(tag.meta["categories"]) if trained and not request.num_classes else None
    return Body(module, size, norm, size, resize, kind, classes, LICENCE)


def _classes(name: str, state: dict[str, Tensor]) -> int:
    """How many classes a checkpoint is for: the rows of the weight that comes last in the architecture."""
    with torch.device("meta"):
        own = models.get_model(name, weights=None).state_dict()
    head = [key for key, value in own.items() if key.endswith("weight") and value.ndim >= 2][-1]
    return int(state[head].shape[0]) if head in state else int(own[head].shape[0])
