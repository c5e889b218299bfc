"""The commands as a person types them: what they print, where, and with which exit code."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import save_file

import suture
from small import write_npz
from suture.cli.app import main
from suture.errors import SourceError
from suture.spec.recipe import STEPS

COMMANDS = ("demo", "ls", "layers", "train", "stitch", "fuse", "tune", "search", "sweep", "eval", "predict")
COMMANDS += ("explain", "compare", "run", "patch", "validate", "init", "schema")


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("material")
    found = {"data": f"npz:{write_npz(folder / 'small.npz')}"}
    for name, seed in (("a", 0), ("b", 1)):
        path = folder / f"{name}.safetensors"
        save_file(suture.load("zoo:tiny10@none", seed=seed).state_dict(), path)
        found[name] = f"zoo:tiny10@{path}"
    return found


def shell(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "suture", *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Examples" in out
    assert f"suture {command}" in out


def test_help_names_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)
    assert set(STEPS) <= set(COMMANDS)


@pytest.mark.parametrize(
    "program",
    [
        "import suture",
        "import suture.cli.commands",
        "import suture.reporting.card, suture.reporting.trials, suture.runs, suture.spec.recipe",
    ],
)
def test_these_import_neither_torch_nor_matplotlib(program):
    code = f"{program}; import sys; sys.exit(bool({{'torch', 'matplotlib'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_does_not_import_torch():
    code = (
        "import sys; from suture.cli import main\n"
        "try: main(['stitch', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_stitch_prints_one_json_object_and_nothing_else(material):
    done = shell(
        "stitch", material["a"], material["b"], "--at", "bn3:bn3", "--epochs", "1", "--data", material["data"],
        "--out", str(Path(material["data"].removeprefix("npz:")).parent / "json-run"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {
        "run",
        "plan",
        "accuracy",
        "cross_entropy",
        "relative_accuracy",
        "agreement",
        "parents",
        "n",
        "split",
    } <= set(result)
    assert done.stderr == ""


def test_stitch_prints_a_table(call, material):
    code, out, err = call(
        "stitch",
        material["a"],
        material["b"],
        "--at",
        "bn3:bn3",
        "--epochs",
        "1",
        "--data",
        material["data"],
        "--name",
        "x",
    )
    assert code == 0, err
    assert "parent A" in out
    assert "hybrid, after" in out
    assert "epoch 1: loss" in err
    assert Path("runs/x/result.json").exists()
    code, _, err = call("stitch", material["a"], material["b"], "--data", material["data"], "--name", "x")
    assert code == 2
    assert "another recipe" in err
    code, out, _ = call("ls", "runs")
    assert code == 0
    assert "finished" in out
    code, out, err = call("run", "runs/x/recipe.yaml", "--name", "x", "--quiet")
    assert code == 0, err
    assert "hybrid, after" in out
    assert err == ""
    code, out, err = call("eval", "run:runs/x", "--data", material["data"], "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == json.loads(Path("runs/x/result.json").read_text())["accuracy"]["after"]


def test_search_and_overwrite(call, material):
    given = [
        "search",
        material["a"],
        material["b"],
        "--data",
        material["data"],
        "--top",
        "1",
        "--fit-images",
        "50",
        "--epochs",
        "1",
    ]
    code, out, err = call(*given, "--name", "s")
    assert code == 0, err
    assert "best hybrid" in out
    assert "cut in half" in out
    assert call(*given, "--name", "s", "--seed", "1")[0] == 2
    code, out, _ = call(*given, "--name", "s", "--seed", "1", "--overwrite", "--json")
    assert code == 0
    assert {"run", "pairs", "best", "baseline", "parents", "cost_fpe"} <= set(json.loads(out))


def test_train_and_eval(call, material):
    code, out, err = call("train", "zoo:tiny10", "--data", material["data"], "--epochs", "1", "--name", "t")
    assert code == 0, err
    assert "after 1 epochs" in out
    code, out, _ = call("eval", "run:runs/t", "--data", material["data"], "--split", "val", "--json")
    assert code == 0
    assert set(json.loads(out)) == {"network", "data", "split", "n", "accuracy", "cross_entropy"}
    assert json.loads(out)["n"] == 20
    code, out, _ = call("eval", "run:runs/t", "--data", material["data"], "--out", "runs/e")
    assert code == 0
    assert Path("runs/e/record.json").exists()


def test_print_config_prints_a_recipe_that_runs_the_same(call, material):
    code, out, _ = call("search", material["a"], material["b"], "--print-config")
    assert code == 0
    Path("printed.yaml").write_text(out)
    code, again, _ = call("run", "printed.yaml", "--print-config")
    assert code == 0
    assert again == out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("layers", "zoo:tiny9"), "zoo:tiny10"),
        (("layers", "tiny10"), "zoo:tiny10"),
        (("layers", "python:nets.py:make"), "--trust-code"),
        (("eval", "zoo:tiny10@none", "--data", "smaple"), "sample"),
        (("eval", "zoo:tiny10@none", "--split", "tset"), "split"),
        (("eval", "zoo:tiny10@nowhere.safetensors"), "no weight file"),
        (("train", "zoo:tiny10", "--lr", "-1"), "greater than 0"),
        (("train", "zoo:tiny10", "--augment", "flip,blur"), "blur"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--at", "relu5"), "names no two layers"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--at", "relu5:relu"), "relu"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--at", "relu5:relu5", "--adapter", "liner"), "linear"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--at", "relu1:relu5", "--init", "eye"), "random"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--device", "gpu9"), "--device auto"),
        (("run", "nothing.yaml"), "cannot be read"),
        (("eval", "zoo:tiny10@none", "--name", "../escaped"), "no folder name"),
        (("train", "zoo:tiny10", "--train", "adapter"), "a single network has no adapter"),
        (("stitch", "zoo:tiny10@none", "zoo:tiny10@none", "--at", "relu5:relu5", "--views", "2"), "add augment"),
        (("stich",), "stich"),
        (("stitch", "zoo:tiny10-a"), "Missing"),
    ],
)
def test_wrong_use_is_exit_code_2_a_message_and_nothing_else(call, tmp_path, arguments, told):
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_is_told_without_a_traceback_unless_asked(call, monkeypatch):
    import suture.recipes.layers as layers

    def fail(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(layers, "describe", fail)
    code, _, err = call("layers", "zoo:tiny10@none")
    assert code == 1
    assert "ZeroDivisionError: by zero" in err
    assert "Traceback" not in err
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "layers", "zoo:tiny10@none"])
    monkeypatch.undo()
    with pytest.raises(SourceError):
        main(["layers", "zoo:nothing", "--debug"])


def test_an_interrupted_training_says_so_and_goes_on(call, tmp_path, material):
    given = ["train", "zoo:resnet20", "--data", material["data"], "--epochs", "6", "--out", str(tmp_path / "t")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "suture", *given],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell's background job ignores
    )
    while not (tmp_path / "t" / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    done = len((tmp_path / "t" / "metrics.jsonl").read_text().splitlines())
    assert 1 <= done < 6
    code, _, err = call(*given)
    assert code == 0, err
    assert f"epoch {done}:" not in err
    assert len((tmp_path / "t" / "metrics.jsonl").read_text().splitlines()) == 6


@pytest.mark.parametrize("command", ["fuse", "stitch", "tune", "search"])
def test_help_is_as_wide_as_the_terminal(call, command):
    """No line of a paragraph is much shorter than the terminal, but the last."""
    code, out, _ = call(command, "--help")
    assert code == 0
    lines = [line.strip() for line in out[: out.index("Examples:")].splitlines()]
    for line, after in itertools.pairwise(lines):
        if line and after:
            assert len(line) + len(after.split()[0]) > 110, line
