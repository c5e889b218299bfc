"""What every verb is given: the data, divided as the recipe says."""

import numpy as np

from small import write_npz
from suture.data.dataset import Duplicate
from suture.data.load import load_data
from suture.recipes.context import Context
from suture.runs import Watch
from suture.spec.recipe import EvalStep, Recipe, Splits


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def context(data: str, **splits: object) -> Context:
    return Context(Recipe(data=data, splits=Splits(**splits), seed=3, steps=(EvalStep(model="zoo:tiny10-a"),)), Heard())


def test_the_recipes_splits_and_seed_divide_the_data(tmp_path):
    made = context(f"npz:{write_npz(tmp_path / 'a.npz', 60, 20)}", val=0.3)
    network = made.network("zoo:tiny10-a")
    assert made.data(network).val_share == 0.3
    assert made.data(network).duplicates is None
    assert made.watch.lines == []


def test_duplicates_are_looked_for_once_with_validation_cut_off(tmp_path):
    sample = write_npz(tmp_path / "a.npz", 60, 20)
    with np.load(sample) as archive:
        arrays = dict(archive)
    cut = load_data(f"npz:{sample}").with_validation(3)
    learned, held = (int(split.name(0).partition("/")[2]) for split in (cut.train, cut.val))
    arrays["x_test"][4] = arrays["x_train"][held] = arrays["x_train"][learned]
    np.savez(sample, **arrays)
    made = context(f"npz:{sample}", duplicates=True)
    network = made.network("zoo:tiny10-a")
    first, again = made.data(network), made.data(network)
    assert set(first.duplicates) == {
        Duplicate("train", f"train/{learned}", "val", f"train/{held}", 0),
        Duplicate("train", f"train/{learned}", "test", "test/4", 0),
        Duplicate("val", f"train/{held}", "test", "test/4", 0),
    }
    assert again.duplicates == first.duplicates
    assert first.val is None
    told = [line for line in made.watch.lines if "nearly equal" in line]
    assert len(told) == 1
    assert "3 pairs" in told[0]
    assert "1 in train and val, 1 in train and test, 1 in val and test" in told[0]
    assert first.with_validation(3).duplicates == first.duplicates


def test_no_duplicates_are_told_too(tmp_path):
    made = context(f"npz:{write_npz(tmp_path / 'a.npz', 60, 20)}", duplicates=True)
    assert made.data(made.network("zoo:tiny10-a")).duplicates == ()
    assert made.watch.lines == ["npz:a.npz: no nearly equal images on two sides"]
