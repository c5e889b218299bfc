"""``compare`` as a verb: what is compared when nothing is named, the result, and its folder."""

import json

import numpy as np
import pytest

import suture
from raising import raises
from small import sample_split, write_npz
from suture.adapters import AdapterSpec
from suture.data.dataset import Split
from suture.data.load import load_data
from suture.errors import CutError, MeasureError, RecipeError
from suture.measures import find
from suture.recipes.compare import Compare, some_of
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.validate import validate
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
    step = CompareStep(**{"samples": 40, **fields})
    context = Context(Recipe(data=data, steps=(step,)), watch or Watch())
    return Compare.prepare(step, context).run().result


def test_two_networks_are_compared_at_all_block_cuts(data):
    result = run(data, a=A, b=OTHER, measure=("cka_linear_biased", "procrustes", "cka"), samples=30)
    assert set(result) == {
        "a", "b", "data", "split", "images", "drawn", "points", "n", "samples", "spatial", "seed", "measures", "pairs",
    }  # fmt: skip
    assert (result["n"], result["images"], result["samples"], result["split"]) == (30, 30, 30, "test")
    assert (result["spatial"], result["drawn"], result["pairs"]) == ("flatten", True, [])
    assert list(result["measures"]) == ["cka_linear_biased", "procrustes_normalised", "cka_linear_minibatch"]
    for name, told in result["measures"].items():
        assert told["layers_a"] == tuple(cut.name for cut in suture.cuts(A))
        assert told["layers_b"] == tuple(cut.name for cut in suture.cuts(OTHER))
        values = np.array(told["values"], dtype=float)
        assert values.shape == (8, len(told["layers_b"]))
        assert ((values > 0) & (values < (1 if told["higher_is_more_similar"] else 2**0.5))).all()
        assert told["higher_is_more_similar"] is (name != "procrustes_normalised")
        assert (told["n"], told["spatial"], told["p_values"], told["permutations"]) == (30, "flatten", None, 0)
        assert told["invariances"] == find(name).invariances
    variants = [(told["estimator"], told["batch"]) for told in result["measures"].values()]
    assert variants == [("biased", None), (None, None), ("minibatch", 30)]
    assert json.loads(json.dumps(result, allow_nan=False))["measures"].keys() == result["measures"].keys()


def test_patterns_choose_the_layers_of_each_network(data):
    result = run(data, a=A, b=OTHER, layers=("relu[78]:layer3.*", "bn8:layer2.1"))
    (told,) = result["measures"].values()
    assert told["layers_a"] == ("relu7", "bn8", "relu8")
    assert told["layers_b"] == ("layer2.1", "layer3.0", "layer3.1", "layer3.2")
    assert not result["pairs"]
    with raises(CutError, "no layer of zoo:resnet20-a matches leyer*"):
        run(data, a=A, b=OTHER, layers=("relu*:leyer*",))


def test_a_network_beside_itself_is_loaded_once_and_symmetric(data):
    step = CompareStep(a=A, b=A, layers=("relu*",), samples=40, measure=("cka",))
    verb = Compare.prepare(step, Context(Recipe(data=data, steps=(step,))))
    assert verb.comparison.a.traced is verb.comparison.b.traced
    values = np.array(verb.run().result["measures"]["cka_linear_minibatch"]["values"])
    np.testing.assert_allclose(values, values.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(values), 1, atol=1e-6)


def test_maps_are_averaged_or_taken_point_by_point(data):
    layers = ("relu3:relu3", "relu8:relu8")
    flat, mean, points = (
        run(data, a=A, b=B, layers=layers, spatial=spatial, samples=130, measure=("cka_linear_debiased",))
        for spatial in ("flatten", "mean", "positions")
    )
    assert [result["n"] for result in (flat, mean, points)] == [60, 60, 120]
    assert (points["points"], points["images"], points["samples"]) == (2, 60, 130)
    found = [[pair["cka_linear_debiased"] for pair in result["pairs"]] for result in (flat, mean, points)]
    assert len({value for row in found for value in row}) == 6
    wide = run(data, a=A, b=B, layers=("relu3:relu3",), spatial="mean", measure=("linreg",), samples=1000)
    assert 0 < wide["pairs"][0]["linreg_r2_x_to_y"] < 1


def test_sorted_files_are_drawn_by_the_seed_and_shuffled_ones_are_the_first(tmp_path):
    split = sample_split(60)
    labels = split.labels.sort().values
    ordered = Split(split.images, labels, tuple(map(str, range(60))))
    drawn = some_of(ordered, 20, seed=0)
    assert drawn.names == some_of(ordered, 20, seed=0).names != some_of(ordered, 20, seed=1).names
    numbers = [int(name) for name in drawn.names]
    assert numbers == sorted(set(numbers)) != list(range(20))
    assert some_of(ordered, 60, seed=0).names == ordered.names
    shuffled = load_data("sample").test
    assert some_of(shuffled, 20, seed=0).names == shuffled.first(20).names

    path = write_npz(tmp_path / "sorted.npz", y_test=shuffled.labels[:60].sort().values.numpy())
    step = CompareStep(a=A, b=B, layers=("relu8:relu8",), samples=20)
    results = []
    for seed in (0, 0, 1):
        context = Context(Recipe(data=f"npz:{path}", seed=seed, steps=(step,)))
        results.append(Compare.prepare(step, context).run().result)
    assert all(result["drawn"] and result["n"] == 20 for result in results)
    assert results[0]["pairs"] == results[1]["pairs"] != results[2]["pairs"]
    assert results[2]["seed"] == 1


def test_permutations_give_p_values_beside_every_value(data):
    result = run(data, a=A, b=B, layers=("relu8:relu8", "relu1:relu8"), measure=("cka", "procrustes"), permutations=39)
    for pair in result["pairs"]:
        for name in ("cka_linear_minibatch", "procrustes_normalised"):
            assert pair[f"{name}__p"] * 40 == pytest.approx(round(pair[f"{name}__p"] * 40))
    assert result["pairs"][0]["cka_linear_minibatch__p"] == pytest.approx(1 / 40)
    told = result["measures"]["cka_linear_minibatch"]
    assert (told["permutations"], told["p_values"][0][0]) == (39, result["pairs"][0]["cka_linear_minibatch__p"])
    assert told["layers_b"] == ("relu8",)


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
    assert len(result["measures"]["cka_linear_minibatch"]["layers_b"]) == 8


def test_a_chain_is_compared_at_its_last_adapter(data, tmp_path):
    hybrid = suture.chain(A, B, A, at="relu2:relu2,relu4:relu4", adapter=AdapterSpec(start="eye"))
    suture.save(hybrid, tmp_path, [A, B, A])
    (pair,) = run(data, a=f"run:{tmp_path}", b=A)["pairs"]
    assert (pair["a"], pair["b"]) == ("adapter2", "relu4")
    assert 0 < pair["cka_linear_minibatch"] < 1


def test_layers_that_are_named_need_not_be_cuts(data):
    (first, second) = run(data, a=OTHER, b=A, layers=("layer1.0.conv1:conv1", "layer3.2:relu8"))["pairs"]
    assert (first["a"], first["b"], second["a"], second["b"]) == ("layer1.0.conv1", "conv1", "layer3.2", "relu8")
    assert 0 < second["cka_linear_minibatch"] < 1


def test_the_split_and_the_images_are_those_asked_for(data):
    layers = ("relu8:relu8",)
    train = run(data, a=A, b=B, layers=layers, split="train")
    test = run(data, a=A, b=B, layers=layers)
    assert train["pairs"] != test["pairs"]
    assert run(data, a=A, b=B, layers=layers, samples=1000)["n"] == 60
    assert run(data, a=A, b=B, layers=layers, split="val", samples=1000)["n"] == 20


def test_a_folder_holds_result_matrices_heatmaps_and_a_page(data, tmp_path):
    step = CompareStep(a=A, b=B, measure=("cka_linear_biased", "l2"), samples=20, permutations=19)
    result = execute(Context(Recipe(data=data, steps=(step,))), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == json.loads(json.dumps(result))
    with np.load(tmp_path / "run" / "values.npz") as kept:
        names = {"cka_linear_biased", "l2"}
        assert set(kept.files) == {"layers_a", "layers_b"} | names | {f"{name}__p" for name in names}
        assert kept["layers_a"].tolist() == list(result["measures"]["l2"]["layers_a"])
        np.testing.assert_array_equal(kept["l2"], np.array(result["measures"]["l2"]["values"], dtype=float))
        np.testing.assert_array_equal(kept["l2__p"], np.array(result["measures"]["l2"]["p_values"], dtype=float))
        assert np.isnan(kept["l2"][0, 7])
    for name in ("cka_linear_biased", "l2"):
        assert (tmp_path / "run" / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "biased, n 20, flattened, p of 19 permutations, 0.05 at least." in page
    assert (tmp_path / "run" / "recipe.yaml").read_text() in page
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    numbers = {number["name"]: number for number in record["numbers"]}
    assert numbers["l2 relu3:relu3"]["higher_is_better"] is False
    assert numbers["cka_linear_biased relu3:relu3"]["value"] == result["measures"]["cka_linear_biased"]["values"][2][2]


def test_a_named_pair_that_cannot_be_compared_says_which(data):
    with raises(MeasureError, "relu1:relu8: l2 compares entry by entry", "16x30x30 and 64x2x2"):
        run(data, a=A, b=B, layers=("relu1:relu8",), measure=("l2",))


def test_validating_a_recipe_does_not_ask_how_many_images_there_are(tmp_path):
    text = "steps:\n  - compare: {a: zoo:tiny10-a, b: zoo:resnet20-a, layers: ['relu*:layer3.*'], %s}\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text % "measure: [cka_linear_minibatch_bs256, linreg], spatial: mean")
    assert "compare" in str(validate(path))
    path.write_text(text.replace("layer3", "leyer3") % "samples: 300")
    with raises(RecipeError, "line 2", "no layer of zoo:resnet20-a matches leyer3.*"):
        validate(path)
    path.write_text(text % "measure: [cka_linear_minibatch_bs256], samples: 300")
    with raises(RecipeError, "line 2", "--samples 256"):
        validate(path)
