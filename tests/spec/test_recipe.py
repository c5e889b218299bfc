import json

import pytest
from pydantic import ValidationError

from suture.spec.recipe import STEPS, EvalStep, Recipe, SearchStep, StitchStep, TrainStep
from suture.spec.stage import Stage

A, B = "zoo:tiny10-a", "zoo:tiny10-b"
RECIPES = [
    TrainStep(model=A),
    StitchStep(a=A, b=B, at="relu5:bn4", stage=Stage(moves=("adapter", "head"), augment=("flip",), views=3)),
    SearchStep(a=A, b=B, top=2),
    EvalStep(model="run:runs/first", split="val"),
]


@pytest.mark.parametrize("step", RECIPES, ids=lambda step: step.verb)
def test_a_step_survives_json(step):
    (plain,) = Recipe(steps=(step,)).as_data()["steps"]
    ((verb, fields),) = json.loads(json.dumps(plain)).items()
    assert STEPS[verb](**fields) == step


def test_the_name_is_no_part_of_what_is_done():
    assert Recipe(name="x", steps=RECIPES[:1]).as_data() == Recipe(name="y", steps=RECIPES[:1]).as_data()


def test_steps_and_stages_are_frozen():
    for frozen, field in ((RECIPES[0], "model"), (Stage(), "epochs"), (Recipe(steps=RECIPES[:1]), "data")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(frozen, field, getattr(frozen, field))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TrainStep(model="tiny10"), "does not start with a kind of source; expected KIND:NAME"),
        (lambda: TrainStep(model=A, stage=Stage()), "a single network has no adapter; expected moves"),
        (lambda: TrainStep(model=A, epochs=3), "Extra inputs"),
        (lambda: StitchStep(a=A, b=B, at="relu5"), "'relu5' names no two layers; expected X:Y"),
        (lambda: StitchStep(a=A, b=B, at="relu5:"), "names no two layers"),
        (lambda: StitchStep(a=A, b=B, at="a:b:c"), "names no two layers"),
        (lambda: StitchStep(a=A, b=B, adapter="lineer"), "expected one of linear, identity; nearest: linear"),
        (lambda: StitchStep(a=A, b=B, ridge=float("inf")), "finite"),
        (lambda: StitchStep(a=A, b=B, ridge=-1), "greater than or equal to 0"),
        (lambda: SearchStep(a=A, b=B, top=0), "greater than or equal to 1"),
        (lambda: EvalStep(model=A, split="all"), "'train', 'val' or 'test'"),
        (lambda: Stage(moves=()), "at least 1"),
        (lambda: Stage(moves=("encoder",)), "'adapter', 'decoder', 'head' or 'all'"),
        (lambda: Stage(lr=float("nan")), "finite|greater"),
        (lambda: Stage(lr=0), "greater than 0"),
        (lambda: Recipe(steps=()), "at least 1"),
        (lambda: Recipe(steps=RECIPES, data="sampel"), "expected one of sample, .*; nearest: sample"),
        (lambda: Recipe(steps=RECIPES, seed=2**32), "less than 4294967296"),
        (lambda: Recipe(steps=RECIPES, seed=-1), "greater than or equal to 0"),
    ],
)
def test_bad_fields(make, words):
    with pytest.raises(ValidationError, match=words):
        make()
