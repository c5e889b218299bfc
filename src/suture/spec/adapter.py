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
    activations (see ``suture.adapters.lstsq.solve``). A kind without parameters ignores ``start`` and
    ``ridge``.

    Raises AdapterError for an unknown name or a ridge that is not a finite number ≥ 0.
    """

    kind: str = "linear"
    resample: Resample = "bilinear"
    start: Start = "least-squares"
    ridge: float = 0.0

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
