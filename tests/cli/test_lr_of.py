"""``--lr-of`` as a person types it."""

import pytest
from ruamel.yaml import YAML


@pytest.mark.parametrize("text", ["head=1e-3,encoder=1e-5", " head = 0.001 , encoder=1e-05 ,"])
def test_it_gives_parts_rates(call, text):
    given = ["--train", "all", "--lr-of", text, "--print-config"]
    code, out, err = call("stitch", "zoo:tiny10-a", "zoo:tiny10-b", *given)
    assert code == 0, err
    stage = YAML(typ="safe", pure=True).load(out)["steps"][0]["stitch"]["stage"]
    assert stage["lr_of"] == {"head": 1e-3, "encoder": 1e-5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("head", "--lr-of head does not give each part one rate"),
        ("head=", "does not give each part one rate"),
        ("=1e-3", "does not give each part one rate"),
        ("head=1e-3,head=1e-2", "does not give each part one rate"),
        ("head=fast", "stage.lr_of.head: Input should be a valid number"),
        ("head=-1", "stage.lr_of.head: Input should be greater than 0"),
        ("neck=1", "'neck' is no part"),
        ("adapter=1", "a single network has no adapter"),
    ],
)
def test_wrong_rates_are_named(call, text, told):
    code, out, err = call("train", "zoo:tiny10", "--lr-of", text)
    assert code == 2
    assert told in " ".join(err.split())
    assert out == ""
