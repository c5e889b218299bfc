"""Recipes: what they may say, and every mistake at once, by line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import RecipeError
from suture.recipes.read import parse_recipe, read_recipe
from suture.recipes.text import resolved
from suture.spec.recipe import SearchStep

GOOD = """\
name: first
data: sample
steps:
  - search:
      a: zoo:tiny10-a
      b: zoo:resnet20-a
      top: 3
      stage: {epochs: 2, lr: 1e-3}
"""


def test_a_recipe_becomes_steps():
    recipe = parse_recipe(GOOD, "good.yaml")
    (step,) = recipe.steps
    assert isinstance(step, SearchStep)
    assert (recipe.name, step.top, step.stage.lr, step.stage.epochs) == ("first", 3, 0.001, 2)


def test_flags_go_before_the_file():
    assert parse_recipe(GOOD, "good.yaml", {"seed": 7}).seed == 7


def test_what_is_written_out_reads_back_the_same():
    recipe = parse_recipe(GOOD, "good.yaml")
    again = parse_recipe(resolved(recipe.as_data()), "resolved")
    assert again.steps == recipe.steps
    assert again.as_data() == recipe.as_data()


def test_all_mistakes_are_told_at_once_with_their_lines():
    bad = """\
dta: sample
seed: many
steps:
  - serach: {a: 1}
  - stitch:
      a: zo:tiny10-a
      b: zoo:tiny10-b
      att: relu5:relu5
      stage:
        epoch: 3
        lr: -1
  - eval:
"""
    with pytest.raises(RecipeError) as raised:
        parse_recipe(bad, "bad.yaml")
    told = raised.value.given
    for line, part in (
        (1, "dta: no such field; nearest: data"),
        (2, "seed"),
        (4, "no verb 'serach'; nearest: search"),
        (6, "does not start with a kind of source"),
        (8, "att: no such field; nearest: at"),
        (10, "stage.epoch: no such field; nearest: epochs"),
        (11, "stage.lr"),
        (12, "eval: its fields are missing"),
    ):
        assert any(row.startswith(f"  line {line}: ") and part in row for row in told.splitlines()), (line, told)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("data: [", "is not YAML"),
        ("- a\n- b\n", "holds a list"),
        ("data: sample\n", "steps: the recipe has none"),
        ("steps: []\n", "steps: the recipe has none"),
        ("steps:\n  - search\n", "a step is one verb with its fields"),
        ("steps:\n  - train: {model: 'zoo:tiny10', stage: {moves: [adapter]}}\n", "a single network has no adapter"),
        ("steps:\n  - stitch: {a: 'zoo:tiny10-a', b: 'zoo:tiny10-b', at: relu5}\n", "names no two layers"),
        ("steps:\n  - stitch: {a: 'zoo:tiny10-a'}\n", "b: missing"),
        ("steps:\n  - eval: {model: !!python/object/apply:os.getcwd []}\n", ""),
    ],
)
def test_what_is_no_recipe_is_said(text, part):
    with pytest.raises(RecipeError) as raised:
        parse_recipe(text, "file.yaml")
    assert part in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(Path(tmp_path / "binary.yaml"))


@given(st.text(max_size=60))
def test_any_text_is_a_recipe_or_a_recipe_error(text):
    try:
        parse_recipe(text, "any")
    except RecipeError as error:
        assert error.given


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["name", "data", "seed", "steps", "x"]), values))
def test_any_tree_is_a_recipe_or_a_recipe_error(tree):
    from io import StringIO

    from ruamel.yaml import YAML

    buffer = StringIO()
    YAML(typ="safe", pure=True).dump(tree, buffer)
    try:
        parse_recipe(buffer.getvalue(), "any")
    except RecipeError as error:
        assert error.given
