"""Which images are held out: a share of every class, with groups that stay on one side."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TENTH = 0.1
TRIES = 30
Indices = Sequence[int]


def validation_indices(
    labels: Tensor, seed: int, share: float | None = None, groups: Tensor | None = None
) -> tuple[Indices, Indices]:
    """Indices to keep for training and to hold out, in file order.

    With neither a share nor groups the last tenth where the file order is random; else what ``hold_out`` draws.
    """
    n = len(labels)
    if share is None and groups is None and order_is_random(labels):
        return range(n - n // 10), range(n - n // 10, n)
    return hold_out(labels, share or TENTH, seed, groups)


def hold_out(labels: Tensor, share: float, seed: int, groups: Tensor | None = None) -> tuple[list[int], list[int]]:
    """Indices to keep and to hold out, in file order; the latter are empty where nothing can be held out.

    The share of every class is held out, and one image at least of a class that has two; the only image of a class
    is kept. Multi-label rows, which may all differ, are one class in this, so a rare attribute may be on one side
    only. With groups (n,) whole groups are drawn, one at least that can be spared, so the shares are met as nearly as
    their sizes allow, and every class keeps an image.
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is not None:
        out = set(_whole_groups(labels, share, generator, groups))
    else:
        out = set()
        strata = labels if labels.ndim == 1 else torch.zeros(len(labels))
        for label in strata.unique():
            members = (strata == label).nonzero().flatten()
            count = min(max(round(len(members) * share), 1), len(members) - 1)
            out.update(members[torch.randperm(len(members), generator=generator)[:count]].tolist())
    return [i for i in range(len(labels)) if i not in out], sorted(out)


def _whole_groups(labels: Tensor, share: float, generator: torch.Generator, groups: Tensor) -> list[int]:
    """Groups in random order, each taken where that brings the classes nearer to their shares; the best of tries.

    One at least is taken, where any can be spared.
    """
    _, member = groups.unique(return_inverse=True)
    table = _counts(labels, member)
    whole = table.sum(0)
    wanted, weight = share * whole, 1 / np.maximum(whole, 1)

    def missed(held: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (held - wanted) ** 2 @ weight
        return found

    def spared(held: NDArray[np.float64]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ((held < whole) | (whole == 0)).all(1)
        return found

    orders = torch.stack([torch.randperm(len(table), generator=generator) for _ in range(TRIES)], 1).numpy()
    held, taken = np.zeros((TRIES, len(whole))), np.zeros((TRIES, len(table)), bool)
    for row in orders:
        more = held + table[row]
        take = spared(more) & (missed(more) < missed(held))
        held[take] = more[take]
        taken[range(TRIES), row] = take
    best = taken[missed(held).argmin()]
    if not best.any() and spared(table).any():
        first = orders[:, 0]
        best[first[np.where(spared(table), missed(table), np.inf)[first].argmin()]] = True
    chosen: list[int] = torch.from_numpy(best)[member].nonzero().flatten().tolist()
    return chosen


def _counts(labels: Tensor, member: Tensor) -> NDArray[np.float64]:
    """Images of each group (rows) in all (first column) and of each class, or with each attribute."""
    groups = int(member.max()) + 1
    if labels.ndim == 2:
        table = torch.zeros(groups, labels.shape[1], dtype=torch.float64).index_add_(0, member, labels.double())
    else:
        table = torch.zeros(groups, int(labels.max()) + 1, dtype=torch.float64)
        table.index_put_((member, labels), torch.ones((), dtype=torch.float64), accumulate=True)
    found: NDArray[np.float64] = torch.cat([member.bincount()[:, None].double(), table], 1).numpy()
    return found


def order_is_random(labels: Tensor) -> bool:
    """Whether the file order looks shuffled: neighbours differ about as often as by chance, to the end.

    False for multi-label data, whose rows nearly always differ, sorted or not.
    """
    if labels.ndim == 2:
        return False
    n = len(labels)
    shares = labels.bincount().double() / max(n, 1)
    by_chance = 1 - (shares**2).sum()
    tail = labels[n - n // 10 :]
    changes = (labels[1:] != labels[:-1]).double().mean()
    return bool(changes > 0.8 * by_chance) and len(tail.unique()) == len(labels.unique())
