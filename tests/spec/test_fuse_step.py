"""Fusions, their stages and their tuning as frozen data."""

import pytest
from pydantic import ValidationError

from raising import raises
from suture.errors import PlanError
from suture.recipes.read import find_recipe, parse_recipe, read_recipe
from suture.spec.fuse import STAGES, ExplainStep, FuseStep
from suture.spec.fusion import FusionSpec
from suture.spec.names import FUSIONS, PRESETS
from suture.spec.plan import Part, Plan, fuse_plan
from suture.spec.recipe import Recipe, Splits
from suture.spec.stage import Stage
from suture.spec.tune import TuneStep

TWO = ("zoo:tiny10-a", "zoo:resnet20-a")


def step(**fields) -> FuseStep:
    return FuseStep(**{"networks": TWO} | fields)


@pytest.mark.parametrize("method", FUSIONS)
def test_a_plan_of_a_fusion_survives_its_spelling(method):
    parts = Part("zoo:a", "1" * 64, "relu"), Part("zoo:b", "2" * 64, "flatten")
    plan = fuse_plan(parts, FusionSpec(method, 4))
    assert Plan.from_dict(plan.as_dict()) == plan
    assert (plan.join, plan.at, plan.new_head, plan.adapters) == ("fuse", (), 4, ())
    others = [fuse_plan(parts, FusionSpec(method, 4, **told)) for told in ({"hidden": 8}, {"width": 8}, {"dropout": 0})]
    assert len({plan.key, *(other.key for other in others), fuse_plan(parts[::-1], FusionSpec(method, 4)).key}) == 5


@pytest.mark.parametrize(
    ("fields", "words", "instead"),
    [
        ({"method": "concatenate"}, "there is no fusion 'concatenate'", "concat"),
        ({"classes": 0}, "classes=0", "classes=512"),
        ({"hidden": True}, "hidden=True", "hidden=512"),
        ({"width": 2.5}, "width=2.5", "width=512"),
        ({"dropout": 1}, "dropout=1", "dropout=0.5"),
    ],
)
def test_what_no_fusion_can_be(fields, words, instead):
    with raises(PlanError, words, instead):
        FusionSpec(**{"method": "concat", "classes": 3} | fields)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: step(at=("relu7",)), "at names 1 cuts for 2 backbones"),
        (lambda: step(stages=(Stage(moves=("adapter",)),)), "a fusion of 2 has no part adapter"),
        (lambda: step(stages=(Stage(moves=("backbone3",)),)), "a fusion of 2 has no part backbone3"),
        (lambda: step(stages=(Stage(moves=("head:1",)),)), "a fusion of 2 has no part head:1"),
        (lambda: step(stages=(Stage(moves=("all",), objective={"target": "soft-a"}),)), "a fusion has no adapter"),
        (lambda: step(stages=(Stage(moves=("all",), save_every=5),)), "no save_every"),
        (lambda: step(stages=()), "at least 1 item"),
        (lambda: step(method="mean"), "expected one of concat"),
        (lambda: step(folds=1), "greater than or equal to 2"),
        (lambda: step(fold=1), "fold 1 of no folds"),
        (lambda: step(folds=3, fold=4), "fold 4 of 3 folds"),
        (lambda: FuseStep(networks=TWO[:1], controls=True), "its own control"),
        (lambda: FuseStep(networks=()), "at least 1 item"),
        (lambda: Stage(moves=("tail",)), "'tail' is no part"),
        (lambda: Stage(moves=("backbone0",)), "'backbone0' is no part"),
        (lambda: Stage(moves=("head2",)), "'head2' is no part"),
        (lambda: Stage(moves=("backbones:0",)), "'backbones:0' is no part"),
        (lambda: Stage(period=3), "a period has no use for the schedule constant"),
        (lambda: Stage(moves=("head",), lr_of={"backbones": 1e-4}), "lr_of gives backbones a rate, and only head"),
        (lambda: Stage(moves=("head",), lr_of={"head": 0}), "greater than 0"),
        (lambda: Stage(loss="focal", objective={"target": "soft-a"}), "the focal loss has no use"),
        (lambda: Stage(class_weights="balanced", objective={"target": "match"}), "a weight of classes has no use"),
        (lambda: Splits(group="patients.csv"), "names no column of a file"),
        (lambda: Splits(test=1.0), "less than 1"),
        (lambda: TuneStep(fuse=step(), over=("momentum",)), "'lr', 'weight_decay', 'dropout' or 'schedule'"),
        (lambda: TuneStep(fuse=step(), dropout=(0.5, 0.2)), "dropout from 0.5 to 0.2"),
        (lambda: TuneStep(fuse=step(), lr=(0.0, 0.2)), "greater than 0"),
    ],
)
def test_bad_fields_of_fusions(make, words):
    with pytest.raises(ValidationError, match=words):
        make()


def test_parts_may_have_rates_of_their_own():
    stage = Stage(moves=("all",), lr_of={"backbones:1": 1e-5, "backbone2": 1e-4})
    assert Stage.model_validate(stage.model_dump(mode="json")) == stage


def test_a_recipe_of_every_new_kind_reads_back():
    steps = step(stages=STAGES, folds=3), TuneStep(fuse=step()), ExplainStep(model=TWO[0], count=2)
    recipe = Recipe(steps=steps, splits=Splits(test=0.2, group="patients.csv:who"), deterministic=True)
    from suture.recipes.text import resolved

    again = parse_recipe(resolved(recipe.as_data()), "again.yaml")
    assert again == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_read_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    recipe = read_recipe(find_recipe(Path(name)))
    (fuse,) = recipe.steps
    assert (recipe.name, fuse.method, fuse.hidden, fuse.dropout) == (name, "concat", 1024, 0.5)
    assert fuse.networks == ("torchvision:resnet50@IMAGENET1K_V2", "torchvision:densenet121@IMAGENET1K_V1")
    head, everything = fuse.stages
    assert (head.moves, everything.moves) == (("head",), ("all",))
    (tmp_path / name).write_text("name: mine\n", encoding="utf-8")
    assert find_recipe(Path(name)) == Path(name)


def test_the_preset_is_the_notebooks_schedule():
    from pathlib import Path

    (fuse,) = read_recipe(find_recipe(Path("hybrid-cnn"))).steps
    head, everything = fuse.stages
    assert (head.epochs, head.lr, head.period) == (5, 3e-4, 10)
    assert (everything.epochs, everything.lr, everything.period) == (20, 1e-4, 15)
    for stage in fuse.stages:
        assert (stage.optimizer, stage.weight_decay, stage.label_smoothing) == ("adamw", 1e-4, 0.1)
        assert (stage.schedule, stage.schedule_by, stage.batch_size) == ("cosine", "epoch", 32)
    assert fuse.eval_batch == 64


def test_a_choice_changes_what_it_names_and_nothing_else():
    tuned = TuneStep(fuse=step(stages=(STAGES[0], Stage(moves=("all",), lr=1e-4, lr_of={"backbones": 1e-5}))))
    assert tuned.chosen({}, tuned.fuse) == tuned.fuse
    changed = tuned.chosen({"lr": 10.0, "dropout": 0.1, "schedule": "step", "weight_decay": 0.5}, tuned.fuse)
    assert changed.dropout == 0.1
    for before, after in zip(tuned.fuse.stages, changed.stages, strict=True):
        assert after.lr == before.lr * 10
        assert (after.schedule, after.weight_decay) == ("step", 0.5)
        back = {"lr": before.lr, "lr_of": before.lr_of, "schedule": before.schedule}
        assert after.model_copy(update={**back, "weight_decay": before.weight_decay}) == before
    assert changed.stages[1].lr_of["backbones"] == pytest.approx(1e-4)
    assert tuned.single.model_copy(update={"controls": tuned.fuse.controls}) == tuned.fuse


def test_a_trial_of_one_fold_has_the_validation_images_of_that_fold():
    tuned = TuneStep(fuse=step(folds=3, fold=2))
    assert (tuned.single.folds, tuned.single.fold) == (3, 2)
    assert TuneStep(fuse=step(folds=3)).single.folds is None


@pytest.mark.parametrize("field", ["hidden", "width"])
def test_a_layer_wider_than_any_is_refused(field):
    with pytest.raises(ValidationError, match="less than or equal to 65536"):
        FuseStep(networks=("zoo:tiny10-a",), **{field: 10**30})
