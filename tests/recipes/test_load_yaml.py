"""A recipe's network in Python."""

import subprocess
import sys

import pytest
import torch

import suture
from raising import raises
from suture.errors import RecipeError
from suture.hybrids import Fusion, Hybrid, HybridBuilder, HybridModel
from suture.recipes import load_yaml_config, load_yaml_recipe

GUIDE = """\
name: first
macros: {attention: se, rate: 0.3}
backbone:
  name: resnet18
  weights: null
  patches:
    layer3: {wrap: "@attention"}
head: {num_classes: 10, dropout: "@rate"}
training: {epochs: 50, learning_rate: 0.0001}
"""


@pytest.fixture
def guide(tmp_path):
    path = tmp_path / "guide.yaml"
    path.write_text(GUIDE)
    return path


def test_it_is_the_model_of_the_builder(guide):
    model = load_yaml_recipe(guide)
    own = HybridBuilder().from_torchvision(
        "resnet18", weights=None, patches={"layer3": {"wrap": "se"}}, num_classes=10, dropout=0.3
    )
    assert isinstance(model, HybridModel)
    assert model.count_parameters() == own.count_parameters() == 11_190_106
    mine, theirs = model.state_dict(), own.state_dict()
    assert {name: tensor.shape for name, tensor in mine.items()} == {name: t.shape for name, t in theirs.items()}
    assert model.changes == own.changes
    assert model.count_parameters(trainable_only=True) == model.count_parameters()


def test_arguments_go_before_the_file(guide):
    model = load_yaml_recipe(guide, num_classes=4, freeze_backbone=True, unfreeze_stages=[3], seed=1)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 4)
    # the head, layer4, and the block of layer3
    assert model.count_parameters(trainable_only=True) == 512 * 4 + 4 + 8_393_728 + 8_464


def test_it_comes_frozen_where_the_file_says_so(tmp_path):
    path = tmp_path / "frozen.yaml"
    path.write_text(GUIDE.replace("epochs: 50", "freeze_backbone: true, unfreeze_stages: [3]"))
    assert load_yaml_recipe(path).count_parameters(trainable_only=True) == 5_130 + 8_393_728 + 8_464
    assert load_yaml_recipe(path, freeze_backbone=False).count_parameters(True) == 11_190_106


def test_arguments_that_would_do_nothing_are_refused(guide, tmp_path):
    with raises(RecipeError, "unfreeze_stages=[3] where nothing is frozen", "freeze_backbone=True"):
        load_yaml_recipe(guide, unfreeze_stages=[3])
    with raises(RecipeError, "num_classes=0"):
        load_yaml_recipe(guide, num_classes=0)
    path = tmp_path / "fuse.yaml"
    path.write_text("steps:\n  - fuse: {networks: [zoo:tiny10-a, zoo:resnet20-a]}\n")
    with raises(RecipeError, "has no one backbone to freeze: fuse"):
        load_yaml_recipe(path, freeze_backbone=True)


def test_settings_are_those_of_the_command_line(guide):
    model = load_yaml_recipe(guide, settings=["backbone.patches=null", "head.num_classes=3"])
    assert model.count_parameters() == 11_181_642 - 7 * 513


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("stitch: {a: zoo:tiny10-a, b: zoo:resnet20-a}", Hybrid),
        ("stitch: {a: zoo:tiny10-a, b: zoo:resnet20-a, more: [zoo:tiny10-b]}", Hybrid),
        ("fuse: {networks: [zoo:tiny10-a, zoo:resnet20-a]}", Fusion),
        ("patch: {model: zoo:resnet20-a, patches: {layer3: {wrap: eca}}}", HybridModel),
    ],
)
def test_a_recipe_of_one_step_is_its_module(tmp_path, step, kind):
    path = tmp_path / "step.yaml"
    path.write_text(f"steps:\n  - {step}\n")
    module = load_yaml_recipe(path, num_classes=6)
    assert isinstance(module, kind)
    assert module.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 6)


def test_a_recipe_of_more_than_a_network_is_refused(tmp_path):
    path = tmp_path / "step.yaml"
    path.write_text("steps: [{eval: {model: 'zoo:tiny10-a'}}]")
    with raises(RecipeError, "describes no one network: eval", "suture.run"):
        load_yaml_recipe(path)


def test_the_config_is_plain_data(guide):
    config = load_yaml_config(guide)
    assert config["training"] == {"epochs": 50, "learning_rate": 0.0001}
    assert config["backbone"]["patches"] == {"layer3": {"wrap": "se"}}
    assert config["head"]["dropout"] == 0.3
    guide.write_text(GUIDE.replace("@rate", "@rat"))
    with raises(RecipeError, "line 8: head.dropout: there is no macro 'rat'; nearest: rate"):
        load_yaml_config(guide)


def test_a_template_is_loaded_by_its_name():
    assert load_yaml_config("stitch")["name"] == "my-stitch"


def test_importing_the_room_imports_no_torch():
    program = "import sys, suture.recipes as r; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    with pytest.raises(AttributeError, match="it has load_yaml_config"):
        suture.recipes.load_yml  # noqa: B018
