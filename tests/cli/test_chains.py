"""Three networks and more on the command line."""

import json
from pathlib import Path

import pytest

from small import write_npz

NETWORKS = ("zoo:tiny10-a", "zoo:resnet20-a", "zoo:tiny10-b")
AT = ("--at", "relu3:layer1.1,layer2.1:relu6")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('material') / 'small.npz', train=120, test=40)}"


def test_stitch_joins_three_and_shows_them_all(call, data):
    few = "--fit-images", "50", "--epochs", "1", "--data", data
    code, out, err = call("stitch", *NETWORKS, *AT, *few, "--name", "x")
    assert code == 0, err
    for part in ("relu3 → layer1.1, layer2.1 → relu6", "parent C", "hybrid, after"):
        assert part in out
    assert "training the adapter at relu3:layer1.1,layer2.1:relu6" in err
    code, out, err = call("run", "runs/x/recipe.yaml", "--name", "x", "--json")
    assert code == 0, err
    told = json.loads(out)
    keys = {"run", "plan", "accuracy", "cross_entropy", "relative_accuracy", "agreement", "parents", "n", "split"}
    assert keys <= set(told)
    assert set(told["parents"]) == set(told["agreement"]) == {"a", "b", "c"}
    code, out, err = call("eval", "run:runs/x", "--data", data, "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == told["accuracy"]["after"]


def test_search_of_three(call, data):
    few = "--top", "1", "--fit-images", "20", "--score-images", "12", "--epochs", "0", "--data", data
    code, out, err = call("search", NETWORKS[0], NETWORKS[2], NETWORKS[0], *few, "--name", "s")
    assert code == 0, err
    for part in ("parent C", "cut in thirds", "relu3 → relu3, relu6 → relu6", "best hybrid", "its best parent"):
        assert part in out
    for part in ("scoring 64 pairs of cuts\n", "pairs of cuts after relu3:relu3", "Everything is in runs/s"):
        assert part in err
    assert "one image through all parents is 1" in Path("runs/s/README.md").read_text()


def test_a_printed_recipe_runs_the_same(call):
    code, out, _ = call("stitch", *NETWORKS, *AT, "--print-config")
    assert code == 0
    Path("printed.yaml").write_text(out)
    assert call("run", "printed.yaml", "--print-config")[:2] == (0, out)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--at", "relu3:layer1.1"), "joins 2 networks, and there are 3"),
        (("--at", "relu3:layer1.1,layer2.1"), "names no two layers"),
        (("--at", "relu3:layer2.1,layer1.1:relu6"), "in zoo:resnet20-a, layer1.1 is not computed after layer2.1"),
        (("--at", "relu3:layer2.1,layer2.1:relu6"), "layer2.1 is not computed after layer2.1"),
        (("zoo:tiny11-a", "--at", "relu3:layer1.1,layer2.1:relu6,a:b"), "zoo:tiny10-a"),
        (("tiny10", *AT), "does not start with a kind of source"),
        (("--adapter", "identity", *AT), "identity"),
    ],
)
def test_wrong_use_is_said(call, tmp_path, arguments, told):
    code, out, err = call("stitch", *NETWORKS, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
