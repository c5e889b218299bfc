"""Accounts of a search: what they say, and what they never do."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suture.reporting.card import card, sentence, share
from suture.reporting.drawing import drawing
from suture.reporting.figures import bars, curves, heatmap
from suture.reporting.page import page


def result(won: int, lost: int, p_value: float, source: str = "zoo:b") -> dict:
    row = {"accuracy": 0.9, "cross_entropy": 0.3, "parameters": 1200, "macs": 3_400_000}
    cut = {"a": "relu1", "b": "relu2", **row}
    return {
        "run": "demo",
        "pairs": [{}] * 64,
        "best": cut,
        "baseline": cut,
        "parents": {"a": {"source": "zoo:a", **row}, "b": {"source": source, **row}},
        "against_better_parent": {
            "parent": "b",
            "only_hybrid_right": won,
            "only_parent_right": lost,
            "p_value": p_value,
        },
        "data": "sample",
        "n": 1000,
        "n_val": 200,
        "val_augmented": False,
        "cost_fpe": 1234.5,
        "notes": ["zoo:a was trained elsewhere"],
    }


def chained(won: int, lost: int, p_value: float) -> dict:
    told = result(won, lost, p_value)
    for hybrid in ("best", "baseline"):
        told[hybrid] = {name: value for name, value in told[hybrid].items() if name not in "ab"}
        told[hybrid]["at"] = ["relu1:layer1.0", "layer2.1:relu4"]
    told["parents"]["c"] = told["parents"]["a"] | {"source": "zoo:c"}
    return told


@pytest.mark.parametrize(
    ("won", "lost", "p_value", "told"),
    [
        (3, 3, 1.0, "as many as its better parent, zoo:b."),
        (30, 9, 0.001, "21 more than its better parent, zoo:b: more than chance does (McNemar, p = 0.001)."),
        (3, 9, 0.15, "6 fewer than its better parent, zoo:b: no more than chance does (McNemar, p = 0.15)."),
    ],
)
def test_the_sentence_claims_no_more_than_the_test_images_give(won, lost, p_value, told):
    assert sentence(result(won, lost, p_value)).endswith(told)


def test_the_card_has_every_row_and_note():
    text = card(result(1, 2, 1.0), "data: sample\n")
    for part in ("parent A", "parent B", "cut in half", "best hybrid", "3.4 M", "trained elsewhere", "data: sample"):
        assert part in text


def test_the_card_of_a_chain_names_every_part():
    told = chained(3, 3, 1.0)
    assert sentence(told).endswith("as many as its best parent, zoo:b.")
    text = card(told, "data: sample\n")
    for part in (
        "It runs `zoo:a` up to `relu1`, a small adapter, and\n",
        "`zoo:b` after `layer1.0` up to `layer2.1`, a small adapter, and\n`zoo:c` after `relu4`.",
        "| parent C | zoo:c |",
        "| cut in thirds | relu1 → layer1.0, layer2.1 → relu4 |",
        "one image through all parents is 1",
        "plots/heatmap2.png",
    ):
        assert part in text
    assert "heatmap2" not in card(result(3, 3, 1.0), "")
    many = told | {"parents": dict(zip("abcde", [told["parents"]["a"]] * 5, strict=True))}
    assert share(many) == "5 equal parts"


def test_the_page_of_a_chain_shows_every_round_in_order(tmp_path):
    for name in ("accuracy", "heatmap", "heatmap2", "heatmap3"):
        bars({"one": 0.5}, tmp_path / f"{name}.png", title=name, highlight="one")
    text = page(chained(1, 2, 1.0), "a: b", tmp_path)
    assert "<h1>zoo:a → zoo:b → zoo:c</h1>" in text
    assert text.count("data:image/png;base64,") == 3
    assert text.index("Every pair of cuts") < text.index("Every way to go on") < text.index("The test images")


def test_the_page_is_whole_and_escaped(tmp_path):
    bars({"one": 0.5}, tmp_path / "accuracy.png", title="t", highlight="one")
    text = page(result(1, 2, 1.0, "zoo:<script>alert(1)</script>"), "a: <b>", tmp_path)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "a: &lt;b&gt;" in text
    assert text.count("data:image/png;base64,") == 1
    assert 'src="http' not in text
    assert "href" not in text


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def test_the_heatmap_shows_pairs_that_could_not_be_scored_as_grey(tmp_path):
    options = {"title": "t", "row_title": "r", "column_title": "c", "marks": {(0, 1): "best"}}
    values = [[0.2, 0.9, None], [0.4, 0.5, 0.6]]
    heatmap(values, ["x", "y"], ["u", "v", "w"], tmp_path / "h.png", **options)
    with Image.open(tmp_path / "h.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (pixels == (0xD8, 0xD8, 0xD8)).all(1).sum() > 1000
    heatmap(
        [[0.1] * 60] * 50, [f"r{i}" for i in range(50)], [f"c{i}" for i in range(60)], tmp_path / "b.png", **options
    )
    assert size(tmp_path / "b.png")[0] > size(tmp_path / "h.png")[0]


def test_curves_and_drawings_are_pictures(tmp_path):
    history = [{"epoch": i, "loss": 1 / i, "val_accuracy": 0.5} for i in (1, 2, 3)]
    curves({"one": history, "two": history[:1], "three": []}, tmp_path / "c.png")
    curves({"no validation": [{"epoch": 1, "loss": 1.0}]}, tmp_path / "n.png")
    drawing(("zoo:a", "zoo:b"), (["x", "y"], ["u", "v", "w"]), [("y", "u")], tmp_path / "d.png")
    drawing(
        ("zoo:a", "zoo:b", "zoo:c", "zoo:d"),
        (["x", "y"], ["u", "v", "w"], ["x", "y"], ["z"]),
        [("y", "u"), ("w", "x"), ("y", "z")],
        tmp_path / "e.png",
    )
    assert size(tmp_path / "e.png")[1] > size(tmp_path / "d.png")[1]
    for name in "cnd":
        assert min(size(tmp_path / f"{name}.png")) > 300
    assert not list(tmp_path.glob(".*"))
