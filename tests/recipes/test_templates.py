"""What comes with Suture: every template runs, on fewer images and epochs, and every preset is whole."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from raising import raises
from small import write_npz
from suture.errors import RecipeError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import find_recipe, read
from suture.recipes.schema import schema
from suture.recipes.templates import SHIPPED, described, template, write_template
from suture.recipes.validate import validate
from suture.spec.names import PRESETS, TEMPLATES

FEW = "train_images=100"
ONE = {"epochs": 1, "train_images": 100}
SMALL = {
    "stitch": ["steps.0.stitch.stage.epochs=1", f"steps.0.stitch.stage.{FEW}", "steps.0.stitch.fit_images=100"],
    "fuse": [f"steps.0.fuse.stages.{k}.{value}" for k in (0, 1) for value in ("epochs=1", FEW)],
    "patch": [f"steps.0.patch.stages.{k}.{value}" for k in (0, 1) for value in ("epochs=1", FEW)],
    "hybrid": [
        "backbone.name=zoo:tiny10-a",
        "backbone.weights=DEFAULT",
        "backbone.patches={relu5: {wrap: '@attention'}}",
        "training.epochs=1",
        f"training.{FEW}",
    ],
    "search": [
        "steps.0.search.b=zoo:tiny10-b",
        "steps.0.search.top=1",
        "steps.0.search.score_images=32",
        "steps.0.search.fit_images=64",
        f"steps.0.search.stage={ONE}",
    ],
    "compare": ["steps.0.compare.samples=64"],
    "train": ["steps.0.train.stage.epochs=1", f"steps.0.train.stage.{FEW}"],
    "sweep": ["steps.0.sweep.over={rank: [4]}", f"steps.0.sweep.stitch.stage={ONE}"],
    "tune": ["steps.0.tune.trials=2", "steps.0.tune.fuse.stages.0.epochs=1", f"steps.0.tune.fuse.stages.0.{FEW}"],
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_npz(tmp_path_factory.mktemp("images") / "few.npz", train=120, test=40)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs(name, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_template(name, Path("mine.yaml"))
    recipe = read(path, {"data": f"npz:{images}"}, SMALL[name]).recipe
    result = execute(Context(recipe), Path("runs") / str(recipe.name))
    assert result
    assert (Path("runs") / str(recipe.name) / "result.json").is_file()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_valid_as_it_stands(name):
    found = validate(Path(name))
    assert found.steps[0].parameters
    assert str(found).startswith("patch" if name == "hybrid" else name)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_on_small_networks(name):
    settings = ["steps.0.fuse.networks=[zoo:resnet20@none, zoo:densenet-small@none]"]
    assert validate(Path(name), settings).steps[0].parameters


def test_schemas_know_every_template_and_preset():
    told = schema()
    Draft202012Validator.check_schema(told)
    checker = Draft202012Validator(told)
    for name in SHIPPED:
        assert not list(checker.iter_errors(YAML(typ="safe", pure=True).load(template(name)))), name
    example = Path(__file__).parents[2] / "docs" / "recipes" / "depth.yaml"
    assert checker.is_valid(YAML(typ="safe", pure=True).load(example.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "top",
    [
        {"extends": "hybrid", "seed": 1, "training": {"epochs": 0}},
        {"extends": "hybrid", "backbone": {"weights": None}, "head": {"num_classes": 7}},
        {"extends": "fuse", "data": "cifar10"},
    ],
)
def test_schemas_know_what_goes_on_top_of_another_recipe(top, tmp_path):
    path = tmp_path / "top.yaml"
    YAML(typ="safe", pure=True).dump(top, path)
    assert read(path).recipe.steps
    assert Draft202012Validator(schema()).is_valid(top)
    assert not Draft202012Validator(schema()).is_valid(top | {"sed": 1})
    assert not Draft202012Validator(schema()).is_valid(top | {"backbone": {"weigths": None}})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"steps": []},
        {"steps": [{"stich": {}}]},
        {"steps": [{"stitch": {"a": "zoo:tiny10-a"}}]},
        {"steps": [{"stitch": {"a": "x", "b": "y", "att": "a:b"}}]},
        {"backbone": {"nam": "resnet18"}},
        {"backbone": "resnet18", "head": {"classes": 3}},
        {"backbone": {"name": "resnet18", "patches": {"layer3": {"wrp": "se"}}}},
        {"backbone": {"name": "resnet18", "patches": {"layer3": {"wrap": "sse"}}}},
        {"backbone": "resnet18", "training": {"lerning_rate": 1}},
    ],
)
def test_schemas_refuse_what_is_misspelt(wrong):
    assert not Draft202012Validator(schema()).is_valid(wrong)


def test_every_template_says_what_it_is():
    told = [described(name) for name in SHIPPED]
    assert len(set(told)) == len(SHIPPED)
    assert all(10 < len(text) < 160 and "\n" not in text for text in told)


def test_no_file_is_overwritten(tmp_path):
    path = write_template("fuse", tmp_path / "mine.yaml")
    assert path.read_text(encoding="utf-8") == template("fuse")
    with raises(RecipeError, "is there already"):
        write_template("stitch", path)
    assert path.read_text(encoding="utf-8") == template("fuse")
    with raises(RecipeError, "there is no template 'fusee'", "suture init fuse"):
        template("fusee")
    with raises(RecipeError, "cannot be written"):
        write_template("fuse", path / "inside.yaml")


def test_a_file_goes_before_a_template_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("fuse")) != Path("fuse")
    Path("fuse").write_text("steps: []")
    assert find_recipe(Path("fuse")) == Path("fuse")
