"""Images that a run learned from are told when it is scored on them; those of its own division never are."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from small import sample_split
from suture.data.dataset import Split
from suture.data.load import load_data
from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.execute import execute
from suture.recipes.seen import seen
from suture.runs import Watch
from suture.spec.recipe import EvalStep, ExplainStep, Recipe, Splits, TrainStep
from suture.spec.stage import Stage

SPLITS = Splits(test=0.25)


class Listener(Watch):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pets")
    for number, image in enumerate(sample_split(40).images.batch(range(40))):
        path = root / "data" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    with (root / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "day"], *([f"{number}.png", number // 4] for number in range(40))])
    return root


@pytest.fixture(scope="module")
def trained(place) -> Recipe:
    step = TrainStep(model="zoo:lenet@none", stage=Stage(epochs=1, moves=("all",)))
    recipe = Recipe(data=f"folder:{place / 'data'}", seed=3, splits=SPLITS, steps=(step,))
    execute(Context(recipe), place / "run")
    return recipe


def looked_at(trained: Recipe, place: Path, split: str = "test", **more) -> Recipe:
    step = EvalStep(model=f"run:{place / 'run'}", split=split)
    return trained.model_copy(update={"steps": (step,), **more})


def drawn(recipe: Recipe, split: str) -> Split:
    return (
        load_data(recipe.data, size=8, splits=recipe.splits, seed=recipe.seed).with_validation(recipe.seed).split(split)
    )


@pytest.mark.parametrize("split", ["val", "test"])
def test_its_own_division_holds_nothing_that_it_learned_from(trained, place, split):
    recipe = looked_at(trained, place, split)
    assert seen(recipe.steps[0].model, recipe, drawn(recipe, split)) == 0
    watch = Listener()
    result = Evaluate.prepare(recipe.steps[0], Context(recipe, watch)).run().result
    assert "learned_from" not in result
    assert not watch.heard


@pytest.mark.parametrize("more", [{"seed": 0}, {"splits": Splits(test=0.5)}, {"splits": "groups"}])
@pytest.mark.parametrize("split", ["val", "test"])
def test_another_division_is_counted_and_told(trained, place, split, more):
    if more == {"splits": "groups"}:
        more = {"splits": Splits(test=0.25, group=f"{place / 'groups.csv'}:day")}
    recipe = looked_at(trained, place, split, **more)
    learned = set(drawn(trained, "train").names or ()) & set(drawn(recipe, split).names or ())
    watch = Listener()
    result = Evaluate.prepare(recipe.steps[0], Context(recipe, watch)).run().result
    assert result["learned_from"] == len(learned) > 0
    assert [line for line in watch.heard if f"learned from {len(learned)} of these {result['n']} images" in line]


def test_a_place_spelled_otherwise_is_the_same(trained, place, monkeypatch):
    monkeypatch.chdir(place)
    recipe = looked_at(trained, place, data="folder:data", seed=0)
    assert seen(recipe.steps[0].model, recipe, drawn(recipe, "test")) > 0


def test_other_networks_and_other_data_have_seen_nothing(trained, place):
    recipe = looked_at(trained, place, seed=0)
    split = drawn(recipe, "test")
    assert seen("zoo:tiny10-a", recipe, split) == 0
    assert seen(f"run:{place / 'nowhere'}", recipe, split) == 0
    assert seen(recipe.steps[0].model, recipe.model_copy(update={"data": "sample"}), split) == 0


def test_an_explanation_tells_it_too(trained, place):
    step = ExplainStep(model=f"run:{place / 'run'}", count=1)
    for seed, words in ((3, 0), (8, 1)):
        heard = Listener()
        recipe = trained.model_copy(update={"steps": (step,), "seed": seed})
        execute(Context(recipe, heard), place / f"seen-{seed}")
        assert sum("learned from" in line for line in heard.heard) == words
