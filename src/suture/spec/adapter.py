"""What kind of adapter joins two cuts, and what its parameters are before any training."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from suture.errors import AdapterError, listed, nearest
from suture.spec.names import ADAPTERS, MASKS, STARTS, WEIGHTINGS

Resample = Literal["bilinear", "nearest", "none"]
Start = Literal["least-squares", "orthogonal", "reduced-rank", "random", "perm", "eye", "ones-zeros"]
Mask = Literal["identity", "semi-match", "abs-semi-match", "random-permutation", "matching"]
Weighting = Literal["none", "gradient", "activation"]

FITTED_STARTS = ("least-squares", "orthogonal", "reduced-rank")
FITTED_MASKS = ("semi-match", "abs-semi-match", "matching")
MASKABLE_STARTS = ("least-squares", "random", "eye", "ones-zeros")
FLAT_KINDS = ("linear", "lowrank")


@dataclass(frozen=True)
class AdapterSpec:
    """Frozen choice of an adapter; the two cuts give its shape.

    ``resample`` is how one grid becomes another; ``none`` keeps the source's grid, for a decoder that takes
    any. ``ridge`` is the absolute penalty λ ≥ 0 of a least-squares start, in units of the summed squared
    activations (see ``suture.adapters.lstsq.solve``). ``rank`` is that of a ``lowrank`` map, None for a quarter
    of the smaller width. ``mask`` says which source channels a target channel may read (``suture.adapters.masks``);
    ``flatten`` makes the map one of the whole activation, every number of it a channel. ``weighting`` is what rows
    count in a fit (``suture.adapters.weighting``). A kind ignores a rank or a ridge that it has no use for.

    Raises AdapterError for an unknown name, a ridge that is not a finite number ≥ 0, a rank below 1, and for
    choices that make no sense together.
    """

    kind: str = "linear"
    resample: Resample = "bilinear"
    start: Start = "least-squares"
    ridge: float = 0.0
    rank: int | None = None
    mask: Mask = "identity"
    flatten: bool = False
    weighting: Weighting = "none"

    @property
    def wants_fit(self) -> bool:
        """Whether the start or the mask is found from activations."""
        return self.kind != "identity" and (self.start in FITTED_STARTS or self.mask in FITTED_MASKS)

    def __post_init__(self) -> None:
        self._check_names()
        self._check_together()

    def _check_names(self) -> None:
        for field, names in (
            ("kind", ADAPTERS),
            ("resample", get_args(Resample)),
            ("start", STARTS),
            ("mask", MASKS),
            ("weighting", WEIGHTINGS),
        ):
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

    def _check_together(self) -> None:
        if self.kind == "identity" and (self.start not in ("least-squares", "eye") or self.weighting != "none"):
            raise AdapterError(
                f"a start of {self.start} weighted by {self.weighting} of an identity, which has nothing to set",
                expected="no choice of a start where there is no map",
                instead="--adapter linear, or no --init and no --weight",
            )
        if self.start == "reduced-rank" and self.kind != "lowrank":
            raise AdapterError(
                f"a reduced-rank start of an adapter of kind {self.kind!r}, which has every rank",
                expected="a lowrank adapter, whose least-squares map it is",
                instead="--rank 16, or --init least-squares (Python: kind='lowrank', rank=16)",
            )
        if self.mask != "identity" and self.kind != "linear":
            raise AdapterError(
                f"a {self.mask} mask on an adapter of kind {self.kind!r}",
                expected="the one map of a linear adapter, as a mask on factors or taps is none on their product",
                instead="--adapter linear without --rank, or --mask identity",
            )
        if self.mask != "identity" and self.start not in MASKABLE_STARTS:
            raise AdapterError(
                f"a {self.mask} mask on a start that is {self.start}, of which it would leave something else",
                expected=f"one of {listed(MASKABLE_STARTS)} under a mask",
                instead="--init least-squares, the best map within the mask, or --mask identity",
            )
        if self.flatten and self.kind not in FLAT_KINDS:
            raise AdapterError(
                f"a flattened activation and an adapter of kind {self.kind!r}",
                expected=f"a kind that is one linear map: {listed(FLAT_KINDS)}",
                instead="--adapter linear --flatten, or no --flatten",
            )
        if self.weighting != "none" and not self.wants_fit:
            raise AdapterError(
                f"rows weighted by {self.weighting}, and a start of {self.start} that is fitted to none",
                expected=f"a start that is fitted: {listed(FITTED_STARTS)}",
                instead="--init least-squares, or no --weight",
            )
