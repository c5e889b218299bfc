"""Measures against values that others computed: on given matrices, and on real networks and all of CIFAR-10."""

import json
from pathlib import Path

import numpy as np
import pytest

from suture.measures import compute
from suture.recipes.compare import Compare
from suture.recipes.context import Context
from suture.spec.recipe import CompareStep, Recipe

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict:
    return json.loads((shared / "golden" / "stitching.json").read_text())


def test_every_value_of_two_independent_implementations(shared):
    told = json.loads((shared / "golden" / "measures.json").read_text())
    checked = set()
    with np.load(shared / "golden" / "measures.npz") as matrices:
        for case, values in told["values"].items():
            for name, value in values.items():
                x, y = matrices[f"{case}_X"], matrices[f"{case}_Y"]
                assert compute(name, x, y) == pytest.approx(value, abs=told["tolerance"]), (case, name)
                assert compute(name, x.astype(np.float32), y) == pytest.approx(value, rel=1e-5, abs=1e-5), (case, name)
                checked.add(name)
    assert checked == set(told["definitions"])


def pairs(shared: Path, cifar10_npz: Path, kind: str, layers: tuple[str, ...], **fields) -> dict[str, dict]:
    weights = shared / "weights"
    a, b = (f"zoo:{kind.partition('_')[0]}@{weights / f'{kind}-in{i}.safetensors'}" for i in (0, 1))
    step = CompareStep(a=a, b=b, layers=tuple(f"{name}:{name}" for name in layers), samples=2000, **fields)
    context = Context(Recipe(data=f"npz:{cifar10_npz}", steps=(step,)))
    result = Compare.prepare(step, context).run().result
    assert result["n"] == 2000
    return {pair["a"]: pair for pair in result["pairs"]}


@pytest.mark.cifar10
def test_the_tiny10_pair_is_as_alike_as_the_published_code_finds_it(shared, cifar10_npz, golden):
    cka, l2 = (golden[name]["tiny10-in0 x tiny10-in1"] for name in ("cka", "l2"))
    found = pairs(shared, cifar10_npz, "tiny10", tuple(cka), measure=("cka_linear_biased", "l2"))
    for layer in cka:
        assert found[layer]["cka_linear_biased"] == pytest.approx(cka[layer], abs=1e-4), layer
        assert found[layer]["l2"] == pytest.approx(l2[layer], rel=1e-4), layer


@pytest.mark.cifar10
def test_the_resnet20_pair_is_as_alike_as_the_published_code_finds_it(shared, cifar10_npz, golden):
    cka = golden["cka"]["resnet20_w1-in0 x resnet20_w1-in1 (first 2000 train images)"]
    found = pairs(shared, cifar10_npz, "resnet20_w1", tuple(cka), split="train", measure=("cka_linear_biased",))
    for layer in cka:
        assert found[layer]["cka_linear_biased"] == pytest.approx(cka[layer], abs=1e-4), layer
