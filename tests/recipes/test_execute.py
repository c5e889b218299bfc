"""Run folders: finished is shown, broken off goes on, anything else is refused; and what the verbs leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import suture
from raising import raises
from small import write_npz
from suture.errors import CutError, DataError, PlanError, RunError, SourceError, UsageError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.runs import Watch
from suture.spec.recipe import EvalStep, Recipe, SearchStep, StitchStep, TrainStep
from suture.spec.stage import Stage


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("material")


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{write_npz(folder / 'small.npz')}"


@pytest.fixture(scope="module")
def sources(folder) -> tuple[str, str]:
    """Two Tiny10 of different random weights, as files."""
    names = []
    for seed in (0, 1):
        path = folder / f"net{seed}.safetensors"
        save_file(suture.load("zoo:tiny10@none", seed=seed).state_dict(), path)
        names.append(f"zoo:tiny10@{path}")
    return names[0], names[1]


def run(step, data: str, out: Path, watch: Watch | None = None, **options) -> dict:
    recipe = Recipe(data=data, steps=(step,))
    return execute(Context(recipe, watch or Watch(), **options), out)


def search_step(sources) -> SearchStep:
    return SearchStep(a=sources[0], b=sources[1], top=2, fit_images=64, stage=Stage(epochs=2, batch_size=64))


@pytest.fixture(scope="module")
def searched(folder, data, sources) -> tuple[dict, Path]:
    out = folder / "searched"
    return run(search_step(sources), data, out), out


def test_a_search_says_all_it_found(searched):
    result, out = searched
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert len(result["pairs"]) == 64
    trained = [pair for pair in result["pairs"] if "accuracy" in pair]
    assert 2 <= len(trained) <= 3
    best = max(trained, key=lambda pair: pair["score"])
    assert best["score"] == max(pair["score"] for pair in result["pairs"])
    assert (result["baseline"]["a"], result["baseline"]["b"]) == ("relu5", "relu5")
    assert result["n"] == 60
    assert result["n_val"] == 20
    assert set(result["parents"]) == {"a", "b"}
    assert any("trained elsewhere" in note for note in result["notes"])


def test_a_search_leaves_pictures_a_card_and_a_page(searched):
    _, out = searched
    for name in ("heatmap", "curves", "accuracy", "hybrid"):
        assert (out / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page
    assert "best hybrid" in (out / "README.md").read_text()
    record = json.loads((out / "record.json").read_text())
    assert record["split"] == "test"
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert len((out / "metrics.jsonl").read_text().splitlines()) >= 4


def test_the_winner_scores_again_what_the_search_said(searched, data):
    result, out = searched
    network = suture.load(f"run:{out}")
    found = suture.evaluate(network, data)
    assert found.accuracy == result["best"]["accuracy"]
    assert found.cross_entropy == pytest.approx(result["best"]["cross_entropy"], rel=1e-6)


def test_a_finished_run_is_shown_at_once(searched, data, sources):
    result, out = searched
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    heard = Heard()
    again = run(search_step(sources), data, out, heard)
    assert again == json.loads(json.dumps(result))
    assert any("is finished" in line for line in heard.lines)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


def test_another_recipe_in_the_folder_is_refused(searched, data, sources):
    _, out = searched
    other = search_step(sources).model_copy(update={"top": 1})
    with pytest.raises(RunError, match="holds a run of another recipe"):
        run(other, data, out)
    with pytest.raises(RunError, match="other things in it"):
        run(other, data, out / "plots")


def test_a_killed_search_goes_on_and_ends_the_same(tmp_path, searched, data, sources):
    """Killed with SIGKILL twice: when the pairs are scored, and in the middle of training."""
    wanted, whole = searched
    out = tmp_path / "killed"
    program = (
        "import sys; from pathlib import Path; from suture.recipes.context import Context\n"
        "from suture.recipes.execute import execute; from suture.recipes.read import read_recipe\n"
        "execute(Context(read_recipe(Path(sys.argv[1]))), Path(sys.argv[2]))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for wait in ("ledger.jsonl", "metrics.jsonl"):
        process = subprocess.Popen([sys.executable, "-c", program, whole / "recipe.yaml", out], env=environment)
        while not (out / wait).exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "result.json").exists()
    lines = (out / "ledger.jsonl").read_text()
    result = run(search_step(sources), data, out)
    assert (out / "ledger.jsonl").read_text().startswith(lines)
    for hybrid in ("best", "baseline"):
        for key in ("a", "b", "plan", "accuracy"):
            assert result[hybrid][key] == wanted[hybrid][key]
    scores = {(pair["a"], pair["b"]): pair["score"] for pair in wanted["pairs"]}
    assert {(pair["a"], pair["b"]): pair["score"] for pair in result["pairs"]} == scores


def test_stitching_says_before_and_after(tmp_path, data, sources):
    step = StitchStep(a=sources[0], b=sources[1], at="bn3:bn3", stage=Stage(epochs=2), fit_images=100)
    result = run(step, data, tmp_path / "s")
    assert set(result["accuracy"]) == set(result["cross_entropy"]) == {"before", "direct", "after"}
    assert result["n"] == 60
    assert result["plan"]["parts"][0]["cut"] == "bn3"
    assert result["relative_accuracy"] == result["accuracy"]["after"] / result["parents"]["b"]["accuracy"]
    network = suture.load(f"run:{tmp_path / 's'}")
    assert suture.evaluate(network, data).accuracy == result["accuracy"]["after"]
    assert result["cross_entropy"]["after"] != result["cross_entropy"]["before"]


@pytest.mark.parametrize("moves", [("adapter",), ("adapter", "head"), ("adapter", "decoder"), ("all",)])
def test_what_may_learn_learns_and_the_rest_stays(tmp_path, data, sources, moves):
    stage = Stage(moves=moves, epochs=1, lr=1e-2)
    step = StitchStep(a=sources[0], b=sources[1], at="relu4:relu4", init="random", stage=stage)
    run(step, data, tmp_path / "s")
    start = suture.stitch(*sources, ("relu4", "relu4"), seed=0)
    ended = suture.load_hybrid(tmp_path / "s", *sources)
    state = ended.state_dict()
    changed = {name for name, tensor in start.state_dict().items() if not torch.equal(tensor, state[name])}
    learnt = {name for name, _ in start.named_parameters()} & changed
    assert any(name.startswith("adapter.") for name in learnt)
    assert ("decoder.fc.weight" in changed) == (moves != ("adapter",))
    assert ("decoder.conv5.weight" in changed) == (moves in [("adapter", "decoder"), ("all",)])
    assert ("encoder.conv1.weight" in changed) == (moves == ("all",))
    if moves != ("all",):
        assert not any("encoder.bn" in name for name in changed)
    if moves in [("adapter",), ("adapter", "head")]:
        assert not any("running" in name for name in changed)


def test_augmented_views_are_stored(tmp_path, data, sources):
    stage = Stage(epochs=2, augment=("flip", "crop"), views=3)
    step = StitchStep(a=sources[0], b=sources[1], at="relu4:relu4", stage=stage)
    assert run(step, data, tmp_path / "s")["views"] == 3
    with pytest.raises(ValueError, match="add augment"):
        Stage(views=3)


def test_costs_are_those_of_what_ran(tmp_path, data, sources):
    """Four views run the encoder on four times the images; moving all of it costs its backward passes too."""

    def images(name: str, **fields) -> dict:
        stage = Stage(**{"epochs": 2, "batch_size": 64} | fields)
        step = SearchStep(a=sources[0], b=sources[1], top=1, fit_images=64, stage=stage)
        run(step, data, tmp_path / name)
        lines = [json.loads(line)["trial"] for line in (tmp_path / name / "ledger.jsonl").read_text().splitlines()]
        return next(trial for trial in lines if "images" in trial)

    plain, views, everything = (
        images("plain"),
        images("views", augment=("flip",), views=4),
        images("all", moves=("all",)),
    )
    assert plain["cached"]
    assert not everything["cached"]
    assert plain["images"] == {"fit": 64, "encoder": 180 + 20 + 20, "tail": 2 * (3 * 180 + 20) + 20, "taught": 0}
    assert views["images"]["encoder"] == 4 * 180 + 20 + 20
    assert everything["images"]["encoder"] == everything["images"]["tail"] == plain["images"]["tail"]


def test_a_kind_without_a_fit_and_a_start_that_does_not_join_everywhere(tmp_path, data, sources):
    step = SearchStep(a=sources[0], b=sources[1], top=1, init="eye", stage=Stage(epochs=0))
    pairs = run(step, data, tmp_path / "eye")["pairs"]
    assert 8 <= len(pairs) < 64
    with pytest.raises(PlanError, match="nothing in the adapter can learn"):
        run(StitchStep(a=sources[0], b=sources[1], at="relu4:relu4", adapter="identity"), data, tmp_path / "identity")
    assert not (tmp_path / "identity").exists()
    same = StitchStep(a=sources[0], b=sources[0], at="relu4:relu4", adapter="identity", stage=Stage(epochs=0))
    assert run(same, data, tmp_path / "same")["agreement"] == {"a": 1.0, "b": 1.0}


def test_random_parents_are_found_again_by_their_seed(tmp_path, data):
    step = StitchStep(a="zoo:tiny10@none", b="zoo:resnet20@none", at="relu4:layer2.0", stage=Stage(epochs=0))
    result = execute(Context(Recipe(data=data, seed=5, steps=(step,))), tmp_path / "s")
    again = suture.evaluate(suture.load(f"run:{tmp_path / 's'}"), data)
    assert again.accuracy == result["accuracy"]["after"]


def test_a_network_for_another_size_is_told_to_say_so(tmp_path, folder, data):
    nets = folder / "sized.py"
    nets.write_text(
        "from torch import nn\n"
        "def large():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 10))\n"
        "def pair():\n"
        "    class Two(nn.Module):\n"
        "        def forward(self, x):\n"
        "            return x, x\n"
        "    return Two()\n"
    )
    for name, told in (("large", "cannot take images of 32x32"), ("pair", "answers with a tuple")):
        with pytest.raises(SourceError, match=told):
            run(EvalStep(model=f"python:{nets}:{name}"), data, tmp_path / "e", trust_code=True)
    assert run(EvalStep(model=f"python:{nets}:large?size=64"), data, tmp_path / "e", trust_code=True)["n"] == 60


def test_classes_that_differ(tmp_path, folder, data, sources):
    nets = folder / "nets.py"
    nets.write_text(
        "from torch import nn\n"
        "def seven():\n"
        "    body = nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()\n"
        "    return nn.Sequential(*body, nn.Linear(8, 7))\n"
    )
    seven = f"python:{nets}:seven?size=32"
    stage = Stage(epochs=1, moves=("adapter", "head"))

    def step(**fields):
        return StitchStep(**{"a": sources[0], "b": seven, "at": "relu4:1", "stage": stage} | fields)

    heard = Heard()
    result = run(step(), data, tmp_path / "demanded", heard, trust_code=True)
    assert any("has 7 outputs" in line and "new head" in line for line in heard.lines)
    assert result["plan"]["new_head"] == 10
    assert result["parents"]["b"]["accuracy"] is None
    assert result["agreement"]["b"] is None
    assert (
        suture.load_hybrid(tmp_path / "demanded", sources[0], suture.load(seven, trust_code=True)).plan.new_head == 10
    )
    kept = run(step(a=seven, b=sources[1], at="1:relu4"), data, tmp_path / "kept", heard, trust_code=True)
    assert kept["plan"]["new_head"] is None
    assert any("tells 7 classes apart" in line and "keeps the head" in line for line in heard.lines)
    asked = run(
        step(a=seven, b=sources[1], at="1:relu4", new_head=True), data, tmp_path / "asked", heard, trust_code=True
    )
    assert asked["plan"]["new_head"] == 10
    with pytest.raises(PlanError, match="nothing would train it"):
        run(step(stage=Stage(epochs=0)), data, tmp_path / "refused", trust_code=True)
    with pytest.raises(PlanError, match="tells 7 classes apart"):
        run(SearchStep(a=sources[0], b=seven), data, tmp_path / "refused", trust_code=True)
    assert not (tmp_path / "refused").exists()


def test_training_makes_a_network_that_loads(tmp_path, data):
    result = run(TrainStep(model="zoo:tiny10", stage=Stage(moves=("all",), epochs=2)), data, tmp_path / "t")
    network = suture.load(f"run:{tmp_path / 't'}")
    assert suture.evaluate(network, data).accuracy == result["accuracy"]
    assert result["n"] == {"train": 180, "val": 20}
    assert not (tmp_path / "t" / "state.safetensors").exists()


def test_training_gives_a_new_head_where_the_data_demand_one(tmp_path, folder, sources):
    four = write_npz(folder / "four.npz")
    import numpy as np

    with np.load(four) as arrays:
        kept = {key: arrays[key] for key in arrays.files}
    kept["y_train"], kept["y_test"] = kept["y_train"] % 4, kept["y_test"] % 4
    np.savez(four, **kept)
    heard = Heard()
    stage = Stage(moves=("head",), epochs=1)
    run(TrainStep(model=sources[0], stage=stage), f"npz:{four}", tmp_path / "t", heard)
    assert any("10 outputs become 4 classes" in line for line in heard.lines)
    network = suture.load(f"run:{tmp_path / 't'}")
    assert network.classes == ("0", "1", "2", "3")
    old = suture.load(sources[0]).state_dict()
    same = {name for name, tensor in network.state_dict().items() if name in old and torch.equal(old[name], tensor)}
    assert {"conv1.weight", "conv8.weight"} <= same


def test_bad_input_leaves_nothing_behind(tmp_path, data, sources):
    out = tmp_path / "nothing"
    bad = [
        (StitchStep(a=sources[0], b=sources[1], at="relu9:relu1"), data, CutError),
        (StitchStep(a=sources[0], b=sources[1], at="relu1:fc"), data, CutError),
        (StitchStep(a=sources[0], b=sources[1]), "npz:no.npz", DataError),
    ]
    for step, where, error in bad:
        with pytest.raises(error):
            run(step, where, out)
    with pytest.raises(UsageError, match="no device 'gpu9'"):
        execute(Context(Recipe(data=data, device="gpu9", steps=(EvalStep(model=sources[0]),))), out)
    assert not out.exists()


def test_steps_follow_each_other(tmp_path, data, sources):
    out = tmp_path / "chain"
    steps = (
        StitchStep(a=sources[0], b=sources[1], at="relu6:relu6", stage=Stage(epochs=0)),
        EvalStep(model=f"run:{out / '1-stitch'}"),
    )
    context = Context(Recipe(data=data, steps=steps))
    result = execute(context, out)
    stitched = json.loads((out / "1-stitch" / "result.json").read_text())
    assert result["accuracy"] == stitched["accuracy"]["after"]
    assert execute(context, out) == result


def test_what_is_no_source_and_no_split_is_said():
    with raises(SourceError, "a int is no source", 'load("zoo:tiny10-a")'):
        suture.load(5)
    with raises(DataError, "no split 'foo'", "train, val, test"):
        suture.evaluate("zoo:tiny10-a", split="foo")
