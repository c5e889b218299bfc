"""What a stage says reaches the training of a network and of a stitch, or is refused before anything is written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import suture
from raising import raises
from small import write_npz
from suture.data.load import load_data
from suture.errors import DataError, PlanError, UsageError
from suture.hybrids import head
from suture.recipes.context import Context
from suture.recipes.deterministic import deterministic
from suture.recipes.execute import execute
from suture.recipes.tail import moving
from suture.spec.recipe import Recipe, SearchStep, StitchStep, TrainStep
from suture.spec.stage import Stage
from suture.training.losses import class_weights

PLACE = ("relu4", "relu4")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """Of class 0 every image, of the others one in three."""
    path = tmp_path_factory.mktemp("material") / "uneven.npz"
    with np.load(write_npz(path, train=300)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    kept = (arrays["y_train"] == 0) | (np.arange(300) % 3 == 0)
    np.savez(path, **(arrays | {"x_train": arrays["x_train"][kept], "y_train": arrays["y_train"][kept]}))
    return f"npz:{path}"


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("several") / "several.npz"
    labels = {f"y_{part}": np.eye(4, dtype=np.uint8)[np.arange(n) % 4] for part, n in (("train", 60), ("test", 20))}
    return f"npz:{write_npz(path, train=60, test=20, **labels)}"


def run(step, data: str, out: Path, **recipe) -> dict:
    return execute(Context(Recipe(data=data, steps=(step,), **recipe)), out)


def trained(data: str, out: Path, model: str = "zoo:tiny10", recipe: dict | None = None, **fields) -> dict:
    stage = Stage(**{"moves": ("all",), "epochs": 2, "batch_size": 64} | fields)
    return run(TrainStep(model=model, stage=stage), data, out, **(recipe or {}))


def epochs(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["balanced", "effective"])
def test_the_loss_is_weighed_by_the_training_images(tmp_path, data, kind):
    """The loss of a first and only batch is that of the weights at the start."""
    trained(data, tmp_path / "t", "zoo:lenet@none", epochs=1, batch_size=1000, class_weights=kind, train_images=90)
    split = load_data(data).with_validation(0).train.first(90)
    with torch.no_grad():
        logits = suture.load("zoo:lenet@none")(split.images.batch(range(90)).float() / 255)
    counts = split.labels.bincount(minlength=10)
    each = F.cross_entropy(logits, split.labels, reduction="none")
    wanted = (each * class_weights(kind, counts)[split.labels]).mean().item()
    assert epochs(tmp_path / "t")[0]["loss"] == pytest.approx(wanted, rel=1e-5)
    assert wanted != pytest.approx(each.mean().item(), rel=1e-3)


def test_sampling_and_loss_reach_the_training(tmp_path, data):
    fields = {"plain": {}, "drawn": {"sampling": "class-balanced"}, "focal": {"loss": "focal"}}
    digests = {name: trained(data, tmp_path / name, **more)["digest"] for name, more in fields.items()}
    assert len(set(digests.values())) == 3


def test_a_rate_of_its_own_moves_the_head_alone(tmp_path, data):
    trained(data, tmp_path / "t", lr=1e-12, lr_of={"head": 1e-2})
    before, after = suture.load("zoo:tiny10@none"), suture.load(f"run:{tmp_path / 't'}")
    far = {name for name, p in after.named_parameters() if not torch.allclose(p, before.get_parameter(name), atol=1e-6)}
    assert far == {"body.fc.weight", "body.fc.bias"}
    assert epochs(tmp_path / "t")[-1]["lr"] == 1e-12


def test_the_best_epoch_is_kept_and_told(tmp_path, data):
    """At such a rate a bundled network gets worse at once."""
    result = trained(data, tmp_path / "t", "zoo:tiny10-a", lr=1.0, optimizer="sgd", keep="best")
    assert (result["epochs"], result["kept"]) == (2, 0)
    assert result["val_accuracy"] > max(epoch["val_accuracy"] for epoch in epochs(tmp_path / "t"))
    before, after = (suture.load(name).state_dict() for name in ("zoo:tiny10-a", f"run:{tmp_path / 't'}"))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_recomputing_changes_no_weight(tmp_path, data):
    model = "zoo:resnet20"
    once = trained(data, tmp_path / "once", model, epochs=1)
    assert trained(data, tmp_path / "again", model, epochs=1, recompute=True)["digest"] == once["digest"]


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("zoo:tiny10", {"recompute": True}, ("is made of plain layers", "no --recompute")),
        ("zoo:tiny10", {"class_weights": "balanced"}, ("class weights balanced", "several labels each")),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(tmp_path, several, model, fields, words):
    with raises(PlanError, *words):
        trained(several, tmp_path / "t", model, **fields)
    assert not (tmp_path / "t").exists()


def test_drawing_by_class_wants_classes(tmp_path, several):
    stage = Stage(epochs=1, sampling="weighted")
    hybrids = {"a": "zoo:tiny10-a", "b": "zoo:tiny10-b", "stage": stage}
    steps = (
        TrainStep(model="zoo:tiny10", stage=stage.model_copy(update={"moves": ("all",)})),
        StitchStep(**hybrids, at="relu4:relu4", new_head=True),
    )
    for step in steps:
        with pytest.raises((DataError, PlanError)):
            run(step, several, tmp_path / "t")
        assert not (tmp_path / "t").exists()


def test_focal_loss_learns_several_labels(tmp_path, several):
    result = trained(several, tmp_path / "t", loss="focal", label_smoothing=0.1)
    assert epochs(tmp_path / "t")[-1]["loss"] < epochs(tmp_path / "t")[0]["loss"]
    assert len(result["attributes"]) == 4


@pytest.mark.parametrize("moves", [("all",), ("adapter", "decoder", "head"), ("encoder", "adapter", "head")])
def test_the_parts_of_a_stitch_have_rates_of_their_own(moves):
    hybrid = suture.stitch("zoo:tiny10-a", "zoo:tiny10-b", PLACE)
    rates = {"head": 1e-2, "adapter": 1e-3}
    groups = moving(hybrid, Stage(moves=moves, lr=1e-5, lr_of=rates)).groups(1e-5)
    rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    for name, parameter in hybrid.named_parameters():
        if any(parameter is own for own in head(hybrid.decoder)[1].parameters()):
            wanted = 1e-2
        elif name.startswith("adapter"):
            wanted = 1e-3
        else:
            moved = "all" in moves or name.partition(".")[0] in moves
            wanted = 1e-5 if moved else None
        assert rate_of.get(parameter) == wanted


def test_a_stitch_keeps_its_best_epoch(tmp_path, data):
    stage = Stage(epochs=3, lr=10.0, optimizer="sgd", keep="best", class_weights="balanced", sampling="weighted")
    step = StitchStep(a="zoo:tiny10-a", b="zoo:tiny10-b", at="relu4:relu4", stage=stage)
    result = run(step, data, tmp_path / "s")
    assert result["kept"] == 0
    assert result["accuracy"]["after"] == result["accuracy"]["before"]


def test_looking_before_the_first_epoch_is_paid_for(tmp_path, data):
    """Once more through all that comes after the cut; the encoder runs on the validation images once anyhow."""
    found = {}
    for keep in ("last", "best"):
        stage = Stage(epochs=2, batch_size=64, keep=keep)
        step = SearchStep(a="zoo:tiny10-a", b="zoo:tiny10-b", top=1, fit_images=64, score_images=16, stage=stage)
        result = run(step, data, tmp_path / keep)
        lines = [json.loads(line)["trial"] for line in (tmp_path / keep / "ledger.jsonl").read_text().splitlines()]
        found[keep] = next(trial for trial in lines if "images" in trial)["images"]
    assert found["best"]["tail"] - found["last"]["tail"] == result["n_val"]
    assert found["best"]["encoder"] == found["last"]["encoder"]


KILLED = [
    "zoo:resnet20", "--epochs", "3", "--batch-size", "32", "--train-images", "80", "--augment", "flip,crop",
    "--keep", "best", "--accumulate", "2", "--recompute", "--lr-of", "head=1e-2", "--optimizer", "adamw",
    "--schedule", "one-cycle", "--deterministic",
]  # fmt: skip


def test_killed_in_the_middle_it_ends_with_the_same_bytes(tmp_path, data):
    """``suture train`` in processes of their own, one of which is killed in its second epoch."""
    command = [sys.executable, "-m", "suture", "train", *KILLED, "--data", data, "--out"]
    options = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    whole, broken = tmp_path / "whole" / "t", tmp_path / "broken" / "t"
    subprocess.run([*command, whole], **options, check=True)
    killed = subprocess.Popen([*command, broken], **options)
    while not (broken / "metrics.jsonl").exists() and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    assert (broken / "state.safetensors").exists()
    subprocess.run([*command, broken], **options, check=True)
    assert (broken / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert (broken / "result.json").read_bytes() == (whole / "result.json").read_bytes()
    assert not (broken / "state.safetensors").exists()


def test_two_processes_are_one_run(tmp_path, data):
    """As torchrun starts them: one folder, one result on stdout, and the weights of one process."""
    given = ["zoo:lenet@none", "--data", data, "--epochs", "2", "--batch-size", "32", "--device", "cpu", "--json"]
    alone = trained(data, tmp_path / "alone", "zoo:lenet@none", batch_size=32)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "suture"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    for _again in ("trained", "shown"):
        command = [*launch, "train", *given, "--out", str(tmp_path / "out" / "two")]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert told.returncode == 0, told.stderr
        result = json.loads(told.stdout)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["two"]
        assert not list((tmp_path / "temporary").glob("suture-*"))
    assert result["n"] == alone["n"]
    assert result["val_accuracy"] == pytest.approx(alone["val_accuracy"], abs=0.11)
    weights = suture.load(f"run:{tmp_path / 'out' / 'two'}").state_dict()
    for name, tensor in suture.load(f"run:{tmp_path / 'alone'}").state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-4)


def settings() -> tuple:
    cudnn = torch.backends.cudnn
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark, workspace


def test_deterministic_is_for_a_while():
    before = settings()
    with deterministic(False):
        assert settings() == before
    with deterministic():
        assert settings() == (True, True, False, before[3] or ":4096:8")
    assert settings() == before


def test_deterministic_refuses_what_is_not(tmp_path, data):
    """Unpooling may put two values in one place, in any order."""
    nets = tmp_path / "nets.py"
    nets.write_text(
        "import torch.nn.functional as F\n"
        "from torch import nn\n"
        "class Unpooling(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(3 * 32 * 32, 10)\n"
        "    def forward(self, x):\n"
        "        pooled, places = F.max_pool2d(x, 2, return_indices=True)\n"
        "        return self.fc(F.max_unpool2d(pooled, places, 2).flatten(1))\n"
    )
    step = TrainStep(model=f"python:{nets}:Unpooling?size=32", stage=Stage(moves=("all",), epochs=1))
    before = settings()
    for wanted in (True, False):
        context = Context(Recipe(data=data, steps=(step,), deterministic=wanted), trust_code=True)
        if wanted:
            with raises(UsageError, "does not have a deterministic implementation", "no --deterministic"):
                execute(context, tmp_path / "t")
        else:
            assert execute(context, tmp_path / "t")["epochs"] == 1
    assert settings() == before
