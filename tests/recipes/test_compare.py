"""``compare`` as a verb and from Python: what is compared when nothing is named, the result, and its folder."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import suture
from raising import raises
from small import write_npz
from suture.adapters import AdapterSpec
from suture.errors import DataError, MeasureError, PlanError
from suture.measures import Similarity
from suture.recipes.compare import Compare
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.runs import Watch
from suture.spec.recipe import CompareStep, Recipe

A, B, OTHER = "zoo:tiny10-a", "zoo:tiny10-b", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz')}"


@pytest.fixture(scope="module")
def itself(tmp_path_factory) -> str:
    """A network stitched to itself through the identity, saved."""
    folder = tmp_path_factory.mktemp("itself")
    hybrid = suture.stitch(A, A, "relu3:relu3", adapter=AdapterSpec(start="eye"))
    suture.save(hybrid, folder, [A, A])
    return f"run:{folder}"


class Listening(Watch):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


def run(data: str, watch: Watch | None = None, **fields) -> dict:
    step = CompareStep(**{"first": 40, **fields})
    context = Context(Recipe(data=data, steps=(step,)), watch or Watch())
    return Compare.prepare(step, context).run().result


def test_two_networks_are_compared_at_all_block_cuts(data):
    result = run(data, a=A, b=OTHER, measure=("cka_linear_biased", "procrustes_normalised"), first=30)
    assert {"a", "b", "data", "split", "n", "layers", "measures", "pairs"} == set(result)
    assert (result["n"], result["split"], result["layers"], result["pairs"]) == (30, "test", "positions flattened", [])
    for name, told in result["measures"].items():
        assert told["layers_a"] == tuple(cut.name for cut in suture.cuts(A))
        assert told["layers_b"] == tuple(cut.name for cut in suture.cuts(OTHER))
        values = np.array(told["values"], dtype=float)
        assert values.shape == (8, len(told["layers_b"]))
        assert ((values > 0) & (values < (1 if told["higher_is_more_similar"] else 2**0.5))).all()
        assert told["higher_is_more_similar"] is (name == "cka_linear_biased")
    assert json.loads(json.dumps(result, allow_nan=False))["measures"].keys() == result["measures"].keys()


def test_a_stitch_of_a_network_to_itself_gives_what_it_would(data, itself):
    result = run(data, a=itself, b=A, measure=("cka_linear_biased", "cka_linear_debiased", "l2"))
    (pair,) = result["pairs"]
    assert (pair["a"], pair["b"]) == ("adapter", "relu3")
    assert pair["cka_linear_biased"] == pytest.approx(1, abs=1e-12)
    assert pair["cka_linear_debiased"] == pytest.approx(1, abs=1e-12)
    assert pair["l2"] == 0
    assert result["measures"]["l2"]["values"] == ((0.0,),)


def test_a_run_against_a_network_it_does_not_end_with_is_compared_everywhere(data, itself):
    watch = Listening()
    result = run(data, watch, a=itself, b=B)
    assert not result["pairs"]
    assert any("ends with a part of zoo:tiny10-a, not of zoo:tiny10-b" in line for line in watch.heard)
    assert len(result["measures"]["cka_linear_biased"]["layers_b"]) == 8


def test_a_chain_is_compared_at_its_last_adapter(data, tmp_path):
    hybrid = suture.chain(A, B, A, at="relu2:relu2,relu4:relu4", adapter=AdapterSpec(start="eye"))
    suture.save(hybrid, tmp_path, [A, B, A])
    (pair,) = run(data, a=f"run:{tmp_path}", b=A)["pairs"]
    assert (pair["a"], pair["b"]) == ("adapter2", "relu4")
    assert 0 < pair["cka_linear_biased"] < 1


def test_layers_that_are_named_need_not_be_cuts(data):
    (first, second) = run(data, a=OTHER, b=A, layers=("layer1.0.conv1:conv1", "layer3.2:relu8"))["pairs"]
    assert (first["a"], first["b"], second["a"], second["b"]) == ("layer1.0.conv1", "conv1", "layer3.2", "relu8")
    assert 0 < second["cka_linear_biased"] < 1


def test_the_split_and_the_images_are_those_asked_for(data):
    layers = ("relu8:relu8",)
    train = run(data, a=A, b=B, layers=layers, split="train")
    test = run(data, a=A, b=B, layers=layers)
    assert train["pairs"] != test["pairs"]
    assert run(data, a=A, b=B, layers=layers, first=1000)["n"] == 60
    assert run(data, a=A, b=B, layers=layers, split="val", first=1000)["n"] == 20


def test_a_folder_holds_result_matrices_and_heatmaps(data, tmp_path):
    step = CompareStep(a=A, b=B, measure=("cka_linear_biased", "l2"), first=20)
    result = execute(Context(Recipe(data=data, steps=(step,))), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == json.loads(json.dumps(result))
    with np.load(tmp_path / "run" / "values.npz") as kept:
        assert set(kept.files) == {"layers_a", "layers_b", "cka_linear_biased", "l2"}
        assert kept["layers_a"].tolist() == list(result["measures"]["l2"]["layers_a"])
        np.testing.assert_array_equal(kept["l2"], np.array(result["measures"]["l2"]["values"], dtype=float))
        assert np.isnan(kept["l2"][0, 7])
    for name in ("cka_linear_biased", "l2"):
        assert (tmp_path / "run" / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    numbers = {number["name"]: number for number in record["numbers"]}
    assert numbers["l2 relu3:relu3"]["higher_is_better"] is False
    assert numbers["cka_linear_biased relu3:relu3"]["value"] == result["measures"]["cka_linear_biased"]["values"][2][2]


def test_a_named_pair_that_cannot_be_compared_says_which(data):
    with raises(MeasureError, "relu1:relu8: l2 compares entry by entry", "16x30x30 and 64x2x2"):
        run(data, a=A, b=B, layers=("relu1:relu8",), measure=("l2",))


def test_python_compares_sources_networks_and_modules_and_leaves_them_alone(data):
    network = suture.load(B).train()
    found = suture.compare(A, network, data=data, layers=[("relu8", "relu8"), "bn5:bn5"], first=30)
    assert isinstance(found, Similarity)
    assert (found.measure, found.n, found.layers_a) == ("cka_linear_biased", 30, ("relu8", "bn5"))
    assert 0 < found.value("relu8", "relu8") < 1
    assert found.value("relu8", "bn5") is None
    assert all(module.training for module in network.modules())
    torch.manual_seed(0)
    raw = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))
    same = suture.compare(raw, raw, data=data, example=torch.rand(2, 3, 32, 32), measure="l2", first=10)
    assert all(same.value(name, name) == 0 for name in same.layers_a)


def test_python_takes_layers_as_the_command_line_does(data):
    spelled = suture.compare(A, B, data=data, layers="relu3:relu4,relu8:relu8")
    listed = suture.compare(A, B, data=data, layers=[("relu3", "relu4"), "relu8:relu8"])
    assert spelled.value("relu3", "relu4") == listed.value("relu3", "relu4")
    with raises(PlanError, "names no two layers", "relu5:layer2.2"):
        suture.compare(A, B, data=data, layers="relu3")


def test_python_says_what_is_wrong(data):
    with raises(MeasureError, "no measure 'cka'"):
        suture.compare(A, B, data=data, measure="cka")
    with raises(DataError, "no split 'tset'"):
        suture.compare(A, B, data=data, split="tset")
    with raises(DataError, "first=0"):
        suture.compare(A, B, data=data, first=0)
    with raises(PlanError, "names no two layers"):
        suture.compare(A, B, data=data, layers=["relu5"])
    with raises(MeasureError, "2 samples are too few"):
        suture.compare(A, B, data=data, first=2)
