"""What kind of adapter joins two cuts, and what its parameters are before any training."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from suture.errors import AdapterError, listed, nearest
from suture.spec.names import ADAPTERS, STARTS

Resample = Literal["bilinear", "nearest", "none"]
Start = Literal["least-squares", "random", "eye"]


@dataclass(frozen=True)
class AdapterSpec:
    """Frozen choice of an adapter; the two cuts give its shape.

    ``resample`` is how one grid becomes another; ``none`` keeps the source's grid, for a decoder that takes
    any. ``ridge`` is the absolute penalty λ ≥ 0 of a least-squares start, in units of the summed squared
    activations (see ``suture.adapters.lstsq.solve``). ``rank`` is that of a ``lowrank`` map, None for a quarter
    of the smaller width. A kind ignores the fields that it has no use for.

    Raises AdapterError for an unknown name, a ridge that is not a finite number ≥ 0, or a rank below 1.
    """

    kind: str = "linear"
    resample: Resample = "bilinear"
    start: Start = "least-squares"
    ridge: float = 0.0
    rank: int | None = None

    def __post_init__(self) -> None:
        for field, names in (("kind", ADAPTERS), ("resample", get_args(Resample)), ("start", STARTS)):
            name = getattr(self, field)
            if name not in names:
                raise AdapterError(
                    f"there is no adapter {field} {name!r}",
                    expected=f"one of {listed(names)}",
                    instead=f"{field}={nearest(str(name), names)[0]!r}",
                )
        if not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise AdapterError(
                f"ridge is {self.ridge!r}",
                expected="a finite number, 0 or more",
                instead="ridge=0.0 for plain least squares",
            )
        whole = isinstance(self.rank, int) and not isinstance(self.rank, bool)
        if self.rank is not None and not (whole and self.rank >= 1):
            raise AdapterError(
                f"rank is {self.rank!r}",
                expected="a whole number, 1 or more, or None",
                instead="rank=None for a quarter of the smaller width",
            )
