"""What every measure keeps to: each form of name, with its usual number and another one, on tall and wide matrices."""

from collections.abc import Callable
from math import prod
from typing import get_args

import pytest
import torch
from torch import Tensor

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute, find
from suture.measures.measure import FORMS, Family, Invariance, Measure
from suture.spec.measures import ALIASES, MEASURES, PARAMETERS, parse_measure

OTHERS = (
    "cka_linear_minibatch_bs8",
    "cka_rbf_t0.4_biased",
    "cka_rbf_t2.5_debiased",
    "svcca_0.8",
    "mutual_knn_k3_cosine",
    "jaccard_knn_k3_cosine",
)
NAMES = (*MEASURES, *OTHERS)
SHAPES = {"tall": (40, 6, 9), "wide": (24, 30, 40), "mixed": (24, 6, 50), "same": (40, 8, 8), "many": (256, 4, 5)}
# Of a size: one change may leave a measure of few steps, such as neighbours, where it is.
CHANGES: dict[Invariance, Callable[[Tensor, float], Tensor]] = {
    "translation": lambda x, size: x + size * draw(1, x.shape[1], 7),
    "isotropic scaling": lambda x, size: 2.5 * size * x,
    "row scaling": lambda x, size: x * torch.linspace(0.5, 3 * size, len(x))[:, None],
    "orthogonal": lambda x, size: x @ torch.linalg.qr(draw(x.shape[1], x.shape[1], round(10 * size))).Q,
    "invertible linear": lambda x, size: x * torch.linspace(1, 9 * size, x.shape[1]),
}


def draw(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrices(shape: str) -> tuple[Tensor, Tensor]:
    n, p, q = SHAPES[shape]
    x = draw(n, p, 0) * torch.linspace(0.2, 3, p) + 1
    return x, x @ draw(p, q, 1) / p + draw(n, q, 2)


def takes(name: str, n: int, p: int, q: int) -> bool:
    return find(name).refusal(n, (p,), (q,)) is None


def shapes_of(name: str) -> list[str]:
    """Those that it takes; of the large one and the square one, only where there is no other.

    Of random wide matrices 0.99 of the variance is in too many directions (tests/measures/test_cca.py).
    """
    taken = [shape for shape, size in SHAPES.items() if takes(name, *size) and (name, shape) != ("svcca_0.99", "wide")]
    return [shape for shape in taken if shape not in ("many", "same")] or taken[:1]


CASES = [(name, shape) for name in NAMES for shape in shapes_of(name)]


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, Tensor, Tensor]:
    name, shape = request.param
    return name, *matrices(shape)


def within_batches(n: int) -> Tensor:
    """Another order of n rows that keeps each in its batch of 8: such measures compare no others."""
    random = torch.Generator().manual_seed(3)
    return torch.cat([start + torch.randperm(8, generator=random) for start in range(0, n, 8)])


def size_of(name: str, x: Tensor, y: Tensor) -> float:
    """What values are measured in, where they have a unit."""
    return float(max(x.norm(), y.norm())) if name == "procrustes_size_shape" else 1.0


def test_every_name_is_registered_and_each_form_has_two_numbers_here():
    assert set(FORMS) == set(PARAMETERS)
    assert {name for name, _ in CASES} == set(NAMES)
    assert {parse_measure(name)[0] for name in OTHERS} == {form for form, known in PARAMETERS.items() if known}
    assert set(CHANGES) == set(get_args(Invariance))
    for name in NAMES:
        assert find(name).name == name
        assert isinstance(find(name), Measure)
        assert isinstance(find(name).family, Family)
    for short, name in ALIASES.items():
        assert find(short) is find(name)


@pytest.mark.parametrize("name", NAMES)
def test_each_names_formula_shapes_range_invariances_limits_paper_and_cost(name):
    text = find(name).compare.__doc__ or ""
    assert "(n, p)" in text or "(n, d)" in text
    for word in ("X", "Y", "Range", "nvarian", "Limits"):
        assert word in text or (word == "Range" and ("At most 1" in text or "A metric, in" in text)), word
    assert "arXiv" in text or "2008" in text
    assert "O(" in text or "ost: as of" in text or "ost: as there" in text or "Limits, cost: as" in text


def test_nothing_is_more_like_a_matrix_than_itself(case):
    name, x, y = case
    if not takes(name, len(x), y.shape[1], y.shape[1]):
        y = x.clone()
    own, unit = compute(name, y, y), size_of(name, *case[1:])
    higher = find(name).higher_is_more_similar
    assert own == pytest.approx(1 if higher else 0, abs=1e-7 * unit)
    other = compute(name, *case[1:])
    assert other < own - 1e-3 if higher else other > own + 1e-3 * unit


def test_symmetric_ones_do_not_mind_the_order_and_others_do(case):
    name, x, y = case
    if find(name).symmetric:
        assert compute(name, y, x) == pytest.approx(compute(name, x, y), rel=1e-12, abs=1e-12)
    elif takes(name, len(x), y.shape[1], x.shape[1]):
        assert abs(compute(name, y, x) - compute(name, x, y)) > 1e-3


@pytest.mark.parametrize("change", get_args(Invariance))
def test_declared_invariances_hold_and_others_do_not(case, change):
    name, x, y = case
    measure, value = find(name), compute(*case)
    for side, invariances in enumerate((measure.invariances, measure.invariances_y)):
        changed = []
        for size in (1, 2, 4):
            sides = [x, y]
            sides[side] = CHANGES[change](sides[side], size)
            changed.append(compute(name, *sides))
        if change in invariances:
            assert changed == pytest.approx([value] * 3, rel=1e-7, abs=1e-7)
        else:
            assert max(abs(other - value) for other in changed) > 1e-4


def test_the_order_of_the_samples_does_not_matter_but_their_pairing_does(case):
    name, x, y = case
    order = within_batches(len(x))
    assert compute(name, x[order], y[order]) == pytest.approx(compute(name, x, y), rel=1e-9, abs=1e-9)
    assert abs(compute(name, x[order], y) - compute(name, x, y)) > 1e-4


def test_single_precision_tells_the_same_and_arguments_stay(case):
    name, x, y = case
    before = x.clone()
    assert compute(name, x.float(), y.float()) == pytest.approx(compute(name, x, y), rel=1e-5, abs=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize(
    ("name", "shape"), [each for each in CASES if "isotropic scaling" in find(each[0]).invariances]
)
def test_the_scale_of_activations_does_not_matter_in_single_precision_either(name, shape, scale):
    x, y = (z.float() for z in matrices(shape))
    assert compute(name, x * scale, y / scale) == pytest.approx(compute(name, x, y), abs=1e-5)


def test_what_is_prepared_is_prepared_once_and_compared_twice_alike(case):
    name, x, y = case
    measure = find(name)
    a, b = measure.prepared(x), measure.prepared(y)
    common = measure.family.relate(a, b)
    values = {float(measure.compare(a, b, common)), float(measure.value(a, b)), compute(name, x, y)}
    assert len(values) == 1


def test_a_side_in_another_order_is_that_of_the_rows_in_that_order(case):
    name, x, y = case
    measure, order = find(name), within_batches(len(x))
    a, b = measure.prepared(x), measure.prepared(y)
    shuffled = float(measure.value(a, measure.family.permuted(b, order)))
    assert shuffled == pytest.approx(compute(name, x, y[order]), rel=1e-9, abs=1e-9)
    assert shuffled != float(measure.value(a, b))


@pytest.mark.parametrize("name", [name for name in NAMES if find(name).streams == "moments"])
def test_second_moments_tell_the_same_as_rows(name):
    family = find(name).family
    x, y = (z - z.mean(0) for z in matrices("tall"))
    assert family.settle is not None
    assert family.cross is not None
    a, b = family.settle(x.T @ x), family.settle(y.T @ y)
    value = float(find(name).compare(a, b, family.cross(a, b, x.T @ y)))
    assert value == pytest.approx(compute(name, x, y), rel=1e-9, abs=1e-9)


def test_what_a_side_keeps_is_as_large_as_the_family_says(case):
    name, x, _ = case
    kept = bytes_of(find(name).prepared(x))
    assert 0 < kept <= find(name).family.size(*x.shape) + 8 * sum(x.shape) * len(x.shape)


def bytes_of(side: object) -> int:
    """Bytes of all tensors of a side; of a layer's activations as the float32 that they are."""
    if isinstance(side, Tensor):
        return prod(side.shape) * (8 if side.dtype != torch.float64 or side.shape[0] == side.shape[1] else 4)
    parts = side if isinstance(side, list | tuple) else vars(side).values() if hasattr(side, "__dict__") else ()
    return sum(part.nbytes if isinstance(part, Tensor) else bytes_of(part) for part in parts)


def test_measures_that_can_share_what_is_prepared_do():
    spectral = [name for name in NAMES if name.startswith(("cca", "svcca", "pwcca", "procrustes", "angular", "linreg"))]
    assert len({find(name).family for name in spectral}) == 1
    assert find("mutual_knn_k10_cosine").family is find("jaccard_knn_k10_cosine").family
    assert find("mutual_knn_k10_cosine").family is not find("mutual_knn_k3_cosine").family
    assert find("cka_linear_biased").family is find("cka_linear_debiased").family
    assert find("cka_rbf_t1.0_biased").family is find("cka_rbf_t1_biased").family


@pytest.mark.parametrize("name", NAMES)
def test_too_few_samples_and_values_that_are_not_finite_are_refused(name):
    few = torch.zeros(find(name).least - 1, 1)
    with raises(MeasureError, "too few", name):
        compute(name, few, few)
    x = draw(256, 4, 0)
    for wrong in (torch.nan, torch.inf, -torch.inf):
        broken = x.clone()
        broken[3, 2] = wrong
        with raises(MeasureError, f"Y of {name}", "not finite"):
            compute(name, x, broken)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "l2"])
@pytest.mark.parametrize("d", [3, 300])
@pytest.mark.parametrize("features", ["alike", "different"])
def test_constant_activations_are_refused_by_the_name_of_the_measure_and_the_matrix(name, d, features):
    if not takes(name, 256, 5, d) or not takes(name, 256, d, 5):
        d = 3
    constant = torch.full((256, d), 0.1) if features == "alike" else draw(1, d, 1).float().repeat(256, 1)
    with raises(MeasureError, f"X of {name}"):
        compute(name, constant, draw(256, 5, 0))
    with raises(MeasureError, f"Y of {name}"):
        compute(name, draw(256, 5, 0), constant)
