"""The measure and the registry of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from suture.errors import MeasureError, listed, nearest

Invariance = Literal["translation", "isotropic scaling", "orthogonal", "invertible linear"]
Side = Literal["x", "y"]
Shape = tuple[int, ...]
Compare = TypeVar("Compare", bound=Callable[..., Tensor])


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A similarity or distance of X (n, p) and Y (n, q), whose rows are the same n samples.

    ``prepare`` does all that needs one matrix alone, ``compare`` takes two of what it gives to one number: every pair
    of many layers then costs one preparation a layer. Neither looks at the order of the rows.

    ``invariances`` are the changes of X that leave the value as it is: adding the same row to all (translation), one
    factor for all (isotropic scaling), an orthogonal or any invertible map of the columns. ``invariances_y`` are those
    of Y. ``least`` is how many rows it takes. A side that is ``narrow`` must have two rows more than columns: a
    matrix of fewer rows explains everything. Of ``same_shape``, X and Y have the same columns, one by one; such a
    measure keeps all of a matrix when it prepares it, any other min(n, p) columns at most.
    """

    name: str
    prepare: Callable[[Tensor], Any]
    compare: Callable[[Any, Any], Tensor]
    higher_is_more_similar: bool
    symmetric: bool
    invariances: tuple[Invariance, ...]
    invariances_y: tuple[Invariance, ...]
    least: int
    narrow: tuple[Side, ...]
    same_shape: bool

    def prepared(self, X: Tensor) -> Any:
        """What ``compare`` takes. Raises MeasureError for values that are not finite, or say nothing."""
        if not bool(torch.isfinite(X).all()):
            raise MeasureError(
                "some of the activations are not finite numbers",
                expected="finite activations",
                instead="other layers, or a network and images that give none of nan and inf",
            )
        return self.prepare(X)

    def refusal(self, n: int, x: Shape, y: Shape) -> MeasureError | None:
        """Why n samples of these shapes (without the sample axis) cannot be compared; None where they can."""
        if n < self.least:
            return MeasureError(
                f"{n} samples are too few for {self.name}",
                expected=f"{self.least} or more",
                instead=f"--first {self.least}, or more rows in Python",
            )
        if self.same_shape and x != y:
            return MeasureError(
                f"{self.name} compares entry by entry, and the shapes are {_spelled(x)} and {_spelled(y)}",
                expected="equal shapes",
                instead="a measure that takes any two, such as cka_linear_biased",
            )
        for side, shape in (("x", x), ("y", y)):
            if side in self.narrow and n < prod(shape) + 2:
                return MeasureError(
                    f"{self.name} of {n} samples that have {prod(shape)} features: so few are always explained",
                    expected=f"{prod(shape) + 2} samples or more",
                    instead=f"--first {prod(shape) + 2}, or a measure for few samples, such as cka_linear_debiased",
                )
        return None

    def kept(self, n: int, shape: Shape) -> int:
        """How many bytes a prepared matrix of n samples takes, about."""
        columns = prod(shape)
        return 4 * n * columns if self.same_shape else (2 if self.narrow else 1) * 8 * n * min(n, columns)


MEASURES: dict[str, Measure] = {}
CENTRED: tuple[Invariance, ...] = ("translation", "isotropic scaling", "orthogonal")
LINEAR: tuple[Invariance, ...] = (*CENTRED, "invertible linear")


def register(
    name: str,
    prepare: Callable[[Tensor], Any],
    *,
    higher_is_more_similar: bool,
    symmetric: bool = True,
    invariances: tuple[Invariance, ...] = CENTRED,
    invariances_y: tuple[Invariance, ...] | None = None,
    least: int = 3,
    narrow: tuple[Side, ...] = (),
    same_shape: bool = False,
) -> Callable[[Compare], Compare]:
    """Register a comparison of two prepared matrices: ``name`` is in ``suture.spec.names.MEASURES``."""

    def keep(compare: Compare) -> Compare:
        MEASURES[name] = Measure(
            name=name,
            prepare=prepare,
            compare=compare,
            higher_is_more_similar=higher_is_more_similar,
            symmetric=symmetric,
            invariances=invariances,
            invariances_y=invariances if invariances_y is None else invariances_y,
            least=least,
            narrow=narrow,
            same_shape=same_shape,
        )
        return compare

    return keep


def find(name: str) -> Measure:
    """The measure of this name. Raises MeasureError where there is none."""
    if name not in MEASURES:
        raise MeasureError(
            f"there is no measure {name!r}",
            expected=f"one of {listed(MEASURES, 20)}",
            instead=" or ".join(nearest(str(name), MEASURES, 2)),
        )
    return MEASURES[name]


def nothing_varies(what: str = "the activations are the same for every sample") -> MeasureError:
    """The error of a measure that would have to divide 0 by 0."""
    return MeasureError(
        what,
        expected="activations that differ from sample to sample",
        instead="another layer (this one may be dead), or other images",
    )


def _spelled(shape: Shape) -> str:
    return "x".join(map(str, shape))
