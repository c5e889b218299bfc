"""Everything a closed-form fit needs of rows that come in batches: their sums.

They are taken about the first batch's mean, so that large means do not cancel (Chan, Golub & LeVeque 1983,
"Algorithms for Computing the Sample Variance", section 3), in float64 throughout. Memory is O(p² + p·q), whatever
the number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

FLOAT32_EPS = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Sums:
    """The sums of n rows of x (n, p) and y (n, q), all in float64.

    The columns of x may be several sources side by side, one Gram matrix for each: they share the cross
    products with y but not their Gram. ``grams`` holds xᵀx of each source, ``cross`` is xᵀy (p, q),
    ``squares`` the diagonal of yᵀy (q,), ``x_total`` and ``y_total`` column sums; all of rows less
    ``x_shift`` and ``y_shift``. Where rows have weights every sum is weighted; ``mass`` is the sum of the weights,
    else n.
    """

    n: int
    mass: Tensor
    x_shift: Tensor
    y_shift: Tensor
    x_total: Tensor
    y_total: Tensor
    grams: tuple[Tensor, ...]
    cross: Tensor
    squares: Tensor

    @property
    def widths(self) -> list[int]:
        return [len(gram) for gram in self.grams]

    @property
    def x_mean(self) -> Tensor:
        return self.x_shift + self.x_total / self.mass

    @property
    def y_mean(self) -> Tensor:
        return self.y_shift + self.y_total / self.mass

    @property
    def centred_gram(self) -> Tensor:
        """Of the one source, (p, p)."""
        (gram,) = self.grams
        return gram - torch.outer(self.x_total, self.x_total) / self.mass

    @property
    def centred_cross(self) -> Tensor:
        """(p, q)."""
        return self.cross - torch.outer(self.x_total, self.y_total) / self.mass

    @property
    def centred_squares(self) -> Tensor:
        """(q,)."""
        return self.squares - self.y_total.square() / self.mass


def empty(widths: Sequence[int], targets: int, device: torch.device | None = None) -> Sums:
    """No rows yet, of sources with these numbers of channels side by side, and of ``targets`` channels."""

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float64, device=device)

    p, q = sum(widths), targets
    grams = tuple(zeros(width, width) for width in widths)
    return Sums(0, zeros(), zeros(p), zeros(q), zeros(p), zeros(q), grams, zeros(p, q), zeros(q))


def update(sums: Sums, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Sums:
    """The sums with the rows of x (n, p) and y (n, q) added, and their weights (n,); the arguments stay as they are."""
    if len(x) == 0:
        return sums
    if sums.n == 0:
        sums = replace(sums, x_shift=x.mean(0, dtype=torch.float64), y_shift=y.mean(0, dtype=torch.float64))
    x, y = x - sums.x_shift, y - sums.y_shift  # float64 from here on
    heavy_x, heavy_y = (x, y) if weights is None else (x * weights.double()[:, None], y * weights.double()[:, None])
    blocks = zip(sums.grams, torch.split(heavy_x, sums.widths, 1), torch.split(x, sums.widths, 1), strict=True)
    return replace(
        sums,
        n=sums.n + len(x),
        mass=sums.mass + (len(x) if weights is None else weights.sum(dtype=torch.float64)),
        x_total=sums.x_total + heavy_x.sum(0),
        y_total=sums.y_total + heavy_y.sum(0),
        grams=tuple(torch.addmm(gram, heavy.T, block) for gram, heavy, block in blocks),
        cross=torch.addmm(sums.cross, heavy_x.T, y),
        squares=sums.squares + (heavy_y * y).sum(0),
    )


def pick(sums: Sums, source: int, targets: slice) -> Sums:
    """The sums of one source and some of the target columns."""
    start = sum(sums.widths[:source])
    block = slice(start, start + sums.widths[source])
    return replace(
        sums,
        x_shift=sums.x_shift[block],
        y_shift=sums.y_shift[targets],
        x_total=sums.x_total[block],
        y_total=sums.y_total[targets],
        grams=(sums.grams[source],),
        cross=sums.cross[block, targets],
        squares=sums.squares[targets],
    )


def narrow(sums: Sums, channels: Tensor, targets: Tensor) -> Sums:
    """The sums of some columns of the one source and of the target, by their indices."""
    (gram,) = sums.grams
    return replace(
        sums,
        x_shift=sums.x_shift[channels],
        y_shift=sums.y_shift[targets],
        x_total=sums.x_total[channels],
        y_total=sums.y_total[targets],
        grams=(gram[channels[:, None], channels],),
        cross=sums.cross[channels[:, None], targets],
        squares=sums.squares[targets],
    )


def correlation(sums: Sums) -> Tensor:
    """Pearson's, of target channels with those of the one source, (q, p); 0 where one of the two is constant.

    A channel counts as constant when float32 activations could not carry its deviations: their mean square is at
    most ε² of the mean square of the channel (ε = 2⁻²³).
    """
    scales = [
        torch.where(variance > FLOAT32_EPS**2 * (variance + sums.mass * mean.square()), variance.rsqrt(), 0.0)
        for variance, mean in (
            (sums.centred_gram.diagonal(), sums.x_mean),
            (sums.centred_squares, sums.y_mean),
        )
    ]
    return scales[1][:, None] * sums.centred_cross.T * scales[0]


def residual(sums: Sums, weight: Tensor, bias: Tensor) -> float:
    """The share of y's variance that W x + b leaves, 1 − R²: more than 1 where the mean alone is better.

    ``weight`` (q, p) and ``bias`` (q,) are any map of the one source. A constant y leaves 0.
    """
    weight, bias = weight.double(), bias.double()
    apart = sums.y_mean - weight @ sums.x_mean - bias
    left = sums.centred_squares.sum() + sums.mass * apart.square().sum()
    left = left + (weight @ sums.centred_gram * weight).sum() - 2 * (weight.T * sums.centred_cross).sum()
    variance = sums.centred_squares.sum()
    return float((left / variance).clamp(min=0)) if variance > 0 else 0.0
