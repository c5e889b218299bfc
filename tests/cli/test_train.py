"""``suture train`` as a person types it: its options, what it prints, and what it says to wrong values."""

import json
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from small import write_npz
from suture.cli import stages
from suture.spec.objective import Objective
from suture.spec.stage import Stage


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('material') / 'small.npz', train=100, test=20)}"


def test_every_field_of_a_stage_has_an_option():
    fields = stages.stage() | stages.objective()
    assert fields.keys() == Stage.model_fields.keys()
    assert fields["objective"].keys() == Objective.model_fields.keys()
    assert Stage(**fields) == Stage()


def test_options_are_told_in_groups(call):
    code, out, _ = call("train", "--help")
    assert code == 0
    panel = out[out.index("─ Training ─") :]
    for option in ("--schedule", "--train-images", "--order-seed", "--save-every"):
        assert option in panel
    assert "constant, one-cycle, cosine, step" in panel
    assert "--cka-reg" not in out


def test_options_become_the_recipe(call, data):
    given = ["--order-seed", "3", "--save-every", "2", "--train-images", "50", "--schedule", "step", "--seed", "1"]
    code, out, err = call("train", "zoo:tiny10", "--data", data, *given, "--print-config")
    assert code == 0, err
    recipe = YAML(typ="safe", pure=True).load(out)
    stage = recipe["steps"][0]["train"]["stage"]
    wanted = {"order_seed": 3, "save_every": 2, "train_images": 50, "schedule": "step"}
    assert {name: stage[name] for name in wanted} == wanted
    assert recipe["seed"] == 1


def test_weights_on_the_way_can_be_scored(call, data):
    given = ["--data", data, "--epochs", "1", "--batch-size", "45", "--save-every", "1"]
    code, out, err = call("train", "zoo:tiny10", *given, "--name", "x")
    assert code == 0, err
    assert "of test right, cross-entropy" in out
    names = sorted(path.name for path in Path("runs/x/checkpoints").iterdir())
    assert names == ["step-000000.safetensors", "step-000001.safetensors", "step-000002.safetensors"]
    code, out, err = call("eval", f"zoo:tiny10@runs/x/checkpoints/{names[-1]}", "--data", data, "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == json.loads(Path("runs/x/result.json").read_text())["accuracy"]


def test_several_labels_are_told_with_their_auc(call, tmp_path):
    path = write_npz(tmp_path / "several.npz", train=100, test=20)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for part in ("train", "test"):
        light = arrays[f"x_{part}"].mean((1, 2, 3)) > 120
        arrays[f"y_{part}"] = np.stack([light, np.arange(len(light)) < 3, np.zeros_like(light)], 1).astype(np.uint8)
    np.savez(path, **arrays, classes=np.array(["light", "early", "never"]))
    code, out, err = call("train", "zoo:tiny10", "--data", f"npz:{path}", "--epochs", "1", "--name", "x")
    assert code == 0, err
    assert "10 outputs become 3 attributes" in err
    result = json.loads(Path("runs/x/result.json").read_text())
    assert f"{result['accuracy']:.2%} of test labels right, mean AUC {result['auc']:.4f}" in " ".join(out.split())
    why = "1 of 3 attributes have no AUC, as all test images have the same label: never"
    assert why in out
    code, out, err = call("eval", "run:runs/x", "--data", f"npz:{path}")
    assert code == 0, err
    assert "mean accuracy" in out
    assert why in out
    code, out, _ = call("eval", "run:runs/x", "--data", f"npz:{path}", "--json")
    assert [told["name"] for told in json.loads(out)["attributes"]] == ["light", "early", "never"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--optimizer", "lion"], "stage.optimizer: 'lion' expected: sgd, adam or adamw"),
        (["--schedule", "steps"], "stage.schedule: 'steps' expected: constant, one-cycle, cosine or step"),
        (["--train", "adapter"], "a single network has no adapter"),
        (["--lr", "0"], "stage.lr: Input should be greater than 0"),
        (["--lr", "nan"], "stage.lr: Input should be a finite number"),
        (["--momentum", "1"], "stage.momentum: Input should be less than 1"),
        (["--order-seed", "4294967296"], "stage.order_seed: Input should be less than 4294967296"),
        (["--augment", "twirl"], "stage.augment.0: 'twirl' expected: flip, crop, rotate, affine or erase"),
        (["--save-every", "0"], "--save-every"),
        (["--train-images", "-1"], "--train-images"),
        (["--target", "soft-a"], "--target"),
    ],
)
def test_wrong_values_are_named_and_leave_nothing_behind(call, data, given, told):
    code, out, err = call("train", "zoo:tiny10", "--data", data, "--name", "x", *given)
    assert code == 2
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""
    assert not Path("runs").exists()
