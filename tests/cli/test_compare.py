"""``suture compare`` as a person types it."""

import inspect
import json
from pathlib import Path

import pytest

import suture
from small import write_npz
from suture.adapters import AdapterSpec
from suture.cli import options
from suture.recipes.text import resolved
from suture.spec.recipe import EvalStep, Recipe, Splits

A, B = "zoo:tiny10-a", "zoo:tiny10-b"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz')}"


def test_help_shows_examples_and_every_measure(call):
    code, out, _ = call("compare", "--help")
    assert code == 0
    assert "Examples" in out
    assert "suture compare zoo:tiny10-a zoo:resnet20-a" in out
    assert "procrustes" in out
    assert "linreg_r2_x_to_y" in out


def test_named_pairs_are_lines_and_nothing_is_written(call, data, tmp_path):
    code, out, err = call(
        "compare", A, B, "--layers", "relu3:relu3,relu5:relu5", "--measure", "cka_linear_biased,l2",
        "--data", data, "--samples", "30",
    )  # fmt: skip
    assert code == 0, err
    rows = [[word.strip() for word in line.split("│")][1:-1] for line in out.splitlines() if "│" in line]
    assert [row[:3] for row in rows] == [
        [name, name, measure] for name in ("relu3", "relu5") for measure in ("cka_linear_biased", "l2")
    ]
    assert all(0 < float(row[3]) < 1 for row in rows)
    assert "cka_linear_biased" in out
    assert "test, 30 images" in out
    assert "cka_linear_biased: biased, n 30, flattened" in out
    assert "l2: n 30, flattened, a distance: 0 is the same" in out
    assert list(tmp_path.iterdir()) == []


def test_a_narrow_matrix_is_shown_whole_a_wide_one_by_its_best_matches(call, data):
    code, out, err = call("compare", A, B, "--data", data, "--samples", "30", "--measure", "cka_linear_biased,l2")
    assert code == 0, err
    assert all(f"relu{number}" in out for number in range(1, 9))
    assert "most like it" not in out
    assert "–" in out
    code, out, err = call("compare", A, "zoo:resnet20-a", "--data", data, "--samples", "30")
    assert code == 0, err
    assert "most like it in B" in out
    assert len([line for line in out.splitlines() if "relu" in line]) == 8
    assert all(max(map(len, text.splitlines())) <= 80 for text in (out,))


def test_json_is_one_object(call, data):
    code, out, err = call("compare", A, B, "--data", data, "--samples", "20", "--layers", "relu8:relu8", "--json")
    assert code == 0
    assert err == ""
    result = json.loads(out)
    told = result["measures"]["cka_linear_minibatch"]
    assert told["values"] == [[result["pairs"][0]["cka_linear_minibatch"]]]
    assert (told["estimator"], told["batch"], told["streams"], told["n"]) == ("minibatch", 20, "batches", 20)
    assert told["p_values"] is None


def test_p_values_are_a_column_of_pairs_and_brackets_in_a_matrix(call, data):
    given = ("compare", A, "zoo:tiny10@none", "--data", data, "--samples", "30", "--null", "19", "--spatial", "mean")
    code, out, err = call(*given, "--layers", "relu8:relu8", "--measure", "cka,procrustes")
    assert code == 0, err
    (heading,) = [line for line in out.splitlines() if "layer of A" in line]
    assert [word.strip() for word in heading.split("┃")][1:-1] == [
        "layer of A", "layer of B", "measure", "value", "p",
    ]  # fmt: skip
    rows = [[word.strip() for word in line.split("│")][3:5] for line in out.splitlines() if "│" in line]
    assert [name for name, _ in rows] == ["cka_linear_minibatch", "procrustes_normalised"]
    code, out, err = call(*given, "--layers", "relu[78]", "--json")
    assert code == 0, err
    told = json.loads(out)["measures"]["cka_linear_minibatch"]
    by_chance = sum(p >= 0.05 for row in told["p_values"] for p in row)
    code, out, err = call(*given, "--layers", "relu[78]")
    assert code == 0, err
    assert out.count("(") == by_chance
    assert "p of 19 permutations, 0.05 at least" in " ".join(out.split())
    assert ("in brackets" in out) == (by_chance > 0)
    code, out, err = call(*given[:2], "zoo:resnet20-a", *given[3:])
    assert code == 0, err
    assert [line.split("┃")[-2].strip() for line in out.splitlines() if "most like it in B" in line] == ["p"]


def test_a_run_is_named_by_its_folder_and_brings_its_data(call, data):
    code, _, err = call(
        "stitch", A, B, "--at", "relu3:relu3", "--epochs", "0", "--fit-images", "100", "--data", data, "--name", "s"
    )
    assert code == 0, err
    code, out, err = call("compare", "runs/s", B, "--measure", "l2", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["data"], result["n"]) == ("npz:small.npz", 60)
    assert [(pair["a"], pair["b"]) for pair in result["pairs"]] == [("adapter", "relu3")]
    for name in ("run:runs/s", "run:s"):
        code, out, err = call("compare", name, B, "--measure", "l2", "--json")
        assert json.loads(out)["pairs"] == result["pairs"]
    code, out, err = call("compare", "runs/s", B, "--data", "sample", "--samples", "10", "--json")
    assert json.loads(out)["data"] == "sample"


def test_a_run_folder_is_written_on_request_and_shown_again_by_its_recipe(call, data):
    given = ("compare", A, B, "--data", data, "--samples", "20", "--layers", "relu8:relu8", "--name", "c")
    code, out, err = call(*given)
    assert code == 0, err
    assert Path("runs/c/plots/cka_linear_minibatch.png").exists()
    code, again, err = call("run", "runs/c/recipe.yaml", "--name", "c")
    assert code == 0, err
    assert again == out
    assert "finished before" in err


def test_a_path_is_a_run_only_where_one_is_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hybrid = suture.stitch(A, A, "relu3:relu3", adapter=AdapterSpec(start="eye"))
    suture.save(hybrid, "made", [A, A])
    assert options.network_source("made") == "made"
    Path("made/recipe.yaml").write_text("steps: []")
    assert options.network_source("made") == "run:made"
    assert options.network_source("made?map=before") == "run:made?map=before"
    assert options.network_source(A) == A


def test_a_run_brings_its_data_divided_as_they_were_for_it(tmp_path):
    given = {name: parameter.default for name, parameter in inspect.signature(options.inputs).parameters.items()}
    folder = tmp_path / "made"
    folder.mkdir()
    own = Splits(test=0.25, group="who.csv:who", duplicates=True)
    recipe = Recipe(data="npz:x.npz", seed=3, splits=own, skip_bad=True, steps=(EvalStep(model=A),))
    (folder / "recipe.yaml").write_text(resolved(recipe.as_data()))
    drawn = own.model_copy(update={"seed": 3, "duplicates": False})
    found = options.inputs_of(f"run:{folder}", given)
    assert (found["data"], found["seed"], found["splits"], found["skip_bad"]) == ("npz:x.npz", 3, drawn, True)
    assert options.inputs_of(f"run:{folder}", given | {"seed": 5})["splits"] == drawn
    assert options.inputs_of(f"run:{folder}", given | {"test_share": 0.5})["splits"]["test"] == 0.5
    plain = options.inputs(**given)
    assert plain["seed"] == 0
    assert options.inputs_of(f"run:{folder}", given | {"data": "cifar10"}) == plain | {"data": "cifar10"}
    assert options.inputs_of("run:nowhere", given) == options.inputs_of(A, given) == plain


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--measure", "ckaa"), "instead:  cka"),
        (("--measure", "cka_linear_minibatch_bs3"), "from 4"),
        (("--measure", "svcca_2"), "instead:  svcca_0.99"),
        (("--measure", ","), "no measure was named\n  expected: one or more\n  instead:  cka"),
        (("--measure", "cka_linear_minibatch_bs64", "--samples", "20"), "instead:  --samples 64"),
        (("--layers", "relu5:"), "X:Y, a layer of A and one of B"),
        (("--layers", "relu9*"), "no layer of zoo:tiny10-a matches relu9*"),
        (("--layers", "relu5:relu99"), "zoo:tiny10-b: the network has no layer 'relu99'"),
        (("--split", "tset"), "split"),
        (("--samples", "0"), "samples"),
        (("--spatial", "flat"), "instead:  flatten"),
        (("--null", "-1"), "null"),
        (("--null", "1000000"), "--null"),
        (("--measure", "l2", "--layers", "relu1:relu8"), "equal shapes"),
    ],
)
def test_wrong_use_is_exit_code_2_a_message_and_nothing_else(call, tmp_path, arguments, told):
    code, out, err = call("compare", A, B, *arguments)
    assert code == 2
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
