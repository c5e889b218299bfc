"""Patching from data to answers: what a run leaves, what repeats it, and what goes on after a break."""

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
from suture.errors import PlanError
from suture.evaluation import predict
from suture.recipes.answers import load_answers
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.patch import planned
from suture.recipes.read import read_recipe
from suture.reporting.patches import verdict
from suture.runs import Watch
from suture.spec.recipe import PatchStep, Recipe
from suture.spec.stage import Stage

pytestmark = pytest.mark.usefixtures("blank_figures")

A = "zoo:resnet20-a"
SE = {"layer3": {"wrap": "se"}}
HEAD = Stage(moves=("head", "blocks"), epochs=2, batch_size=32)
LAST = Stage(moves=("head", "blocks", "backbone:1"), epochs=1, lr=1e-4, lr_of={"backbone": 1e-5}, batch_size=32)


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("patched")


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{write_npz(folder / 'small.npz', train=120, test=40)}"


@pytest.fixture(scope="module")
def three(folder) -> str:
    """Three classes, which no bundled network tells apart."""
    path = folder / "three.npz"
    sample = load_data(f"npz:{write_npz(path, train=90, test=30)}")
    write_npz(path, 90, 30, y_train=(sample.train.labels % 3).numpy(), y_test=(sample.split("test").labels % 3).numpy())
    return f"npz:{path}"


@pytest.fixture(scope="module")
def few(folder) -> str:
    return f"npz:{write_npz(folder / 'few.npz', train=40, test=16)}"


def patch_step(**fields) -> PatchStep:
    return PatchStep(**{"model": A, "patches": SE, "stages": (HEAD, LAST)} | fields)


def small_step(**fields) -> PatchStep:
    """The same of a network that trains in no time."""
    return patch_step(**{"model": "zoo:tiny10-a", "patches": {"relu5": {"wrap": "se"}}} | fields)


def run(step, data: str, out: Path, watch: Watch | None = None, **fields) -> dict:
    return execute(Context(Recipe(data=data, steps=(step,), **fields), watch or Watch()), out)


@pytest.fixture(scope="module")
def patched(folder, data) -> tuple[dict, Path]:
    out = folder / "patched"
    return run(patch_step(identity_start=True), data, out), out


def test_a_run_says_all_it_found(patched, data):
    result, out = patched
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["network"] == A
    (change,) = result["patches"]
    assert (change["layer"], change["name"], change["parameters_added"]) == ("layer3", "layer3.se", 581)
    assert result["n"] == {"train": 108, "val": 12, "test": 40}
    assert [stage["moves"] for stage in result["stages"]] == [list(HEAD.moves), list(LAST.moves)]
    assert [stage["cached"] for stage in result["stages"]] == [True, True]
    assert (result["plan"]["join"], result["plan"]["new_head"]) == ("patch", None)
    own = sum(parameter.numel() for parameter in suture.load(A).parameters())
    assert result["parameters"]["total"] == own + result["parameters"]["added"] == own + 581
    assert 581 < result["parameters"]["trainable"] < own
    assert (result["trials"], result["plain"]) == ([], None)
    assert sum(map(sum, result["report"]["confusion"])) == 40
    # blocks that begin as the identity leave the network as it was
    assert result["before"]["accuracy"] == suture.evaluate(A, data).accuracy
    assert read_recipe(out / "recipe.yaml").steps == (patch_step(identity_start=True),)
    for name in ("README.md", "plots/curves.png", "plots/confusion.png", "report.json", "predictions.csv"):
        assert (out / name).stat().st_size > 0, name
    assert not list(out.glob("state*"))


def test_the_run_is_the_network_that_was_scored(patched, data):
    result, out = patched
    network = suture.load(f"run:{out}")
    logits, labels = predict(network, load_data(data).split("test").batches(64))
    kept = load_answers(out, "test")
    assert torch.allclose(logits, kept.logits, atol=1e-5)
    assert torch.equal(labels, kept.labels)
    assert network.classes == tuple(result["classes"])
    assert suture.evaluate(f"run:{out}", data).accuracy == result["accuracy"]
    assert suture.explain(f"run:{out}", load_data(data).split("test").images.batch([0]).float() / 255)


def test_only_what_may_move_moves_and_is_kept(patched):
    _, out = patched
    kept = load_file(out / "weights.safetensors")
    assert {name.partition(".")[0] for name in kept} == {"layer3", "fc"}
    fresh, trained = suture.load(A).state_dict(), suture.load(f"run:{out}").state_dict()
    for name, tensor in fresh.items():
        assert name in kept or torch.equal(tensor, trained[name]), name
    assert not torch.equal(fresh["fc.weight"], trained["fc.weight"])
    assert trained["layer3.se.alpha"] != 0


def test_other_classes_get_a_new_head(folder, three):
    heard = Heard()
    step = patch_step(stages=(HEAD.model_copy(update={"train_images": 60}),), dropout=0.3, num_classes=3)
    result = run(step, three, folder / "three", heard)
    assert result["n"]["train"] == 60
    assert any("gets a new head: 10 outputs become 3 classes" in line for line in heard.lines)
    assert (result["plan"]["new_head"], result["plan"]["dropout"], result["before"]) == (3, 0.3, None)
    network = suture.load(f"run:{folder / 'three'}")
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    assert suture.evaluate(network, three).accuracy == result["accuracy"]


def test_a_new_head_on_request(folder, data):
    result = run(patch_step(new_head=True, stages=(HEAD.model_copy(update={"epochs": 0}),)), data, folder / "head")
    assert (result["plan"]["new_head"], result["before"]) == (10, None)
    again = suture.load(f"run:{folder / 'head'}").state_dict()["fc.weight"]
    assert not torch.equal(again, suture.load(A).state_dict()["fc.weight"])


def test_fine_tuning_without_patches_and_low_rank_updates(folder, few):
    plain = run(small_step(patches={}, stages=(HEAD,)), few, folder / "plain")
    assert (plain["patches"], plain["parameters"]["added"]) == ([], 0)
    lora = {"layer*.*.conv*": {"wrap": {"type": "lora", "params": {"rank": 2}}}}
    result = run(patch_step(patches=lora, stages=(HEAD,)), few, folder / "lora")
    assert len(result["patches"]) == 18
    blocks = result["parameters"]["added"]
    assert result["parameters"]["trainable"] == blocks + 650
    # at the start the network is what it was
    assert result["before"]["accuracy"] == suture.evaluate(A, few).accuracy
    kept = load_file(folder / "lora" / "weights.safetensors")
    assert all(".lora." in name or name.startswith("fc.") for name in kept)


def test_controls_and_seeds(folder, few):
    out, heard = folder / "all", Heard()
    stages = HEAD, Stage(moves=("blocks",), epochs=1, batch_size=32)
    step = small_step(stages=stages, controls=True, seeds=2)
    result = run(step, few, out, heard)
    told = [(trial["folder"], trial["what"], trial["seed"]) for trial in result["trials"]]
    names = ("seed-1", "patched", 1), ("without-patches-seed-0", "plain", 0), ("without-patches-seed-1", "plain", 1)
    assert told == list(names)
    over = result["over_seeds"]
    assert over["patched"]["values"] == [result["accuracy"], result["trials"][0]["accuracy"]]
    both, plain = load_answers(out, "test"), load_answers(out / "without-patches-seed-0", "test")
    right, other = (answers.logits.argmax(1) == answers.labels for answers in (both, plain))
    assert result["plain"]["only_patched_right"] == int((right & ~other).sum())
    assert result["plain"]["gain"] == [
        a - b for a, b in zip(over["patched"]["values"], over["plain"]["values"], strict=True)
    ]
    assert "without" in verdict(result)

    # the control is trained in the same way, in what there is of it, and can be done again by itself
    control = read_recipe(out / "without-patches-seed-1" / "recipe.yaml")
    assert [stage.moves for stage in control.steps[0].stages] == [("head",)]
    assert execute(Context(control), folder / "again")["accuracy"] == result["trials"][2]["accuracy"]
    assert execute(Context(Recipe(data=few, steps=(step,))), out) == json.loads(json.dumps(result))


def test_a_run_that_was_killed_ends_with_the_same_weights(folder, few):
    stages = HEAD, LAST.model_copy(update={"epochs": 3, "keep": "best", "augment": ("flip",)})
    unbroken = run(small_step(stages=stages), few, folder / "unbroken", deterministic=True)
    program = f"""
import os, signal
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


def test_a_network_in_memory_is_trained_in_place(folder, data):
    network = suture.patch(A, SE, identity_start=True)
    out = folder / "memory"
    stages = [{"moves": ["head", "blocks"], "epochs": 1, "batch_size": 32}]
    told = suture.train(network, data=data, stages=stages, out=out)
    assert [stage["epochs"] for stage in told["stages"]] == [1]
    assert told["accuracy"] == suture.evaluate(network, data, split="val").accuracy
    again = suture.load_hybrid(out, A)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in network.state_dict().items())
    assert not list(out.glob("state*"))
    with raises(PlanError, "the head tells 4 classes apart", "num_classes=10"):
        suture.train(suture.patch(A, SE, num_classes=4), data=data, out=folder / "nothing")
    with raises(PlanError, "has no part 'backbones'"):
        suture.train(network, data=data, out=folder / "nothing", stages=[{"moves": ["backbones"]}])
    with raises(PlanError, "is no patched network"):
        suture.train(suture.load(A), data=data, out=folder / "nothing")
    assert not (folder / "nothing").exists()


def test_a_plain_model_is_trained_in_place(folder, data):
    model = suture.patch(suture.load(A), SE).body
    told = suture.train(model, data=data, stages=[{"moves": ["head"], "epochs": 1}], out=folder / "model")
    assert told["stages"][0]["cached"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"patches": {"layer9": {"wrap": "se"}}}, ("'layer9' is no layer", "layer3")),
        ({"patches": {"layer3": {"wrap": {"type": "se", "params": {"reductoin": 4}}}}}, ("no parameter 'reductoin'",)),
        ({"num_classes": 7}, ("num_classes=7", "has 10 classes", "num_classes: 10")),
        ({"stages": (Stage(moves=("backbone:9",)),)}, ("the last 9 stages",)),
        ({"patches": {}, "controls": True}, ("controls are the network without its patches",)),
        ({"controls": True, "stages": (Stage(moves=("blocks",)),)}, ("only its blocks are", "no --controls")),
        ({"patches": {}, "stages": (Stage(moves=("blocks",)),)}, ("nothing in the blocks can learn", "moves: [all]")),
    ],
)
def test_what_cannot_be_patched_leaves_nothing_behind(folder, data, fields, words):
    with raises(PlanError, *words):
        run(patch_step(**fields), data, folder / "wrong")
    assert not (folder / "wrong").exists()


def test_a_dry_run_needs_no_weights_and_no_data(monkeypatch):
    monkeypatch.setattr("suture.sources.weights.read_weights", None)
    step = PatchStep(model="torchvision:resnet18", patches=SE, stages=(LAST,))
    found = planned(step, Context(Recipe(data="npz:nowhere.npz", steps=(step,))))
    assert found["parameters"] == {"before": 11_689_512, "added": 8_464, "after": 11_697_976}
    assert [one["name"] for one in found["patches"]] == ["layer3.se"]
    wrong = small_step(stages=(Stage(moves=("backbone:9",)),))
    with raises(PlanError, "the last 9 stages"):
        planned(wrong, Context(Recipe(steps=(wrong,))))
