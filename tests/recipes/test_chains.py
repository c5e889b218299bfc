"""Chains as recipes: what they leave behind, and that a search of them goes on where it was broken off."""

import json
from pathlib import Path

import pytest
import torch

import suture
from raising import raises
from small import write_npz
from suture.errors import CutError, PlanError, RecipeError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import parse_recipe
from suture.recipes.text import resolved
from suture.runs import Ledger, RunFolder, Watch
from suture.spec.recipe import Recipe, SearchStep, StitchStep
from suture.spec.stage import Stage

A, B, C = "zoo:tiny10-a", "zoo:resnet20-a", "zoo:tiny10-b"
AT = "relu3:layer1.1,layer2.1:relu6"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("chains")


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{write_npz(folder / 'small.npz', train=120, test=40)}"


def run(step, data: str, out: Path, **options) -> dict:
    return execute(Context(Recipe(data=data, steps=(step,)), Watch(), **options), out)


def stitch_step(**fields) -> StitchStep:
    stage = fields.pop("stage", Stage(epochs=1, lr=1e-2, batch_size=64))
    return StitchStep(**{"a": A, "b": B, "more": (C,), "at": AT, "fit_images": 60, "stage": stage} | fields)


def search_step() -> SearchStep:
    stage = Stage(epochs=2, batch_size=64)
    return SearchStep(a=A, b=C, more=(A,), top=2, fit_images=32, score_images=12, stage=stage)


@pytest.fixture(scope="module")
def searched(folder, data) -> tuple[dict, Path]:
    return run(search_step(), data, folder / "searched"), folder / "searched"


def test_a_chain_says_of_every_parent_what_a_stitch_says_of_two(tmp_path, data):
    result = run(stitch_step(), data, tmp_path / "s")
    assert set(result["parents"]) == set(result["agreement"]) == {"a", "b", "c"}
    assert [result["parents"][name]["source"] for name in "abc"] == [A, B, C]
    assert result["relative_accuracy"] == result["accuracy"]["after"] / result["parents"]["c"]["accuracy"]
    assert [part["cut"] for part in result["plan"]["parts"]] == ["relu3", "layer1.1", "relu6"]
    assert result["plan"]["parts"][1]["end"] == "layer2.1"
    assert len(result["fit_residual"]) == len(result["plan"]["adapters"]) == 2
    network = suture.load(f"run:{tmp_path / 's'}")
    assert suture.evaluate(network, data).accuracy == result["accuracy"]["after"]
    assert result["cross_entropy"]["after"] != result["cross_entropy"]["before"]


def test_a_chain_in_python_is_the_chain_of_the_recipe(tmp_path, data):
    result = run(stitch_step(init="random", stage=Stage(epochs=0)), data, tmp_path / "s")
    hybrid = suture.chain(A, B, C, at=AT)
    assert hybrid.plan.key == result["plan"]["key"]
    assert suture.evaluate(hybrid, data).accuracy == result["accuracy"]["after"]


@pytest.mark.parametrize("moves", [("adapter",), ("adapter", "head"), ("adapter", "decoder"), ("all",)])
def test_what_may_learn_learns_and_the_rest_stays(tmp_path, data, moves):
    run(stitch_step(init="random", stage=Stage(moves=moves, epochs=1, lr=1e-2)), data, tmp_path / "s")
    start, ended = suture.chain(A, B, C, at=AT), suture.load_hybrid(tmp_path / "s", A, B, C)
    state = ended.state_dict()
    changed = {name for name, tensor in start.state_dict().items() if not torch.equal(tensor, state[name])}
    learnt = {name.partition(".")[0] for name, _ in start.named_parameters() if name in changed}
    wanted = {
        ("adapter",): {"adapter1", "adapter2"},
        ("adapter", "head"): {"adapter1", "adapter2", "decoder"},
        ("adapter", "decoder"): {"adapter1", "adapter2", "middle1", "decoder"},
        ("all",): set(start.parts),
    }[moves]
    assert learnt == wanted
    assert ended.frozen == {name for name in start.pretrained if name not in wanted}
    assert {name.partition(".")[0] for name in changed if "running" in name} == (
        {"middle1", "decoder"}
        if moves == ("adapter", "decoder")
        else set(start.pretrained)
        if moves == ("all",)
        else set()
    )


def test_without_places_the_networks_are_cut_in_equal_shares(tmp_path, data):
    parts = run(stitch_step(at=None, stage=Stage(epochs=0)), data, tmp_path / "s")["plan"]["parts"]
    assert [(part["cut"], part.get("end")) for part in parts] == [
        ("relu3", None),
        ("layer1.2", "layer2.2"),
        ("relu6", None),
    ]


def test_a_search_of_three_says_all_it_found(searched, data):
    result, out = searched
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert set(result["parents"]) == {"a", "b", "c"}
    assert result["baseline"]["at"] == ["relu3:relu3", "relu6:relu6"]
    assert all(len(pair["at"]) == 2 and "a" not in pair for pair in result["pairs"])
    trained = [pair for pair in result["pairs"] if "accuracy" in pair]
    assert 2 <= len(trained) <= 3
    assert max(trained, key=lambda pair: pair["score"])["score"] == max(pair["score"] for pair in result["pairs"])
    assert result["against_better_parent"]["parent"] in "abc"
    assert result["cost_fpe"] > 0
    assert suture.evaluate(suture.load(f"run:{out}"), data).accuracy == result["best"]["accuracy"]
    for name in ("heatmap", "heatmap2", "curves", "accuracy", "hybrid"):
        assert (out / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 5


def test_a_search_costs_what_its_rounds_trials_and_tests_ran(searched):
    """Counted once more, from the ledger."""
    result, out = searched
    lines = [json.loads(line)["trial"] for line in (out / "ledger.jsonl").read_text().splitlines()]
    unit = sum(parent["macs"] for parent in result["parents"].values())
    cost = result["n"] * (1 + (result["best"]["macs"] + result["baseline"]["macs"]) / unit)
    for line in lines:
        cost += (
            line["cost_fpe"]
            if "pairs" in line
            else sum(line["images"][what] * line["macs"][what] / unit for what in ("fit", "encoder", "tail"))
        )
    assert result["cost_fpe"] == pytest.approx(cost, abs=0.1)
    rounds = [line for line in lines if "pairs" in line]
    assert 2 <= len(rounds) - 1 <= 3
    one, two = (suture.cuts(source) for source in (A, C))
    encoders, whole = sum(cut.macs_before for cut in one), one[0].macs_before + one[0].macs_after
    pairs = sum(pair["macs"] for pair in rounds[0]["pairs"]) - len(two) * encoders
    assert rounds[0]["cost_fpe"] == pytest.approx((32 * 2 * whole + 12 * (encoders + pairs)) / unit)


def test_a_search_broken_off_after_every_piece_goes_on_and_ends_the_same(tmp_path, data, searched, monkeypatch):
    """And once more in the middle of training; no round and no trial is done twice."""
    wanted, whole = searched
    add, log, logged = Ledger.add, RunFolder.log, []

    def add_and_stop(self, key, trial):
        add(self, key, trial)
        raise KeyboardInterrupt

    def log_and_stop_once(self, **told):
        log(self, **told)
        logged.append(told)
        if len(logged) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "add", add_and_stop)
    monkeypatch.setattr(RunFolder, "log", log_and_stop_once)
    pieces = len((whole / "ledger.jsonl").read_text().splitlines())
    for _ in range(pieces + 1):
        with pytest.raises(KeyboardInterrupt):
            run(search_step(), data, tmp_path / "broken")
        assert not (tmp_path / "broken" / "result.json").exists()
    result = run(search_step(), data, tmp_path / "broken")
    assert len(logged) == len((whole / "metrics.jsonl").read_text().splitlines())
    for hybrid in ("best", "baseline"):
        for key in ("at", "plan", "accuracy", "cross_entropy"):
            assert result[hybrid][key] == pytest.approx(wanted[hybrid][key])
    scores = [(pair["at"], pair["score"]) for pair in wanted["pairs"]]
    assert [(pair["at"], pair["score"]) for pair in result["pairs"]] == scores
    assert result["cost_fpe"] == wanted["cost_fpe"]


def test_a_recipe_of_a_chain_is_written_and_read():
    text = f"steps:\n  - stitch: {{a: '{A}', b: '{B}', more: ['{C}'], at: ['relu3:layer1.1', [layer2.1, relu6]]}}\n"
    recipe = parse_recipe(text, "chain.yaml")
    assert recipe.steps[0].at == AT
    assert parse_recipe(resolved(recipe.as_data()), "again").steps == recipe.steps


def test_all_that_is_wrong_with_a_chain_is_told_at_once():
    fields = (f"a: {A}", f"b: {B}", "more: [tiny10]", "at: relu3", "adapter: liner")
    text = "steps:\n  - stitch:\n" + "".join(f"      {field}\n" for field in fields)
    with pytest.raises(RecipeError, match="does not say what to do") as raised:
        parse_recipe(text, "bad.yaml")
    for line, part in (
        (5, "more.0: 'tiny10' does not start with"),
        (6, "at: 'relu3' names no two"),
        (7, "adapter: unknown"),
    ):
        assert f"line {line}: {part}" in str(raised.value)


def test_bad_chains_leave_nothing_behind(tmp_path, folder, data):
    nets = folder / "seven.py"
    nets.write_text(
        "from torch import nn\n"
        "def seven():\n"
        "    body = nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()\n"
        "    return nn.Sequential(*body, nn.Linear(8, 7))\n"
    )
    seven = f"python:{nets}:seven?size=32"
    with raises(CutError, "layer1.1 is not computed after layer2.1"):
        run(stitch_step(at="relu3:layer2.1,layer1.1:relu6"), data, tmp_path / "s")
    with raises(PlanError, "7 classes apart"):
        run(search_step().model_copy(update={"b": seven}), data, tmp_path / "s", trust_code=True)
    last = stitch_step(more=(seven,), at="relu3:layer1.1,layer2.1:1")
    with raises(PlanError, "nothing would train it"):
        run(last.model_copy(update={"stage": Stage(epochs=0)}), data, tmp_path / "s", trust_code=True)
    assert not (tmp_path / "s").exists()


def test_only_the_last_network_needs_the_classes(tmp_path, folder, data):
    seven = f"python:{folder / 'seven.py'}:seven?size=32"
    (folder / "seven.py").write_text(
        "from torch import nn\n"
        "def seven():\n"
        "    body = nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()\n"
        "    return nn.Sequential(*body, nn.Linear(8, 7))\n"
    )
    step = stitch_step(b=seven, at="relu3:1,2:relu6").model_copy(update={"stage": Stage(epochs=0)})
    kept = run(step, data, tmp_path / "kept", trust_code=True)
    assert kept["parents"]["b"]["accuracy"] is None
    assert kept["agreement"]["b"] is None
    assert kept["plan"]["new_head"] is None


def test_a_search_goes_on_only_where_something_is_left_to_cut(searched):
    result, _ = searched
    last = suture.cuts(C)[-1].name
    assert all(not pair["at"][0].endswith(f":{last}") for pair in result["pairs"])
    assert len(result["pairs"]) == len({tuple(pair["at"]) for pair in result["pairs"]})
