"""What a stage of a fusion lets learn, and at which rates."""

from pathlib import Path

import pytest

import suture
from raising import raises
from small import write_npz
from suture.errors import PlanError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.fuse_repeats import repeats
from suture.recipes.read import read_recipe
from suture.recipes.staged import moving
from suture.recipes.text import resolved
from suture.spec.fuse import FuseStep
from suture.spec.recipe import Recipe
from suture.spec.stage import Stage

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def fusion():
    return suture.fuse([A, B], num_classes=4, hidden=8)


@pytest.mark.parametrize(
    "rates",
    [
        {"backbones:1": 3e-4, "backbones:2": 2e-4, "backbones": 1e-4},
        {"backbones": 1e-4, "backbones:2": 2e-4, "backbones:1": 3e-4},
    ],
)
def test_the_narrowest_part_decides_in_whatever_order_rates_are_told(fusion, rates):
    groups = moving(fusion, Stage(moves=("all",), lr=1.0, lr_of=rates)).groups(1.0)
    rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    for backbone in fusion.pretrained:
        stages = fusion.stage_modules(backbone)
        wanted = [1e-4] * (len(stages) - 2) + [2e-4, 3e-4]
        assert [{rate_of[p] for p in stage.parameters()} for stage in stages] == [{rate} for rate in wanted]
    assert {rate_of[p] for p in fusion.head.parameters()} == {1.0}


def test_a_rate_of_what_stays_as_it_is_is_refused(fusion):
    with raises(PlanError, "lr_of gives backbone2 a rate, and only head, backbone1 may move", "no rate for backbone2"):
        moving(fusion, Stage(moves=("head", "backbone1"), lr_of={"backbone2": 1e-4}))


def test_a_backbone_alone_has_the_rates_of_what_moves_in_it(tmp_path):
    """The recipe of each control can be read again."""
    first = Stage(moves=("head", "backbone2"), lr_of={"backbones": 1e-4, "head": 1e-2})
    stages = first, Stage(moves=("all",), lr_of={"backbone1": 1e-5, "backbone2:1": 1e-6})
    recipe = Recipe(steps=(FuseStep(networks=(A, B), stages=stages, controls=True),))
    alone = repeats(recipe.steps[0], recipe)
    rates = [[dict(stage.lr_of) for stage in repeat.step.stages] for repeat in alone]
    assert rates[0] == [{"head": 1e-2}, {"backbone1": 1e-5}]
    assert rates[1] == [{"backbones": 1e-4, "head": 1e-2}, {"backbone1:1": 1e-6}]
    for repeat in alone:
        path: Path = tmp_path / f"{repeat.name}.yaml"
        path.write_text(resolved(repeat.recipe.as_data()))
        assert read_recipe(path) == repeat.recipe


def test_views_are_told_where_they_were_kept(tmp_path):
    data = f"npz:{write_npz(tmp_path / 'small.npz', train=40, test=10)}"
    stage = Stage(moves=("head",), epochs=1, augment=("flip",), views=2, batch_size=16)
    stages = stage, stage.model_copy(update={"moves": ("all",)})
    step = FuseStep(networks=("zoo:lenet@none",), hidden=8, stages=stages)
    told = execute(Context(Recipe(data=data, steps=(step,))), tmp_path / "run")["stages"]
    assert [(one["cached"], one["views"]) for one in told] == [(True, 2), (False, 1)]
