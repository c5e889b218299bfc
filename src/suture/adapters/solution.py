"""From sums to the map that an adapter is to become."""

from dataclasses import dataclass

from torch import Tensor

from suture.adapters.lstsq import Spectrum, decompose, solve, solve_within
from suture.adapters.mapped import Mapped
from suture.adapters.masks import fitted_mask
from suture.adapters.procrustes import rotate
from suture.adapters.sums import Sums, residual
from suture.spec.adapter import FITTED_MASKS, FITTED_STARTS


@dataclass(frozen=True)
class FitReport:
    """``n`` rows (images times positions), ``residual`` 1 − R² of the map as set, ``rank`` of the source's rows.

    ``residual`` is in [0, 1] of least squares. Any other map may leave more than the mean alone would, and so more
    than 1: an orthogonal one, or a start that is not fitted under a mask that is. Where rows have weights it is
    weighted too.
    """

    n: int
    residual: float
    rank: int


@dataclass(frozen=True)
class Solution:
    """``weight`` (target channels, columns) and ``bias`` in float64, and the mask they keep to, None for none."""

    weight: Tensor
    bias: Tensor
    mask: Tensor | None
    report: FitReport


def find(adapter: Mapped, sums: Sums, spectrum: Spectrum | None = None, rank: int | None = None) -> Solution:
    """What ``fit`` makes of an adapter that was built and not yet trained; the adapter stays as it is.

    The mask first, where it is fitted; then the map that the start asks for within it: orthogonal, or least squares
    (of ``rank``), also where a start that is not fitted is fitted all the same. Only where the mask alone wants a fit
    the start stays, zero outside the mask.
    """
    spec, mask, affine = adapter.spec, adapter.mask, adapter.affine
    spectrum = spectrum or decompose(sums)
    if mask is not None:
        mask = fitted_mask(spec.mask, sums) if spec.mask in FITTED_MASKS else mask.to(sums.cross.device)
    if mask is not None and affine is not None and spec.mask in FITTED_MASKS and spec.start not in FITTED_STARTS:
        weight, bias = affine[0].detach().to(sums.cross) * mask, affine[1].detach().to(sums.cross)
        left = residual(sums, weight, bias)
    elif mask is not None:
        weight, bias, left = solve_within(sums, mask, spec.ridge)
    elif spec.start == "orthogonal":
        weight, bias, left = rotate(sums, rank)
    else:
        weight, bias, left = solve(sums, spec.ridge, spectrum, rank)
    return Solution(weight, bias, mask, FitReport(sums.n, left, spectrum.rank))


def become(adapter: Mapped, solution: Solution) -> None:
    """Write the mask and the map, in place."""
    if adapter.mask is not None and solution.mask is not None:
        adapter.mask.copy_(solution.mask)
    adapter.set_map(solution.weight, solution.bias)
