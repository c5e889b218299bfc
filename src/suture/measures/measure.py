"""The measure and the registry of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, update_wrapper
from math import prod
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from suture.errors import MeasureError, listed, nearest
from suture.spec.measures import ALIASES, MEASURES, NumberError, measure_name, parse_measure

Invariance = Literal["translation", "isotropic scaling", "row scaling", "orthogonal", "invertible linear"]
Estimator = Literal["biased", "debiased", "minibatch"]
Stream = Literal["batches", "moments", "entries"]
Side = Literal["x", "y"]
Shape = tuple[int, ...]
Compare = TypeVar("Compare", bound=Callable[..., Tensor])


@dataclass(frozen=True, kw_only=True)
class Family:
    """What several measures share: how one matrix is prepared, and what two prepared ones have in common.

    ``prepare`` takes X (n, d) to a side, with all that needs one matrix alone, so that every pair of many layers costs
    one preparation a layer; ``relate`` takes two sides to what the measures compare. ``permuted`` is the side of
    X[order], without preparing it anew. ``size`` is how many bytes a side of n rows and d columns takes, about, and
    ``work`` how many more preparing it.

    Where the second moments are enough, ``settle`` takes the products of the centred columns XᵀX (d, d), in float64,
    to a side, and ``cross`` two such sides and XᵀY (p, q) to what they have in common. Neither looks at n.
    """

    prepare: Callable[[Tensor], Any]
    relate: Callable[[Any, Any], Any]
    permuted: Callable[[Any, Tensor], Any]
    size: Callable[[int, int], int]
    work: Callable[[int, int], int] = lambda _n, _d: 0
    settle: Callable[[Tensor], Any] | None = None
    cross: Callable[[Any, Any, Tensor], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A similarity or distance of X (n, p) and Y (n, q), whose rows are the same n samples.

    ``compare`` takes two sides of the ``family``, and what they have in common, to one number.

    ``invariances`` are the changes of X that leave the value as it is: adding the same row to all (translation), one
    factor for all (isotropic scaling), a positive factor for each sample (row scaling), an orthogonal or any
    invertible map of the columns. ``invariances_y`` are those of Y. ``least`` is how many rows it takes, of which
    the number must be ``divisible``. A side that is ``narrow`` must have two rows more than columns: a matrix of
    fewer rows explains everything. Of ``same_shape``, X and Y have the same columns, one by one.

    ``streams`` says by what sums over batches any number of rows can be compared in flat memory; a measure where it
    is None looks at every pair of samples, n² of them. ``estimator`` says which of the estimates of the same
    quantity it is, where the field knows several; ``batch`` is the number of rows of those it takes one by one.
    """

    name: str
    family: Family
    compare: Callable[[Any, Any, Any], Tensor]
    higher_is_more_similar: bool
    symmetric: bool
    invariances: tuple[Invariance, ...]
    invariances_y: tuple[Invariance, ...]
    least: int
    divisible: int
    narrow: tuple[Side, ...]
    same_shape: bool
    estimator: Estimator | None
    streams: Stream | None
    batch: int | None

    def prepared(self, X: Tensor) -> Any:
        """A side of X. Raises MeasureError for values that are not finite, or say nothing."""
        if not bool(torch.isfinite(X).all()):
            raise not_finite()
        return self.family.prepare(X)

    def value(self, x: Any, y: Any) -> Tensor:
        """The measure of two sides. Raises MeasureError where it is not defined."""
        return self.compare(x, y, self.family.relate(x, y))

    def refusal(self, n: int, x: Shape, y: Shape) -> MeasureError | None:
        """Why n samples of these shapes (without the sample axis) cannot be compared; None where they can."""
        if n < self.least:
            return MeasureError(
                f"{n} {'sample is' if n == 1 else 'samples are'} too few for {self.name}",
                expected=f"{self.least} or more",
                instead=f"--samples {self.least}, or more rows in Python",
            )
        if n % self.divisible:
            whole = max(n // self.divisible, 1) * self.divisible
            return MeasureError(
                f"{self.name} of {n} samples, which make no whole batches of {self.divisible}",
                expected=f"a multiple of {self.divisible}",
                instead=f"--samples {whole}, or cka_linear_minibatch, whose batches are as equal as can be",
            )
        if self.same_shape and x != y:
            return MeasureError(
                f"{self.name} compares entry by entry, and the shapes are {_spelled(x)} and {_spelled(y)}",
                expected="equal shapes",
                instead="a measure that takes any two, such as cka_linear_debiased",
            )
        for side, shape in (("x", x), ("y", y)):
            if side in self.narrow and n < prod(shape) + 2:
                return MeasureError(
                    f"{self.name} of {n} samples that have {prod(shape)} features: so few are always explained",
                    expected=f"{prod(shape) + 2} samples or more",
                    instead=f"--samples {prod(shape) + 2}, --spatial mean, or a measure for few samples, such as "
                    "cka_linear_debiased",
                )
        return None


@dataclass(frozen=True)
class _Form:
    """A measure of any number in its name."""

    family: Family | Callable[[Any], Family]
    compare: Callable[..., Tensor]
    declared: dict[str, Any]


FORMS: dict[str, _Form] = {}
CENTRED: tuple[Invariance, ...] = ("translation", "isotropic scaling", "orthogonal")
LINEAR: tuple[Invariance, ...] = (*CENTRED, "invertible linear")


def register(
    form: str,
    family: Family | Callable[[Any], Family],
    *,
    higher_is_more_similar: bool,
    symmetric: bool = True,
    invariances: tuple[Invariance, ...] = CENTRED,
    invariances_y: tuple[Invariance, ...] | None = None,
    least: int | Callable[[float], int] = 3,
    narrow: tuple[Side, ...] = (),
    same_shape: bool = False,
    estimator: Estimator | None = None,
    streams: Stream | None = None,
) -> Callable[[Compare], Compare]:
    """Register a comparison of two sides: ``form`` is in ``suture.spec.measures.PARAMETERS``.

    Where it has a number in it, ``family`` is a function of that number; or it is one for all numbers, and the
    comparison takes ``number`` as well. ``least`` may be a function of it too.
    """

    def keep(compare: Compare) -> Compare:
        FORMS[form] = _Form(
            family,
            compare,
            {
                "higher_is_more_similar": higher_is_more_similar,
                "symmetric": symmetric,
                "invariances": invariances,
                "invariances_y": invariances if invariances_y is None else invariances_y,
                "least": least,
                "narrow": narrow,
                "same_shape": same_shape,
                "estimator": estimator,
                "streams": streams,
            },
        )
        return compare

    return keep


def find(name: str) -> Measure:
    """The measure of this name, short or full. Raises MeasureError where there is none."""
    try:
        full = measure_name(str(name))
    except NumberError as error:
        raise MeasureError(
            f"there is no measure {name!r}: {error}", expected="a number in that range", instead=error.usual
        ) from error
    except ValueError as error:
        raise MeasureError(
            f"there is no measure {name!r}",
            expected=f"one of {listed((*ALIASES, *MEASURES), 40)}",
            instead=" or ".join(nearest(str(name), (*ALIASES, *MEASURES), 2)),
        ) from error
    return _found(full)


@cache
def _found(name: str) -> Measure:
    shape, number = parse_measure(name)
    form = FORMS[shape]
    batch = int(number) if number is not None and form.declared["streams"] == "batches" else None
    compare, least = form.compare, form.declared["least"]
    family = form.family if isinstance(form.family, Family) else form.family(number)
    if number is not None and family is form.family:
        compare = update_wrapper(partial(compare, number=number), compare)
    declared = {**form.declared, "least": least(number) if callable(least) else least}
    return Measure(name=name, family=family, compare=compare, batch=batch, divisible=batch or 1, **declared)


def not_finite() -> MeasureError:
    return MeasureError(
        "some of the activations are not finite numbers",
        expected="finite activations",
        instead="other layers, or a network and images that give none of nan and inf",
    )


def nothing_varies(what: str = "the activations are the same for every sample") -> MeasureError:
    """The error of a measure that would have to divide 0 by 0."""
    return MeasureError(
        what,
        expected="activations that differ from sample to sample",
        instead="another layer (this one may be dead), or other images",
    )


def _spelled(shape: Shape) -> str:
    return "x".join(map(str, shape))
