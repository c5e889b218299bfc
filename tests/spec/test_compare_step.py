"""What a comparison may be asked for: layers as pairs or patterns, measures by any of their names."""

import pytest
from pydantic import ValidationError

from raising import raises
from suture.errors import PlanError, RecipeError
from suture.recipes.read import parse_recipe
from suture.recipes.text import resolved
from suture.spec.layers import LayerChoice, read_layers
from suture.spec.recipe import CompareStep

A, B = "zoo:tiny10-a", "zoo:tiny10-b"


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ((), LayerChoice()),
        ("x:y", LayerChoice(pairs=(("x", "y"),))),
        (" x : y ,u:v", LayerChoice(pairs=(("x", "y"), ("u", "v")))),
        ([("x", "y"), "u:v"], LayerChoice(pairs=(("x", "y"), ("u", "v")))),
        ("layer*", LayerChoice(of_a=("layer*",), of_b=("layer*",))),
        ("x", LayerChoice(of_a=("x",), of_b=("x",))),
        ("layer?:features.[12]", LayerChoice(of_a=("layer?",), of_b=("features.[12]",))),
        ("x:y,conv*", LayerChoice(of_a=("x", "conv*"), of_b=("y", "conv*"))),
        (["a*:x", "b*:x"], LayerChoice(of_a=("a*", "b*"), of_b=("x",))),
    ],
)
def test_layers_are_pairs_until_one_entry_is_a_pattern(given, choice):
    assert read_layers(given) == choice


@pytest.mark.parametrize(
    "given", ["x:", ":", "", "x:y:z", "x,,y", ["x", 3], [("x",)], [("x", "y", "z")], [("x", "")], 3]
)
def test_what_names_no_layers_is_refused(given):
    with raises(PlanError, "names no layers of two networks", "layer*:features.*"):
        read_layers(given)


def test_a_step_has_full_names_once_and_survives_its_recipe():
    step = CompareStep(
        a=A, b=B, measure=("cka", "svcca_0.90", "cka_linear_minibatch", "svcca_0.9"), layers=("x:y", ("u", "v"))
    )
    assert step.measure == ("cka_linear_minibatch", "svcca_0.9")
    assert step.layers == ("x:y", "u:v")
    assert CompareStep(a=A, b=B).measure == ("cka_linear_minibatch",)
    text = resolved({"steps": [{"compare": step.model_dump(mode="json")}]})
    assert parse_recipe(text, "again.yaml").steps == (step,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("measure", ()),
        ("measure", ("ckaa",)),
        ("measure", ("cka_linear_minibatch_bs3",)),
        ("layers", ("x:y:z",)),
        ("samples", 0),
        ("spatial", "flat"),
        ("permutations", -1),
        ("permutations", 100_001),
        ("split", "tset"),
    ],
)
def test_what_is_no_comparison_is_refused(field, value):
    with pytest.raises(ValidationError):
        CompareStep(a=A, b=B, **{field: value})


def test_a_recipe_tells_all_that_is_wrong_by_line():
    text = f"""\
steps:
  - compare:
      a: {A}
      b: {B}
      layers: [x:y, "x:y:z"]
      measure: [ckaa, cka_linear_minibatch_bs3]
      spatial: flat
      permutations: 100001
      first: 10
"""
    with raises(
        RecipeError,
        "line 5: layers.1: 'x:y:z' names no layers",
        "line 6: measure.0: unknown; expected one of cka, ",
        "nearest: cka",
        "line 6: measure.1: ",
        "from 4",
        "line 7: spatial",
        "line 8: permutations",
        "first: no such field",
    ):
        parse_recipe(text, "wrong.yaml")
