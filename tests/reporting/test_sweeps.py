"""What is made of the trials of a sweep."""

import csv
import io
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from suture.reporting.figures import INK
from suture.reporting.sweeps import COLOURS, LEVEL, accuracy_over_depth, accuracy_over_rank
from suture.reporting.trials import Spread, over_seeds, spelled_value, trials_csv, varies

AT = ("relu1:relu1", "relu2:relu3", "relu5:relu5")


def trial(at: str, init: str, rank: int | None, seed: int, direct: float | None) -> dict:
    maps = {"before": 0.2, "direct": direct, "after": 0.5 + 0.1 * AT.index(at) + 0.01 * seed}
    return {
        "at": at,
        "init": init,
        "rank": rank,
        "moves": ["adapter"],
        "seed": seed,
        "accuracy": {name: value for name, value in maps.items() if value is not None},
        "cross_entropy": {"before": 2.0, "after": 1.0},
        "relative_accuracy": None,
        "agreement": {"a": 0.5, "b": 0.6},
        "similarity": {"cka_linear_biased": 0.9, "l2": None},
        "folder": f"trials/{at}{init}{rank}{seed}",
    }


def result(
    inits: Sequence[str], ranks: Sequence[int | None], seeds: int = 2, *, own: float | None = 0.9, direct: bool = True
) -> dict:
    trials = [
        trial(at, init, rank, seed, 0.3 + 0.01 * (rank or 20) if direct else None)
        for at in AT
        for init in inits
        for rank in ranks
        for seed in range(seeds)
    ]
    parents = {"a": {"source": "zoo:a", "accuracy": 0.8}, "b": {"source": "zoo:b", "accuracy": own}}
    over = ["at", "init", "rank", "moves", "seed"]
    return {"parents": parents, "over": over, "trials": trials, "n": 1000, "split": "test", "skipped": []}


def test_a_spread_is_the_mean_and_the_sample_deviation():
    assert Spread.of([0.1, None, 0.4]) == Spread(0.25, statistics.stdev([0.1, 0.4]))
    assert Spread.of([0.3]) == Spread(0.3, None)
    assert Spread.of([None]) is None
    assert Spread.of([]) is None


def test_groups_differ_in_nothing_but_the_seed():
    told = result(("eye", "random"), (None, 4), seeds=3)
    groups = over_seeds(told["trials"], told["over"])
    assert [len(group) for group in groups] == [3] * 12
    assert [trial for group in groups for trial in group] == told["trials"]
    assert varies(told["trials"], told["over"]) == ["at", "init", "rank"]
    assert varies(told["trials"][:3], told["over"]) == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("at", "relu1:relu1", "relu1"),
        ("at", "relu1:relu2,add:relu3", "relu1 → relu2, add → relu3"),
        ("rank", None, "none"),
        ("rank", 4, "4"),
        ("flatten", True, "yes"),
        ("moves", ["adapter", "head"], "adapter + head"),
        ("augment", [], "none"),
        ("lr", 1e-3, "0.001"),
    ],
)
def test_values_are_spelled_for_people(key, value, told):
    assert spelled_value(key, value) == told


def test_the_table_has_every_number_in_full():
    told = result(("eye",), (None, 3), direct=False)
    rows = list(csv.DictReader(io.StringIO(trials_csv(told))))
    assert len(rows) == len(told["trials"])
    for row, trial in zip(rows, told["trials"], strict=True):
        assert float(row["accuracy_after"]) == trial["accuracy"]["after"]
        assert row["rank"] == ("" if trial["rank"] is None else str(trial["rank"]))
        assert (row["moves"], row["relative_accuracy"], row["similarity_l2"]) == ('["adapter"]', "", "")
        assert "accuracy_direct" not in row


def pixels(path, colour: str) -> int:
    """How many pixels of a picture have exactly a colour."""
    with Image.open(path) as image:
        shown = np.asarray(image.convert("RGB"))
    return int((shown == tuple(bytes.fromhex(colour[1:]))).all(-1).sum())


def coloured(path) -> int:
    """How many of the lines' colours are in a picture; black is that of all text."""
    return sum(pixels(path, colour) > 100 for colour in COLOURS if colour != "#000000")


def test_depth_has_a_line_in_a_colour_of_its_own_for_each_combination(tmp_path):
    accuracy_over_depth(result(("eye", "random"), (2, None)), AT, tmp_path / "d.png")
    assert coloured(tmp_path / "d.png") == 4


def test_direct_maps_that_agree_are_one_dashed_line(tmp_path):
    for name, ranks, direct in (("agree", (2,), True), ("differ", (2, 4), True), ("none", (2,), False)):
        accuracy_over_depth(result(("eye", "random"), ranks, direct=direct), AT, tmp_path / f"{name}.png")
    agree, differ, none = (pixels(tmp_path / f"{name}.png", INK) for name in ("agree", "differ", "none"))
    assert agree > 3 * differ > 3 * none == 0


def test_error_bars_stand_where_seeds_vary(tmp_path):
    for seeds in (1, 2):
        accuracy_over_depth(result(("eye",), (None,), seeds, direct=False), AT, tmp_path / f"{seeds}.png")
    assert pixels(tmp_path / "2.png", COLOURS[0]) > pixels(tmp_path / "1.png", COLOURS[0])


def test_a_long_legend_moves_beside_and_widens_the_picture(tmp_path):
    sizes = []
    for inits in (("a", "b", "c", "d"), ("a", "b", "c", "d", "e")):
        accuracy_over_depth(result(inits, (2, None)), AT, tmp_path / "d.png")
        with Image.open(tmp_path / "d.png") as image:
            sizes.append(image.size)
    assert sizes[1][0] > sizes[0][0]


@pytest.mark.parametrize("ranks", [(4, 2), (1, 16, None)])
def test_rank_has_a_line_for_each_layer(tmp_path, ranks):
    accuracy_over_rank(result(("eye",), ranks), tmp_path / "r.png")
    assert coloured(tmp_path / "r.png") == 3
    assert not list(tmp_path.glob(".*"))


def test_the_last_network_by_itself_is_a_level_line_where_it_is_known(tmp_path):
    for name, own in (("known", 0.9), ("unknown", None)):
        accuracy_over_rank(result(("eye",), (1, 4), own=own), tmp_path / f"{name}.png")
    assert pixels(tmp_path / "known.png", LEVEL) > 100
    assert pixels(tmp_path / "unknown.png", LEVEL) == 0
