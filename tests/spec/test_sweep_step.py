"""What a sweep may list, and what comes of it."""

import json
from math import prod

import pytest
from pydantic import ValidationError

from raising import raises
from suture.errors import PlanError, RecipeError
from suture.recipes.read import parse_recipe
from suture.spec.objective import Objective
from suture.spec.recipe import STEPS, SWEPT, Recipe, StitchStep, SweepStep
from suture.spec.stage import Stage

STITCH = StitchStep(a="zoo:tiny10-a", b="zoo:tiny10-b", at="relu5:relu5", fit_images=64, stage=Stage(epochs=5))
OVER = {"at": ("relu1:relu1", None), "rank": (None, 4), "lr": (0.1, 0.01), "target": ("hard", "soft-b"), "seed": (0, 3)}


def sweep(**over) -> SweepStep:
    return SweepStep(stitch=STITCH, over=over)


def test_every_combination_once_the_last_key_fastest():
    step = SweepStep(stitch=STITCH, over=OVER)
    choices = list(step.choices)
    assert len(choices) == prod(map(len, OVER.values())) == 32
    assert choices[:2] == [{key: values[k == 4 and n] for k, (key, values) in enumerate(OVER.items())} for n in (0, 1)]
    assert len({json.dumps(choice) for choice in choices}) == 32


def test_a_choice_goes_where_it_belongs_and_changes_nothing_else():
    choice = {"rank": 4, "lr": 0.01, "target": "soft-a", "seed": 3}
    chosen = sweep(seed=(3,)).chosen(choice)
    stage = STITCH.stage.model_copy(update={"lr": 0.01, "objective": Objective(target="soft-a")})
    assert chosen == STITCH.model_copy(update={"rank": 4, "stage": stage})
    assert sweep(seed=(3,)).chosen({"seed": 3}) == STITCH


def test_every_field_of_a_stitch_can_be_swept_but_the_networks():
    fields = {*StitchStep.model_fields, *Stage.model_fields, *Objective.model_fields}
    assert set(SWEPT) == fields - {"a", "b", "more", "stage", "objective"} | {"seed"}
    whole = STITCH.model_dump()
    for key, place in SWEPT.items():
        inner = whole
        for name in place:
            inner = inner[name]
        assert key == "seed" or sweep(**{key: (inner[key],)}).chosen({key: inner[key]}) == STITCH


def test_a_sweep_survives_json():
    (plain,) = Recipe(steps=(SweepStep(stitch=STITCH, over=OVER),)).as_data()["steps"]
    ((verb, fields),) = json.loads(json.dumps(plain)).items()
    assert STEPS[verb](**fields) == SweepStep(stitch=STITCH, over=OVER)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"rank": 4, "mask": "semi-match"}, "a semi-match mask on an adapter of kind 'lowrank'"),
        ({"init": "reduced-rank"}, "which has every rank"),
        ({"adapter": "mlp", "rank": 2}, "an adapter of kind mlp has no rank"),
        ({"views": 3}, "3 views of the images as they are"),
        ({"target": "match", "label_smoothing": 0.1}, "label smoothing has no use for the target match"),
        ({"temperature": 2.0}, "a temperature has no use for the target hard"),
    ],
)
def test_values_that_do_not_go_together_are_refused_only_together(choice, words):
    step = sweep(**{key: (value,) for key, value in choice.items()})
    with raises(PlanError, words, "values that go together", f"other values of {', '.join(choice)}"):
        step.chosen(choice)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({}, "at least 1"),
        ({"rank": ()}, "at least 1"),
        ({"rank": 4}, "valid tuple"),
        ({"rnk": (4,)}, "nothing that a sweep varies; nearest: rank"),
        ({"a": ("zoo:tiny10-b",)}, "nothing that a sweep varies"),
        ({"rank": (4, 2, 4)}, "listed twice"),
        ({"rank": (4, 0)}, "greater than or equal to 1"),
        ({"at": ("relu1",)}, "names no two layers"),
        ({"init": ("randm",)}, "'random'"),
        ({"moves": ("adapter",)}, "valid tuple"),
        ({"target": ("hard", "soft")}, "'soft-a'"),
        ({"seed": ("1",)}, "valid integer"),
        ({"seed": (-1,)}, "greater than or equal to 0"),
        ({"seed": (2**32,)}, "less than"),
    ],
)
def test_bad_lists(over, words):
    with pytest.raises(ValidationError, match=words):
        SweepStep(stitch=STITCH, over=over)


def test_all_mistakes_are_told_at_once_with_their_lines():
    bad = """\
steps:
  - sweep:
      stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b}
      over:
        at: [relu1:relu1, relu3]
        ranks: [2]
        lr:
          - 1e-3
          - 0
        seed: [0, 0]
  - sweep:
      stitch:
        a: zo:tiny10-a
        att: relu1:relu1
        stage:
          epoch: 3
      over: {lrr: [1]}
  - eval: {model: zoo:tiny10-a}
"""
    with pytest.raises(RecipeError) as raised:
        parse_recipe(bad, "bad.yaml")
    rows = raised.value.given.splitlines()
    for line, part in (
        (5, "over.at.1: 'relu3' names no two layers"),
        (6, "over.ranks: nothing that a sweep varies; nearest: rank"),
        (9, "over.lr.1: Input should be greater than 0 (given 0)"),
        (10, "over.seed.1: listed twice (given 0)"),
        (13, "stitch.a: "),
        (12, "stitch.b: missing"),
        (14, "stitch.att: no such field"),
        (16, "stitch.stage.epoch: no such field"),
        (17, "over.lrr: nothing that a sweep varies; nearest: lr"),
    ):
        assert any(row.startswith(f"  line {line}: {part}") for row in rows), (line, rows)
    assert len(rows) == 10
