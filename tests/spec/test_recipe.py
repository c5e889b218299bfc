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
    StitchStep(a=A, b=B, more=(A, B), at=[("relu1", "relu2"), "relu3:relu4", "relu5:relu6"]),
    SearchStep(a=A, b=B, more=(A,)),
    EvalStep(model="run:runs/first", split="val"),
]


@pytest.mark.parametrize("step", RECIPES, ids=lambda step: step.verb)
def test_a_step_survives_json(step):
    (plain,) = Recipe(steps=(step,)).as_data()["steps"]
    ((verb, fields),) = json.loads(json.dumps(plain)).items()
    assert STEPS[verb](**fields) == step


def test_a_joining_step_names_its_networks_by_letter():
    assert StitchStep(a=A, b=B).networks == {"a": A, "b": B}
    assert SearchStep(a=A, b=B, more=(A, "run:c")).networks == {"a": A, "b": B, "c": A, "d": "run:c"}


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
        (lambda: StitchStep(a=A, b=B, at=5), "names no two layers"),
        (lambda: StitchStep(a=A, b=B, at="a:b,c:d"), "joins 3 networks, and there are 2; expected"),
        (lambda: StitchStep(a=A, b=B, more=(A,), at="a:b"), "joins 2 networks, and there are 3; .* --at X1:Y1,X2:Y2"),
        (lambda: StitchStep(a=A, b=B, more=(A,) * 25), "at most 24 items"),
        (lambda: SearchStep(a=A, b=B, more=("tiny10",)), "does not start with a kind of source"),
        (
            lambda: StitchStep(a=A, b=B, adapter="lineer"),
            "expected one of linear, mlp, conv3x3, lowrank, identity; nearest: linear",
        ),
        (lambda: StitchStep(a=A, b=B, ridge=float("inf")), "finite"),
        (lambda: StitchStep(a=A, b=B, ridge=-1), "greater than or equal to 0"),
        (lambda: StitchStep(a=A, b=B, rank=0), "greater than or equal to 1"),
        (lambda: StitchStep(a=A, b=B, rank=4, adapter="mlp"), "kind mlp has no rank: --adapter lowrank"),
        (lambda: SearchStep(a=A, b=B, top=0), "greater than or equal to 1"),
        (lambda: EvalStep(model=A, split="all"), "'train', 'val' or 'test'"),
        (lambda: Stage(moves=()), "at least 1"),
        (lambda: Stage(moves=("tail",)), "'tail' is no part; expected one of adapter"),
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
