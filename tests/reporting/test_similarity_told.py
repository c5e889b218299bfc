"""How alike layers are, as people see it: words, heatmaps and the page."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from suture.reporting.figures import ACCENT, write_figure
from suture.reporting.similarity import best_matches, best_rows, by_chance, chance, looked_at, measured, variant
from suture.reporting.similarity_figure import similarity_figure
from suture.reporting.similarity_page import similarity_page


def told(values, **fields) -> dict:
    known = {
        "measure": "cka_linear_minibatch",
        "layers_a": [f"a{row}" for row in range(len(values))],
        "layers_b": [f"b{column}" for column in range(len(values[0]))],
        "values": values,
        "higher_is_more_similar": True,
        "n": 2048,
        "estimator": "minibatch",
        "streams": "batches",
        "batch": 256,
        "spatial": "flatten",
        "origin_a": "zoo:a",
        "origin_b": "zoo:b",
        "p_values": None,
        "permutations": 0,
    }
    return known | fields


VALUES = [[0.2, 0.9, None], [0.4, 0.5, 0.6], [None, None, None]]
P_VALUES = [[0.2, 0.01, None], [0.05, 0.04, 0.01], [None, None, None]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "unbiased, 8 batches of 256, n 2,048, flattened"),
        ({"n": 30, "batch": 30}, "unbiased, 1 batch of 30, n 30, flattened"),
        ({"n": 2050}, "unbiased, 9 batches of up to 256, n 2,050, flattened"),
        (
            {"batch": None, "estimator": "biased", "spatial": "mean"},
            "biased, n 2,048, channels averaged over the grid",
        ),
        (
            {"batch": None, "estimator": None, "spatial": "positions", "higher_is_more_similar": False},
            "n 2,048, each sample a point of an image, a distance: 0 is the same",
        ),
        (
            {"batch": None, "estimator": "debiased", "permutations": 1999},
            "debiased, n 2,048, flattened, p of 1,999 permutations, 0.0005 at least",
        ),
    ],
)
def test_the_variant_is_told_in_words(fields, words):
    assert variant(told(VALUES, **fields)) == words


def test_the_best_match_is_the_highest_similarity_or_the_lowest_distance():
    assert best_matches(told(VALUES)) == [1, 2, None]
    assert best_matches(told(VALUES, higher_is_more_similar=False)) == [0, 0, None]
    rows = best_rows(told(VALUES, p_values=P_VALUES, permutations=99))
    assert rows[0] == {"a": "a0", "b": "b1", "value": "0.9000", "p": "0.0100"}
    assert rows[2] == {"a": "a2", "b": "–", "value": "–", "p": "–"}


def test_chance_is_a_p_value_of_five_per_cent_or_more():
    marked = told(VALUES, p_values=P_VALUES)
    assert [by_chance(marked, 0, column) for column in range(3)] == [True, False, False]
    assert [by_chance(marked, 1, column) for column in range(3)] == [True, False, False]
    assert not by_chance(told(VALUES), 0, 0)
    assert chance(marked).startswith("in brackets")
    assert chance(told([[0.5]], p_values=[[0.01]])) == "every p is below 0.05"


def test_numbers_have_four_decimals_or_four_digits():
    assert [measured(value) for value in (None, 0.25, -1e-9, 123456.0)] == ["–", "0.2500", "0.0000", "1.235e+05"]


def test_a_result_tells_which_samples_were_looked_at():
    result = {
        "data": "sample",
        "split": "test",
        "images": 1000,
        "points": 1,
        "drawn": False,
        "spatial": "mean",
        "seed": 3,
    }
    assert looked_at(result) == "sample, test, 1,000 images"
    assert looked_at(result | {"drawn": True}) == "sample, test, 1,000 images, drawn by seed 3"
    points = looked_at(result | {"spatial": "positions", "points": 4})
    assert points == "sample, test, 4 points of each of 1,000 images, drawn by seed 3"


def frames(figure: Figure) -> list[tuple[float, float]]:
    return [patch.get_xy() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def test_a_similarity_goes_from_0_to_1_and_brighter_is_more_alike_from_the_lower_left_on():
    figure = similarity_figure(told(VALUES))
    axes = figure.axes[0]
    image = axes.images[0]
    assert image.get_clim() == (0, 1)
    assert image.origin == "lower"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a0", "a1", "a2"]
    assert axes.get_ylim() == (-0.5, 2.5)
    assert sum(image.cmap(image.norm(0.9))[:3]) > sum(image.cmap(image.norm(0.2))[:3])
    assert frames(figure) == [(0.5, -0.5), (1.5, 0.5)]
    assert axes.patches[0].get_edgecolor() == to_rgba(ACCENT)
    assert [text.get_text() for text in axes.texts] == ["0.20", "0.90", "0.40", "0.50", "0.60"]
    assert np.ma.getmaskarray(image.get_array()).sum() + np.isnan(np.asarray(image.get_array())).sum() >= 4
    title = figure.get_suptitle()
    assert "cka_linear_minibatch: unbiased, 8 batches of 256" in title
    assert "zoo:a" in title
    assert "p of" not in title


def test_a_distance_has_its_own_range_and_the_least_is_the_brightest():
    values = [[3.0, 2.0], [1.0, 5.0]]
    figure = similarity_figure(told(values, higher_is_more_similar=False, batch=None, estimator=None))
    image = figure.axes[0].images[0]
    assert image.get_clim() == (1, 5)
    assert sum(image.cmap(image.norm(1.0))[:3]) > sum(image.cmap(image.norm(5.0))[:3])
    assert frames(figure) == [(0.5, -0.5), (-0.5, 0.5)]
    same = similarity_figure(told([[2.0]], higher_is_more_similar=False))
    low, high = same.axes[0].images[0].get_clim()
    assert low < high


def test_what_lies_outside_0_and_1_is_still_told_apart():
    figure = similarity_figure(told([[-0.1, 1.02]]))
    assert figure.axes[0].images[0].get_clim() == (-0.1, 1.02)


def test_what_chance_gives_stands_in_brackets_and_in_a_large_matrix_is_crossed():
    figure = similarity_figure(told(VALUES, p_values=P_VALUES, permutations=99))
    assert [text.get_text() for text in figure.axes[0].texts] == ["(0.20)", "0.90", "(0.40)", "0.50", "0.60"]
    assert "in brackets" in figure.get_suptitle()
    large = [[0.3] * 60 for _ in range(50)]
    p_values = [[0.5 if column < 7 else 0.01 for column in range(60)] for _ in range(50)]
    figure = similarity_figure(told(large, p_values=p_values, permutations=99))
    axes = figure.axes[0]
    assert not axes.texts
    assert sum(len(crosses.get_offsets()) for crosses in axes.collections) == 350
    assert "crossed" in figure.get_suptitle()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8, 16), (19, 19), (150, 150)])
def test_every_size_is_a_picture_that_can_be_read(tmp_path, rows, columns):
    values = [[(row + column) / (rows + columns) for column in range(columns)] for row in range(rows)]
    long = "torchvision:" + "x" * 200
    names = {"layers_a": [f"layer.{row}" for row in range(rows)], "layers_b": [f"features.{k}" for k in range(columns)]}
    figure = similarity_figure(told(values, origin_a=long, **names))
    write_figure(figure, tmp_path / "h.png")
    with Image.open(tmp_path / "h.png") as image:
        assert image.format == "PNG"
        assert 500 < image.width < 3000
        assert 400 < image.height < 3000
    axes = figure.axes[0]
    pixels = axes.get_window_extent().height * 140 / figure.dpi / rows
    assert axes.get_yticklabels()[0].get_fontsize() * 140 / 72 < 1.05 * pixels
    assert long not in figure.get_suptitle().replace("\n", "")
    assert axes.xaxis.label.get_window_extent().y0 > 0
    assert axes.yaxis.label.get_window_extent().x0 > 0


def test_a_heatmap_can_be_drawn_beside_others():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert similarity_figure(told(VALUES), left) is figure
    assert left.images
    assert "cka_linear_minibatch" in left.get_title()
    assert not right.images


def page(tmp_path: Path, **fields) -> str:
    figures = {name: told(VALUES, measure=name) for name in ("cka_linear_minibatch", "l2")}
    for name, one in figures.items():
        write_figure(similarity_figure(one), tmp_path / f"{name}.png")
    result = {
        "a": "zoo:<script>alert(1)</script>",
        "b": "zoo:b",
        "data": "sample",
        "split": "test",
        "images": 1000,
        "points": 1,
        "drawn": False,
        "spatial": "flatten",
        "seed": 0,
        "measures": figures,
        "pairs": [],
    }
    return similarity_page(result | fields, "a: <b>", tmp_path)


def test_the_page_is_whole_and_escaped(tmp_path):
    text = page(tmp_path)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "a: &lt;b&gt;" in text
    assert text.count("data:image/png;base64,") == 2
    assert 'src="http' not in text
    assert "href" not in text
    assert "prefers-color-scheme: dark" in text
    assert "sample, test, 1,000 images." in text
    assert text.count("unbiased, 8 batches of 256, n 2,048, flattened.") == 2
    assert text.count("<td>a1</td><td>b2</td>") == 2
    assert '<th class="n">p</th>' not in text


def test_the_page_of_named_pairs_and_permutations(tmp_path):
    measures = {"l2": told([[0.4]], measure="l2", p_values=[[0.01]], permutations=99)}
    pairs = [{"a": "a0", "b": "b0", "l2": 0.4, "l2__p": 0.01}]
    text = page(tmp_path, measures=measures, pairs=pairs)
    assert "<td>a0</td><td>b0</td>" in text
    assert ">0.4000<" in text
    assert ">0.0100<" in text
    assert '<th class="n">p</th>' in text
    assert "most like it in B" not in text
    text = page(tmp_path, measures=measures)
    assert '<th class="n">p</th>' in text
    assert ">0.0100<" in text
