"""Fusing from data to answers: what a run leaves, what repeats it, and what goes on after a break."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import suture
from raising import raises
from small import write_npz
from suture.data.load import load_data
from suture.errors import CutError, DataError, PlanError, RecipeError
from suture.evaluation import predict, score
from suture.recipes.answers import load_answers
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import read_recipe
from suture.reporting.fusions import verdict
from suture.runs import Watch
from suture.spec.fuse import FuseStep
from suture.spec.recipe import Recipe
from suture.spec.stage import Stage
from suture.spec.tune import TuneStep

pytestmark = pytest.mark.usefixtures("blank_figures")

A, B = "zoo:tiny10-a", "zoo:resnet20-a"
HEAD = Stage(moves=("head",), epochs=3, batch_size=32)
LAST = Stage(moves=("head", "backbones:1"), epochs=1, lr=1e-4, lr_of={"backbones": 1e-5}, batch_size=32)


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fused")


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{write_npz(folder / 'small.npz', train=150, test=60)}"


def fuse_step(**fields) -> FuseStep:
    return FuseStep(**{"networks": (A, B), "hidden": 32, "stages": (HEAD, LAST)} | fields)


def run(step, data: str, out: Path, watch: Watch | None = None, **fields) -> dict:
    return execute(Context(Recipe(data=data, steps=(step,), **fields), watch or Watch()), out)


@pytest.fixture(scope="module")
def fused(folder, data) -> tuple[dict, Path]:
    out = folder / "fused"
    return run(fuse_step(), data, out), out


def test_a_run_says_all_it_found(fused):
    result, out = fused
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["networks"] == {"a": A, "b": B}
    assert result["n"] == {"train": 135, "val": 15, "test": 60}
    assert [stage["moves"] for stage in result["stages"]] == [["head"], ["head", "backbones:1"]]
    assert [stage["cached"] for stage in result["stages"]] == [True, False]
    assert result["plan"]["join"] == "fuse"
    assert result["over_seeds"]["fused"] == {"mean": result["accuracy"], "sd": None, "values": [result["accuracy"]]}
    assert (result["trials"], result["alone"], result["over_folds"]) == ([], {}, None)
    assert sum(map(sum, result["report"]["confusion"])) == 60
    assert read_recipe(out / "recipe.yaml").steps == (fuse_step(),)
    for name in ("README.md", "plots/curves.png", "plots/confusion.png", "report.json", "predictions.csv"):
        assert (out / name).stat().st_size > 0, name
    assert not list(out.glob("state*"))
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["stage 1"] * 3 + ["stage 2"]


def test_the_run_is_the_network_that_was_scored(fused, data):
    result, out = fused
    network = suture.load(f"run:{out}")
    test = load_data(data).split("test")
    logits, labels = predict(network, test.batches(64))
    kept = load_answers(out, "test")
    assert torch.allclose(logits, kept.logits, atol=1e-5)
    assert torch.equal(labels, kept.labels)
    assert score(logits, labels).accuracy == result["accuracy"]
    assert network.classes == tuple(result["classes"])
    assert suture.evaluate(f"run:{out}", data).accuracy == result["accuracy"]


def test_only_what_may_move_moves(fused):
    _, out = fused
    kept = {name.rpartition(".")[0].partition(".stage")[0] for name in load_file(out / "weights.safetensors")}
    assert {name.partition(".")[0] for name in kept} == {"head", "backbone1", "backbone2"}
    fresh, trained = suture.fuse([A, B], num_classes=10, hidden=32), suture.load(f"run:{out}").body
    last = {f"{name}." for name in fresh.named("backbones:1")}
    for name, tensor in trained.state_dict().items():
        same = torch.equal(tensor, fresh.state_dict()[name])
        if name.startswith("backbone") and not name.startswith(tuple(last)):
            assert same, name
        elif name.endswith("weight"):
            assert not same, name


def test_stored_features_are_what_the_backbones_give(folder, data):
    """The head learns the same from kept features as from backbones that run every time."""
    once = run(fuse_step(stages=(HEAD,)), data, folder / "once")
    every = run(fuse_step(stages=(HEAD.model_copy(update={"augment": ("flip",), "views": 2}),)), data, folder / "two")
    assert once["stages"][0]["cached"]
    assert (every["stages"][0]["cached"], every["stages"][0]["views"]) == (True, 2)
    anew = run(fuse_step(stages=(HEAD.model_copy(update={"augment": ("flip",)}),)), data, folder / "anew")
    assert not anew["stages"][0]["cached"]


def test_features_too_large_to_keep_are_told_and_change_nothing(folder, data, monkeypatch):
    kept = run(fuse_step(stages=(HEAD,)), data, folder / "kept")
    monkeypatch.setattr("suture.recipes.staged.cache_activations", lambda *_, **__: None)
    heard = Heard()
    anew = run(fuse_step(stages=(HEAD,)), data, folder / "large", heard)
    assert any("too large to keep" in line for line in heard.lines)
    assert not anew["stages"][0]["cached"]
    assert anew["cross_entropy"] == pytest.approx(kept["cross_entropy"], abs=1e-4)


def test_controls_seeds_and_folds(folder, data):
    out, heard = folder / "all", Heard()
    step = fuse_step(stages=(HEAD,), controls=True, seeds=2, folds=3)
    result = run(step, data, out, heard)
    told = [(trial["folder"], trial["what"], trial["seed"], trial["fold"]) for trial in result["trials"]]
    assert told == [
        ("seed-1", "fused", 1, None),
        ("alone-a-seed-0", "a", 0, None),
        ("alone-a-seed-1", "a", 1, None),
        ("alone-b-seed-0", "b", 0, None),
        ("alone-b-seed-1", "b", 1, None),
        *((f"fold-{k}", "fused", 0, k) for k in (1, 2, 3)),
    ]
    over = result["over_seeds"]
    assert over["fused"]["values"] == [result["accuracy"], result["trials"][0]["accuracy"]]
    assert over["fused"]["mean"] == pytest.approx(sum(over["fused"]["values"]) / 2)
    assert [trial["n"] for trial in result["trials"]] == [60] * 5 + [50] * 3
    assert result["over_folds"]["values"] == [trial["accuracy"] for trial in result["trials"][-3:]]
    both, alone = load_answers(out, "test"), load_answers(out / "alone-b-seed-0", "test")
    right, other = (answers.logits.argmax(1) == answers.labels for answers in (both, alone))
    assert result["alone"]["b"]["only_fusion_right"] == int((right & ~other).sum())
    assert "points" in verdict(result) or "as many as" in verdict(result)
    assert "(with " in verdict(result) or "as many as" in verdict(result)

    # every repetition is a run that can be done again by itself
    again = execute(Context(read_recipe(out / "alone-a-seed-1" / "recipe.yaml")), folder / "again")
    assert again["accuracy"] == result["trials"][2]["accuracy"]
    assert suture.load(f"run:{out / 'fold-2'}").classes
    assert execute(Context(Recipe(data=data, steps=(step,))), out) == json.loads(json.dumps(result))


def test_folds_hold_out_every_image_once(folder, data):
    step = fuse_step(stages=(HEAD.model_copy(update={"epochs": 0}),), folds=2)
    run(step, data, folder / "folds")
    rows = [load_answers(folder / "folds" / f"fold-{k}", "test").labels for k in (1, 2)]
    whole = load_data(data).train.labels
    assert torch.equal(torch.cat(rows).sort().values, whole.sort().values)


def test_backbones_drawn_at_random_are_drawn_anew_for_another_seed(folder, data):
    step = fuse_step(networks=("zoo:lenet@none",), stages=(HEAD.model_copy(update={"epochs": 0}),), seeds=2)
    run(step, data, folder / "drawn")
    first, second = (suture.load(f"run:{folder / 'drawn' / place}") for place in (".", "seed-1"))
    names = [name for name in first.state_dict() if name.startswith("backbone1") and name.endswith("weight")]
    assert names
    assert not any(torch.equal(first.state_dict()[name], second.state_dict()[name]) for name in names)


def test_a_fusion_that_was_killed_ends_with_the_same_weights(folder, data):
    step = fuse_step(stages=(HEAD, LAST.model_copy(update={"epochs": 4, "keep": "best", "augment": ("flip",)})))
    unbroken = run(step, data, folder / "unbroken", deterministic=True)
    program = f"""
import os, signal, sys
from pathlib import Path
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import read_recipe
from suture.runs import RunFolder
log = RunFolder.log
def logged(self, **told):
    log(self, **told)
    if told["stage"] == "stage 2" and told["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
RunFolder.log = logged
execute(Context(read_recipe(Path({str(folder / "unbroken" / "recipe.yaml")!r}))), Path({str(folder / "killed")!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert not (folder / "killed" / "result.json").exists()
    resumed = execute(Context(read_recipe(folder / "unbroken" / "recipe.yaml")), folder / "killed")
    same = [(folder / name / "weights.safetensors").read_bytes() for name in ("unbroken", "killed")]
    assert same[0] == same[1]
    assert {**resumed, "run": ""} == {**unbroken, "run": ""}


def test_a_fusion_in_memory_is_trained_in_place(folder, data):
    fusion = suture.fuse([A, B], hidden=32)
    before = suture.evaluate(fusion, data).accuracy
    out = folder / "memory"
    told = suture.train(fusion, data=data, stages=[{"moves": ["head"], "epochs": 4, "batch_size": 32}], out=out)
    assert [stage["epochs"] for stage in told["stages"]] == [4]
    assert told["accuracy"] == suture.evaluate(fusion, data, split="val").accuracy
    assert suture.evaluate(fusion, data).accuracy > before + 0.3
    again = suture.load_hybrid(out, A, B)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in fusion.state_dict().items())
    assert not list(out.glob("state*"))
    with raises(PlanError, "the head tells 4 classes apart", "num_classes=10"):
        suture.train(suture.fuse([A, B], num_classes=4), data=data, out=folder / "nothing")
    assert not (folder / "nothing").exists()


def test_recipes_are_run_from_python(folder, data, fused):
    result, out = fused
    again = suture.run(out / "recipe.yaml", out=folder / "python", seed=0)
    assert again["accuracy"] == result["accuracy"]
    recipe = read_recipe(out / "recipe.yaml")
    assert suture.run(recipe, data=data, out=folder / "python") == again
    with raises(RecipeError, "hybrid-cn cannot be read", "hybrid-cnn"):
        suture.run("hybrid-cn", out=folder / "preset")


def test_tuning_trains_like_the_best_trial(folder, data):
    step = TuneStep(fuse=fuse_step(stages=(HEAD,)), trials=3, over=("lr", "dropout"))
    result = run(step, data, folder / "tuned")
    trials = result["tuning"]["trials"]
    assert [trial["number"] for trial in trials] == [1, 2, 3]
    assert len({trial["lr"] for trial in trials}) == 3
    best = max(trials, key=lambda trial: trial["val_accuracy"])
    assert (result["tuning"]["best"], result["val_accuracy"]) == (best["number"], best["val_accuracy"])
    told = json.loads((folder / "tuned" / "trials" / "1" / "result.json").read_text())
    assert told["split"] == "val"  # test images are for the last training
    assert result["split"] == "test"
    (folder / "tuned" / "result.json").unlink()
    heard = Heard()
    assert run(step, data, folder / "tuned", heard) == result
    assert suture.load(f"run:{folder / 'tuned'}").classes


def test_tuning_where_nothing_is_finite(folder, data):
    from suture.errors import TrainingError

    wild = HEAD.model_copy(update={"optimizer": "sgd", "lr": 1e30})
    with raises(TrainingError, "none of 2 trials gave finite losses", "lr: [0.01, 1]"):
        run(TuneStep(fuse=fuse_step(stages=(wild,)), trials=2, over=("lr",)), data, folder / "wild")


def test_tuning_without_optuna(folder, data, monkeypatch):
    from suture.errors import UsageError

    monkeypatch.setitem(sys.modules, "optuna", None)
    with raises(UsageError, "tuning needs optuna", "pip install 'suture[optuna]'"):
        run(TuneStep(fuse=fuse_step()), data, folder / "none")
    assert not (folder / "none").exists()


def test_what_cannot_be_fused_leaves_nothing_behind(folder, data):
    out = folder / "wrong"
    with raises(CutError, "zoo:tiny10-a", "relu"):
        run(fuse_step(at=("rely7", "layer3")), data, out)
    with raises(PlanError, "stages of backbone", ":"):
        run(fuse_step(stages=(Stage(moves=("backbones:99",)),)), data, out)
    with raises(DataError, "", ""):
        run(fuse_step(), "npz:nowhere.npz", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("fused", "alone", "words"),
    [
        ((0.8,), None, "--controls would say"),
        ((0.8,), (0.8,), "as many as its better backbone alone"),
        ((0.8,), (0.7,), "10.00 points more than its best backbone alone, zoo:b, trained alike; on the images"),
        ((0.8, 0.7), (0.7, 0.9), "5.00 points fewer than its best backbone alone, zoo:b, trained alike (with 1 of 2"),
    ],
)
def test_the_verdict_says_no_more_than_is_known(fused, alone, words):
    from suture.recipes.repeats import spread

    told = {"networks": {"a": "zoo:a", "b": "zoo:b"}, "method": "add", "split": "test", "n": {"test": 50}, "alone": {}}
    told |= {"stages": [{"chosen": True}], "over_folds": None}
    told["over_seeds"] = {"fused": spread(fused)}
    if alone:
        gain = [x - y for x, y in zip(fused, alone, strict=True)]
        told["alone"] = {key: {"p_value": 0.2, "gain": gain} for key in "ab"}
        told["over_seeds"] |= {"a": spread([0.1] * len(alone)), "b": spread(alone)}
    assert words in verdict(told)
    if alone and fused != alone:
        assert "no more than chance does" in verdict(told)
    assert "flatter" not in verdict(told)
    told |= {"split": "val", "n": {"val": 50}}
    assert "of 50 validation images right" in verdict(told)
    assert "These images also chose the epochs, so their scores flatter; --test-share" in verdict(told)
    told |= {"stages": [{"chosen": False}]}
    assert "flatter" not in verdict(told)
