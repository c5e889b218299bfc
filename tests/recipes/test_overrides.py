"""What changes a recipe from outside its own lines: --set, macros, and what it extends."""

import pytest

from raising import raises
from suture.errors import RecipeError
from suture.recipes.read import parse, read
from suture.spec.recipe import StitchStep

STITCH = """\
seed: 3
steps:
  - stitch:
      a: zoo:tiny10-a
      b: zoo:tiny10-b
"""


def parsed(text, *settings, **more):
    return parse(text, "x.yaml", settings=settings, **more).recipe


def test_a_setting_goes_before_the_file():
    recipe = parsed(STITCH, "seed=4", "steps.0.stitch.stage.lr=1e-4", "steps.0.stitch.at=relu5:relu5", "data=mnist")
    (step,) = recipe.steps
    assert isinstance(step, StitchStep)
    assert (recipe.seed, step.stage.lr, step.at, recipe.data) == (4, 1e-4, "relu5:relu5", "mnist")


def test_settings_are_yaml_and_the_last_one_counts():
    recipe = parsed(STITCH, "splits={test: 0.2}", "splits.val=0.3", "seed=1", "seed=2", "steps.0.stitch.rank=null")
    assert (recipe.splits.test, recipe.splits.val, recipe.seed, recipe.steps[0].rank) == (0.2, 0.3, 2, None)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("seed", ["sets nothing", "KEY=VALUE"]),
        ("=3", ["sets nothing"]),
        ("seed.deep=3", ["seed is 3, with nothing inside"]),
        ("steps.1.stitch.at=a:b", ["there is no 1 in steps", "steps.0"]),
        ("steps.0.stich.at=a:b", ["there is no stich in steps.0", "steps.0.stitch"]),
        ("sed=3", ["--set sed=3: sed: no such field; nearest: seed"]),
        ("steps.0.stitch.stage.lrr=3", ["--set steps.0.stitch.stage.lrr=3: stage.lrr: no such field; nearest: lr"]),
        ("steps.0.stitch.stage.lr=-3", ["--set steps.0.stitch.stage.lr=-3: stage.lr", "greater than 0"]),
        ("seed=[", ["--set seed=[", "is not YAML"]),
    ],
)
def test_a_setting_that_fits_nowhere_is_said(setting, words):
    with raises(RecipeError, *words):
        parsed(STITCH, setting)


def test_a_macro_is_any_value_anywhere():
    text = """\
macros: {net: zoo:tiny10-a, stage: {epochs: 2, lr: "@rate"}, rate: 0.5, more: ["@net"]}
steps:
  - stitch: {a: "@net", b: "@net", more: "@more", stage: "@stage"}
"""
    (step,) = parsed(text).steps
    assert (step.a, step.more, step.stage.epochs, step.stage.lr) == ("zoo:tiny10-a", ("zoo:tiny10-a",), 2, 0.5)


@pytest.mark.parametrize(
    ("macros", "words"),
    [
        ("{attention: se}", ["line 2: seed: there is no macro 'atention'; nearest: attention"]),
        ("{atention: '@atention'}", ["line 2: seed: the macro atention stands for itself"]),
        ("[1]", ["line 1: macros: [1] are no names with values"]),
        ("null", ["there is no macro 'atention'; there are none"]),
    ],
)
def test_a_macro_that_is_none_is_said(macros, words):
    with raises(RecipeError, *words):
        parsed(f"macros: {macros}\n" + STITCH.replace("3", "'@atention'", 1))


def test_macros_that_grow_without_end_are_refused():
    grow = ", ".join(f"m{k}: ['@m{k + 1}', '@m{k + 1}']" for k in range(30))
    with raises(RecipeError, "macros stand for more than"):
        parsed(f"macros: {{{grow}, m30: 1}}\n" + STITCH.replace("3", "'@m0'", 1))


def test_a_recipe_on_top_of_another_changes_what_it_names(tmp_path):
    (tmp_path / "base.yaml").write_text(STITCH + "splits: {test: 0.1, val: 0.2}\n")
    (tmp_path / "top.yaml").write_text("extends: base\nseed: 9\nsplits: {val: 0.3}\n")
    recipe = read(tmp_path / "top.yaml").recipe
    assert (recipe.seed, recipe.splits.test, recipe.splits.val, recipe.steps[0].b) == (9, 0.1, 0.3, "zoo:tiny10-b")


def test_what_is_wrong_below_is_told_by_its_file_and_line(tmp_path):
    (tmp_path / "base.yaml").write_text(STITCH.replace("a: zoo", "aa: zoo"))
    (tmp_path / "top.yaml").write_text("extends: base.yaml\nsed: 9\n")
    with raises(RecipeError, "base.yaml, line 4: aa: no such field", "line 2: sed: no such field; nearest: seed"):
        read(tmp_path / "top.yaml")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("nothing", ["nothing cannot be read", "or one of stitch, fuse"]),
        ("[1]", ["extends: [1]"]),
        ("top.yaml", ["more than 10 recipes, one on top of the other"]),
        ("binary.yaml", ["binary.yaml cannot be read"]),
        ("list.yaml", ["list.yaml holds a list"]),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path, base, words):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "top.yaml").write_text(f"extends: {base}\n")
    with raises(RecipeError, *words):
        read(tmp_path / "top.yaml")


def test_a_template_can_be_extended(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: stitch\nname: mine\nseed: 5\n")
    recipe = read(tmp_path / "mine.yaml").recipe
    assert (recipe.name, recipe.seed, recipe.steps[0].at) == ("mine", 5, "relu5:layer2.2")
