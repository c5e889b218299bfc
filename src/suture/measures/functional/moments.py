"""Covariances of many layers, added up over batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over n rows of layers of A and of B, about the ``shift`` of each column (its first row), in float64.

    ``x`` and ``y`` are column sums of all layers of a side, one after the other; ``xx`` and ``yy`` products of the
    columns of each layer, ``xy`` those of all columns of A with all of B.
    """

    n: int
    shift_x: Tensor
    shift_y: Tensor
    x: Tensor
    y: Tensor
    xx: tuple[Tensor, ...]
    yy: tuple[Tensor, ...]
    xy: Tensor


def size(widths_x: Sequence[int], widths_y: Sequence[int]) -> int:
    """Bytes that the sums of so many columns a layer take."""
    return 8 * (sum(d * d for d in (*widths_x, *widths_y)) + sum(widths_x) * sum(widths_y))


def update(moments: Moments | None, X: Sequence[Tensor], Y: Sequence[Tensor]) -> Moments:
    """So many rows more, (m, p) of each layer of A and (m, q) of each of B; the sums of ``moments`` are written over.

    Columns are shifted by their first row: a large mean costs no digits, and what is constant leaves exactly 0.
    """
    widths = [[rows.shape[1] for rows in side] for side in (X, Y)]
    x, y = (torch.cat(tuple(side), 1).double() for side in (X, Y))
    if moments is None:
        xx, yy = (tuple(x.new_zeros(d, d) for d in side) for side in widths)
        moments = Moments(
            0, x[0], y[0], torch.zeros_like(x[0]), torch.zeros_like(y[0]), xx, yy, x.new_zeros(x.shape[1], y.shape[1])
        )
    x, y = x - moments.shift_x, y - moments.shift_y
    for own, rows, sums in ((moments.xx, x, widths[0]), (moments.yy, y, widths[1])):
        for product, part in zip(own, rows.split(sums, 1), strict=True):
            product.addmm_(part.T, part)
    moments.xy.addmm_(x.T, y)
    return Moments(
        moments.n + len(x),
        moments.shift_x,
        moments.shift_y,
        moments.x + x.sum(0),
        moments.y + y.sum(0),
        moments.xx,
        moments.yy,
        moments.xy,
    )


def compute(moments: Moments) -> tuple[list[Tensor], list[Tensor], list[list[Tensor]]]:
    """Products of the centred columns: XᵀX of each layer, YᵀY of each, and XᵀY of every pair. On the CPU."""
    found = []
    for products, sums in ((moments.xx, moments.x), (moments.yy, moments.y)):
        parts = sums.split([len(product) for product in products])
        found.append([(own - torch.outer(s, s) / moments.n).cpu() for own, s in zip(products, parts, strict=True)])
    xy = (moments.xy - torch.outer(moments.x, moments.y) / moments.n).cpu()
    rows = xy.split([len(product) for product in moments.xx], 0)
    return found[0], found[1], [list(row.split([len(product) for product in moments.yy], 1)) for row in rows]
