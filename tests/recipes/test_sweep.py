"""Sweeps: every trial is the stitch it says it is, what makes no sense is told, and a broken one goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import suture
from raising import raises
from small import write_npz
from suture.errors import PlanError, TrainingError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import read_recipe
from suture.runs import Watch
from suture.spec.recipe import Recipe, StitchStep, SweepStep
from suture.spec.stage import Stage

A, B = "zoo:tiny10-a", "zoo:tiny10-b"
OVER = {
    "at": ("relu6:relu6", "relu1:relu6", "relu3:relu3"),
    "init": ("eye", "least-squares"),
    "lr": (1e-2,),
    "seed": (0, 1),
}


class Heard(Watch):
    """Hears all; interrupts, as Ctrl-C does, the ``stop``-th time that an epoch is told."""

    def __init__(self, stop: int = 0) -> None:
        self.lines: list[str] = []
        self.epochs = 0
        self.stop = stop

    def say(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def task(self, label, total):
        del total
        self.say(label)

        def advance(text, _done):
            self.epochs += text.startswith("epoch")
            if text and self.epochs == self.stop:
                raise KeyboardInterrupt

        yield advance


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{write_npz(folder / 'small.npz', train=150, test=40)}"


def stitch_step(**fields) -> StitchStep:
    stage = fields.pop("stage", Stage(epochs=2, batch_size=64))
    return StitchStep(**{"a": A, "b": B, "fit_images": 60, "stage": stage} | fields)


def run(step, data: str, out: Path, watch: Watch | None = None, seed: int = 0) -> dict:
    return execute(Context(Recipe(data=data, seed=seed, steps=(step,)), watch or Watch()), out)


@pytest.fixture(scope="module")
def swept(folder, data) -> tuple[dict, Path, Heard]:
    out, heard = folder / "swept", Heard()
    return run(SweepStep(stitch=stitch_step(), over=OVER), data, out, heard), out, heard


def test_a_sweep_says_all_it_found(swept):
    result, out, heard = swept
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert (result["over"], result["split"], result["n"]) == (list(OVER), "test", 40)
    assert [told["source"] for told in result["parents"].values()] == [A, B]
    assert [(trial["at"], trial["init"], trial["seed"]) for trial in result["trials"]] == [
        (at, init, seed)
        for at in OVER["at"]
        for init in OVER["init"]
        for seed in OVER["seed"]
        if (at, init) != ("relu1:relu6", "eye")
    ]
    ((reason, first),) = [(one["reason"], one["first"]) for one in result["skipped"] if one["count"] == 2]
    assert "eye" in reason
    assert first == {"at": "relu1:relu6", "init": "eye", "lr": 1e-2, "seed": 0}
    assert sum(reason in line for line in heard.lines) == 1
    assert sum(line.startswith("trial ") for line in heard.lines) == len(result["trials"])
    assert json.loads((out / "record.json").read_text())["verb"] == "sweep"


def test_a_sweep_leaves_a_picture_and_a_table(swept):
    result, out, _ = swept
    assert (out / "plots" / "depth.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "plots" / "rank.png").exists()
    rows = list(csv.DictReader((out / "trials.csv").open()))
    assert [float(row["accuracy_after"]) for row in rows] == [t["accuracy"]["after"] for t in result["trials"]]


@pytest.mark.parametrize("number", [1, 4])
def test_a_trial_is_the_stitch_that_it_says_it_is(swept, data, tmp_path, number):
    result, out, _ = swept
    trial = result["trials"][number]
    place = out / trial["folder"]
    stage = Stage(epochs=2, batch_size=64, lr=trial["lr"])
    alone = run(
        stitch_step(at=trial["at"], init=trial["init"], stage=stage), data, tmp_path / place.name, seed=trial["seed"]
    )
    assert alone == json.loads((place / "result.json").read_text())
    for name in ("accuracy", "cross_entropy", "relative_accuracy", "agreement"):
        assert trial[name] == alone[name]
    assert trial["similarity"].items() <= alone["similarity"]["after"].items()
    assert (place / "recipe.yaml").read_text() == (tmp_path / place.name / "recipe.yaml").read_text()
    assert not (place / "state.safetensors").exists()


def test_every_trial_is_a_network_again(swept, data):
    result, out, _ = swept
    for trial in result["trials"][:2]:
        assert suture.evaluate(suture.load(f"run:{out / trial['folder']}"), data).accuracy == trial["accuracy"]["after"]


def test_a_killed_sweep_goes_on_and_ends_the_same(swept, tmp_path):
    """Killed with SIGKILL when the first trial is in the ledger."""
    wanted, whole, _ = swept
    out = tmp_path / "swept"
    program = (
        "import sys; from pathlib import Path; from suture.recipes.context import Context\n"
        "from suture.recipes.execute import execute; from suture.recipes.read import read_recipe\n"
        "execute(Context(read_recipe(Path(sys.argv[1]))), Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, whole / "recipe.yaml", out], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    while not (out / "ledger.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "result.json").exists()
    kept = (out / "ledger.jsonl").read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    result = execute(Context(read_recipe(whole / "recipe.yaml")), out)
    assert (out / "ledger.jsonl").read_bytes().startswith(kept)
    assert {**result, "trials": None} == {**wanted, "trials": None}
    for found, trial in zip(result["trials"], wanted["trials"], strict=True):
        close = {name: pytest.approx(trial[name], rel=1e-4) for name in ("cross_entropy", "similarity")}
        assert found == trial | close


def test_an_interrupted_trial_goes_on_in_its_middle_and_finished_ones_do_not_run_again(data, tmp_path):
    step = SweepStep(stitch=stitch_step(), over={"at": ("relu6:relu6",), "seed": (0, 1, 2)})
    out, heard = tmp_path / "s", Heard()
    with pytest.raises(KeyboardInterrupt):
        run(step, data, out, Heard(stop=3))
    (done,) = (path.parent for path in out.glob("trials/*/result.json"))
    (broken,) = (path.parent for path in out.glob("trials/*/state.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}
    result = run(step, data, out, heard)
    assert before == {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}
    assert [line for line in heard.lines if line.startswith("trial")] == [
        f"trial {number} of 3: at relu6:relu6, seed {number - 1}" for number in (2, 3)
    ]
    assert heard.epochs == 1 + 2
    assert [json.loads(line)["epoch"] for line in (broken / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert not list(out.rglob("state.safetensors"))
    assert result == run(step, data, tmp_path / "whole" / "s")


def test_values_are_told_as_the_fields_hold_them(data, tmp_path):
    over = {"rank": ("4",), "at": ([["relu6", "relu6"]],), "lr": ("1e-3",), "target": ("hard",), "seed": (3,)}
    (trial,) = run(SweepStep(stitch=stitch_step(stage=Stage(epochs=0)), over=over), data, tmp_path / "s")["trials"]
    told = {"rank": 4, "at": "relu6:relu6", "lr": 1e-3, "target": "hard", "seed": 3}
    assert list(trial.items())[:5] == list(told.items())


def test_random_parents_are_drawn_once_and_ranks_are_drawn(data, tmp_path):
    step = SweepStep(
        stitch=stitch_step(a="zoo:tiny10@none", stage=Stage(epochs=0)),
        over={"at": (None,), "rank": (2, None), "seed": (5, 0)},
    )
    out = tmp_path / "random"
    result = run(step, data, out, seed=7)
    assert {trial["at"] for trial in result["trials"]} == {"relu5:relu5"}
    assert len({trial["accuracy"]["direct"] for trial in result["trials"] if trial["rank"] == 2}) == 1
    network = suture.load(f"run:{out / result['trials'][0]['folder']}")
    assert suture.evaluate(network, data).accuracy == result["trials"][0]["accuracy"]["after"]
    assert (out / "plots" / "rank.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "plots" / "depth.png").exists()


def test_a_trial_that_diverges_is_told_and_the_others_stay(data, tmp_path):
    over = {"lr": (1e38, 1e-3), "at": ("relu6:relu6",)}
    stage = Stage(epochs=1, batch_size=32, optimizer="sgd")
    step = SweepStep(stitch=stitch_step(stage=stage), over=over)
    result = run(step, data, tmp_path / "some")
    assert [trial["lr"] for trial in result["trials"]] == [1e-3]
    ((count, reason, first),) = [one.values() for one in result["skipped"]]
    assert (count, first["lr"]) == (1, 1e38)
    assert "the loss became" in reason
    over["lr"] = over["lr"][:1]
    with raises(TrainingError, "none of the trials came to an end", "the loss became", "a smaller lr"):
        run(SweepStep(stitch=stitch_step(stage=stage), over=over), data, tmp_path / "none")


def test_a_sweep_of_nothing_is_refused_with_every_reason(data, tmp_path):
    step = SweepStep(
        stitch=stitch_step(), over={"at": ("relu1:relu6", "relu99:relu1"), "init": ("eye", "reduced-rank")}
    )
    with raises(PlanError, "none of 4 combinations makes a stitch", "relu99", "  2: a reduced-rank start", "eye"):
        run(step, data, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
