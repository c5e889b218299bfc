"""In which order, and how often, an epoch shows its images."""

import math

import torch
from torch import Tensor

from suture.errors import DataError, nearest
from suture.spec.names import SAMPLINGS


def order(labels: Tensor, sampling: str, generator: torch.Generator) -> Tensor:
    """Indices (n,) of n images for one epoch.

    ``shuffled``: each once. ``weighted``: drawn with replacement, every class as likely as any other.
    ``class-balanced``: the classes in rounds, each once a round in random order, and of each class all images before
    one comes again. Raises DataError as ``check_sampling`` does.
    """
    check_sampling(labels, sampling)
    n = len(labels)
    if sampling == "shuffled":
        return torch.randperm(n, generator=generator)
    present, member, sizes = labels.unique(return_inverse=True, return_counts=True)
    if sampling == "weighted":
        return torch.multinomial((1 / sizes.double())[member], n, replacement=True, generator=generator)
    rounds = math.ceil(n / len(present))
    turns = torch.rand(rounds, len(present), generator=generator).argsort(1).flatten()[:n]
    found = torch.empty(n, dtype=torch.long)
    for label in range(len(present)):
        places, own = (turns == label).nonzero().flatten(), (member == label).nonzero().flatten()
        laps = math.ceil(len(places) / len(own))
        drawn = [own[torch.randperm(len(own), generator=generator)] for _ in range(laps)]
        found[places] = torch.cat([*drawn, own[:0]])[: len(places)]
    return found


def check_sampling(labels: Tensor, sampling: str) -> None:
    """Raises DataError for a sampling that does not exist, and for one by class where images have attributes."""
    if sampling not in SAMPLINGS:
        raise DataError(
            f"there is no sampling {sampling!r}",
            expected=f"one of {', '.join(SAMPLINGS)}",
            instead=f"--sampling {nearest(sampling, SAMPLINGS, 1)[0]}",
        )
    if labels.ndim == 2 and sampling != "shuffled":
        raise DataError(
            f"{sampling} sampling draws by class, and these images have {labels.shape[1]} attributes each",
            expected="labels of one class per image",
            instead="--sampling shuffled, with --loss focal for rare attributes",
        )


def class_counts(labels: Tensor, classes: int) -> Tensor:
    """How many images (classes,) int64 are of each class or, multi-label, have each attribute."""
    return labels.sum(0).long() if labels.ndim == 2 else labels.bincount(minlength=classes)
