"""What every measure keeps to: each that is registered, on tall, wide and square matrices."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute, find
from suture.measures.measure import MEASURES, Invariance
from suture.spec import names

SHAPES = {"tall": (40, 6, 9), "wide": (16, 30, 40), "mixed": (24, 6, 50), "same": (40, 8, 8)}
CHANGES: dict[Invariance, Callable[[Tensor], Tensor]] = {
    "translation": lambda x: x + draw(1, x.shape[1], 7),
    "isotropic scaling": lambda x: 2.5 * x,
    "orthogonal": lambda x: x @ torch.linalg.qr(draw(x.shape[1], x.shape[1], 8)).Q,
    "invertible linear": lambda x: x * torch.linspace(1, 9, x.shape[1]),
}


def draw(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrices(shape: str) -> tuple[Tensor, Tensor]:
    n, p, q = SHAPES[shape]
    x = draw(n, p, 0) * torch.linspace(0.2, 3, p) + 1
    return x, x @ draw(p, q, 1) / p + draw(n, q, 2)


CASES = [
    (name, shape)
    for name in names.MEASURES
    for shape, (n, p, q) in SHAPES.items()
    if find(name).refusal(n, (p,), (q,)) is None
]


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, Tensor, Tensor]:
    name, shape = request.param
    return name, *matrices(shape)


def test_the_registry_holds_what_the_names_say():
    assert sorted(MEASURES) == sorted(names.MEASURES)
    assert set(CHANGES) == set(get_args(Invariance))
    assert {name for name, _ in CASES} == set(MEASURES)


def test_each_names_formula_range_invariances_and_limits():
    for measure in MEASURES.values():
        text = measure.compare.__doc__ or ""
        assert "(n, p)" in text or "(n, d)" in text
        assert all(word in text for word in ("X", "Y", "nvarian", "Limits:")), measure.name


def test_nothing_is_more_like_a_matrix_than_itself(case):
    name, x, y = case
    if find(name).refusal(len(x), tuple(y.shape[1:]), tuple(y.shape[1:])) is not None:
        y = x.clone()
    own = compute(name, y, y)
    assert own == pytest.approx(1 if find(name).higher_is_more_similar else 0, abs=1e-7)
    other = compute(name, *case[1:])
    assert other < own - 1e-3 if find(name).higher_is_more_similar else other > own + 1e-3


def test_symmetric_ones_do_not_mind_the_order_and_others_do(case):
    name, x, y = case
    if find(name).symmetric:
        assert compute(name, y, x) == pytest.approx(compute(name, x, y), abs=1e-12)
    elif find(name).refusal(len(x), tuple(y.shape[1:]), tuple(x.shape[1:])) is None:
        assert abs(compute(name, y, x) - compute(name, x, y)) > 1e-3


@pytest.mark.parametrize("change", get_args(Invariance))
def test_declared_invariances_hold_and_others_do_not(case, change):
    name, x, y = case
    measure, value = find(name), compute(*case)
    for changed, invariances in (
        (compute(name, CHANGES[change](x), y), measure.invariances),
        (compute(name, x, CHANGES[change](y)), measure.invariances_y),
    ):
        if change in invariances:
            assert changed == pytest.approx(value, abs=1e-7)
        else:
            assert abs(changed - value) > 1e-4


def test_the_order_of_the_samples_does_not_matter_but_their_pairing_does(case):
    name, x, y = case
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    assert compute(name, x[order], y[order]) == pytest.approx(compute(name, x, y), abs=1e-9)
    assert abs(compute(name, x[order], y) - compute(name, x, y)) > 1e-4


def test_single_precision_tells_the_same_and_arguments_stay(case):
    name, x, y = case
    before = x.clone()
    assert compute(name, x.float(), y.float()) == pytest.approx(compute(name, x, y), abs=1e-5)
    assert torch.equal(x, before)


def test_what_is_prepared_is_prepared_once_and_compared_twice_alike(case):
    name, x, y = case
    measure = find(name)
    a, b = measure.prepared(x), measure.prepared(y)
    assert float(measure.compare(a, b)) == float(measure.compare(a, b)) == compute(name, x, y)


@pytest.mark.parametrize("name", names.MEASURES)
def test_too_few_samples_and_values_that_are_not_finite_are_refused(name):
    few = torch.zeros(find(name).least - 1, 1)
    with raises(MeasureError, "too few", name):
        compute(name, few, few)
    broken = draw(20, 4, 0)
    broken[3, 2] = torch.nan
    with raises(MeasureError, "not finite"):
        compute(name, draw(20, 4, 1), broken)
