"""Recipes of backbone, head and training: one ``patch`` step, every mistake by its own line, nothing ignored unsaid."""

import pytest

from raising import raises
from suture.errors import RecipeError
from suture.recipes.read import parse
from suture.spec.patch import Patch
from suture.spec.patch_step import STAGES

WHOLE = """\
name: ResNet-SE
version: "1.0.0"
description: |
  A backbone with attention, and a head for ten classes.
macros:
  attention: se
  dropout: 0.3
input_shape: [3, 32, 32]
backbone:
  name: zoo:resnet20-a
  patches:
    layer2:
      wrap:
        type: "@attention"
        params: {reduction: 8}
    layer3: {wrap: cbam_block}
head:
  num_classes: 10
  dropout: "@dropout"
training:
  optimizer: adamw
  learning_rate: 0.0005
  weight_decay: 0.05
  epochs: 100
  batch_size: 16
  scheduler: cosine
  warmup_epochs: 5
  freeze_backbone: true
  unfreeze_stages: [1, 2]
  augmentation:
    - random_resized_crop: 32
    - horizontal_flip: 0.5
data: sample
seed: 3
"""
NAMED = "backbone: {name: resnet50, weights: IMAGENET1K_V2}\n"


def parsed(text):
    return parse(text, "x.yaml")


def model(text):
    return parsed(text).recipe.steps[0].model


def test_all_of_it_is_one_patch_step():
    reading = parsed(WHOLE)
    (step,) = reading.recipe.steps
    (stage,) = step.stages
    assert (reading.recipe.name, reading.recipe.data, reading.recipe.seed) == ("ResNet-SE", "sample", 3)
    assert (step.model, step.num_classes, step.dropout) == ("zoo:resnet20-a?size=32", 10, 0.3)
    assert step.patches == (
        Patch("layer2", "wrap", "se", (("reduction", 8),)),
        Patch("layer3", "wrap", "cbam_block"),
    )
    assert stage.moves == ("head", "blocks", "backbone:2")
    assert (stage.optimizer, stage.lr, stage.weight_decay, stage.epochs) == ("adamw", 0.0005, 0.05, 100)
    assert (stage.batch_size, stage.schedule, stage.augment) == (16, "cosine", ("flip",))


def test_what_does_nothing_is_told_by_its_line():
    assert parsed(WHOLE).notes == (
        "line 27: suture has no warmup_epochs; it does nothing",
        "line 31: augmentation random_resized_crop: 32 does nothing; suture augments by flip, crop, rotate, affine, "
        "erase",
    )
    unfrozen = parsed(NAMED + "training: {unfreeze_stages: [3]}\n")
    assert unfrozen.notes == ("line 2: unfreeze_stages does nothing without freeze_backbone: true",)
    assert unfrozen.recipe.steps[0].stages[0].moves == ("all",)


@pytest.mark.parametrize(
    ("backbone", "source"),
    [
        ("resnet18", "torchvision:resnet18"),
        ("resnet18(weights=IMAGENET1K_V1)", "torchvision:resnet18@IMAGENET1K_V1"),
        ("resnet18(weights=None)", "torchvision:resnet18@none"),
        ("{name: resnet18, weights: DEFAULT}", "torchvision:resnet18"),
        ("{name: resnet18, weights: null}", "torchvision:resnet18@none"),
        ("{name: resnet18, weights: nets/mine.pth}", "torchvision:resnet18@nets/mine.pth"),
        ("timm:convnext_tiny", "timm:convnext_tiny"),
        ("{name: 'timm:convnext_tiny', weights: in12k}", "timm:convnext_tiny@in12k"),
        ("{name: 'torchvision:resnet18@none?size=64'}", "torchvision:resnet18@none?size=64"),
        ("{name: 'run:runs/one'}", "run:runs/one"),
    ],
)
def test_a_backbone_is_a_name_or_a_source(backbone, source):
    assert model(f"backbone: {backbone}\n") == source


def test_without_training_it_has_the_stages_of_a_patch_step():
    assert parsed(NAMED).recipe.steps[0].stages == STAGES


@pytest.mark.parametrize(
    ("head", "classes"),
    [("head: {num_classes: 7}", 7), ("head: linear(7)", 7), ("head: 7", 7), ("num_classes: 7", 7), ("seed: 0", None)],
)
def test_a_head_is_spelled_in_a_few_ways(head, classes):
    assert parsed(NAMED + head).recipe.steps[0].num_classes == classes


def test_training_takes_the_fields_of_a_stage_too():
    (stage,) = (
        parsed(NAMED + "training: {lr: 0.1, patience: 4, moves: [head], augment: [crop]}\n").recipe.steps[0].stages
    )
    assert (stage.lr, stage.patience, stage.moves, stage.augment) == (0.1, 4, ("head",), ("crop",))


def test_every_mistake_is_told_at_once_with_its_line():
    bad = """\
nme: x
backbone:
  nam: resnet50
  patches:
    layer3: {wrp: se}
    layer4:
      wrap:
        type: sse
        prams: {}
head:
  num_classes: none
  droput: 0.3
training:
  lerning_rate: 0.1
  optimizer: adamm
input_shape: [1, 28, 28]
"""
    with pytest.raises(RecipeError) as raised:
        parsed(bad)
    told = raised.value.given.splitlines()
    for line, part in (
        (1, "nme: no such field; nearest: name"),
        (2, "backbone.name: missing"),
        (3, "backbone.nam: no such field; nearest: name"),
        (5, "there is no operation 'wrp'; nearest: wrap"),
        (7, "there is no block 'sse'; nearest: se"),
        (9, "backbone.patches.layer4.wrap.prams: no such field; nearest: params"),
        (11, "head.num_classes"),
        (12, "head.droput: no such field; nearest: dropout"),
        (14, "training.lerning_rate: no such field; nearest: learning_rate"),
        (15, "training.optimizer"),
        (16, "images of 1x28x28; expected square ones of three channels"),
    ):
        assert any(row.startswith(f"  line {line}: ") and part in row for row in told), (line, part, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stem: {type: conv}\nstages: []\nhead: 3\n", ["line 1: stem", "nothing from scratch", "line 2: stages"]),
        (NAMED + "steps: []\n", ["line 2: steps: a recipe has steps or a backbone, not both"]),
        (NAMED + "num_classes: 3\nhead: 4\n", ["num_classes is 3 and that of the head 4"]),
        ("backbone: {name: 'zoo:tiny10@none', weights: a.pth}\n", ["says which weights"]),
        ("backbone: {name: 'zoo:'}\n", ["line 1: backbone: 'zoo:' has no name"]),
        (NAMED + "training: {lr: 1, learning_rate: 1}\n", ["learning_rate and lr say the same"]),
        (NAMED + "training: {scheduler: cosin}\n", ["there is no scheduler 'cosin'", "scheduler: cosine"]),
        (NAMED + "training: {unfreeze_stages: [1, 3]}\n", ["unfreeze_stages [1, 3] are not in a row"]),
        (NAMED + "training: {moves: [adapter]}\n", ["line 2", "a patched network has no part adapter"]),
        (NAMED + "version: [1]\n", ["line 2: version: a text, for people"]),
        (NAMED + "head: {type: mlp}\n", ["line 2: head.type: Input should be 'linear'"]),
    ],
)
def test_what_cannot_be_is_said(text, words):
    with raises(RecipeError, *words):
        parsed(text)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (
            "[0]",
            ["line 3: unfreeze_stages: stages 0 of zoo:resnet20-a, which has 3: 0 layer1, 1 layer2", "[2]"],
        ),
        ("[0, 1]", ["stages 0, 1 of", "instead [1, 2]"]),
        ("[3]", ["stages 3 of"]),
    ],
)
def test_stages_that_are_not_the_last_ones_are_refused(stages, words):
    text = f"backbone: zoo:resnet20-a\ntraining:\n  unfreeze_stages: {stages}\n  freeze_backbone: true\n"
    with raises(RecipeError, *words):
        parsed(text)


def test_stages_of_a_network_that_is_not_there_are_told():
    with raises(RecipeError, "the zoo has no 'resnet21'"):
        parsed("backbone: zoo:resnet21\ntraining: {freeze_backbone: true, unfreeze_stages: [2]}\n")
