"""Every network that has a name, without loading any."""

from dataclasses import dataclass
from typing import Literal

from suture.spec.names import BUNDLED, ZOO

Weights = Literal["bundled", "published", "none"]


@dataclass(frozen=True)
class Entry:
    """``name`` is a source string of kind ``kind``.

    ``weights`` are bundled, published (fetched on first use), or none: then ``@none`` or ``@PATH`` must follow.
    ``tags`` are the published weights, the default ones first.
    """

    name: str
    kind: str
    weights: Weights
    tags: tuple[str, ...] = ()


def catalog() -> list[Entry]:
    """The zoo, torchvision's classifiers, all of timm. Imports both libraries and reads nothing else."""
    return [*_zoo(), *_torchvision(), *_timm()]


def _zoo() -> list[Entry]:
    bundled = [Entry(f"zoo:{name}", "zoo", "bundled") for name in BUNDLED]
    return bundled + [Entry(f"zoo:{name}", "zoo", "none") for name in ZOO]


def torchvision_classifiers() -> list[str]:
    """The names of torchvision's classifiers, in order of name. Imports torchvision."""
    from torchvision import models

    return sorted(models.list_models(module=models))


def _torchvision() -> list[Entry]:
    from torchvision import models

    entries = []
    for name in torchvision_classifiers():
        weights = models.get_model_weights(name)
        tags = dict.fromkeys((weights["DEFAULT"].name, *(tag.name for tag in weights if tag.meta["categories"])))
        entries.append(Entry(f"torchvision:{name}", "torchvision", "published", tuple(tags)))
    return entries


def _timm() -> list[Entry]:
    import timm

    entries = []
    for name in timm.list_models():
        cfgs = timm.models.get_arch_pretrained_cfgs(name).values()
        tags = tuple(cfg.tag for cfg in cfgs if cfg.has_weights and cfg.tag)
        entries.append(Entry(f"timm:{name}", "timm", "published" if tags else "none", tags))
    return entries
