"""Figures of a report: pictures for few classes and many, for absent ones, and for one alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from suture.evaluation import report
from suture.reporting.classification import FIGURES, short

GREY = (0xD8, 0xD8, 0xD8)


def drawn(k: int, only: int | None = None, temperature: float | None = None) -> dict:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, only or k, (200,), generator=generator)
    logits = torch.randn(200, k, generator=generator)
    logits[torch.arange(200), labels] += 2
    names = [f"class $ {number} {'with a very long name' * (number % 2)}" for number in range(k)]
    return report(logits, labels, names, temperature=temperature).as_dict()


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).reshape(-1, 3)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("k", "only"), [(2, None), (3, 2), (3, 1), (13, None), (70, None)])
def test_they_are_pictures_whatever_there_is_to_show(tmp_path, name, k, only):
    path = tmp_path / "figure.png"
    FIGURES[name](drawn(k, only), path)
    found = pixels(path)
    assert len(found) > 300 * 300
    assert len(np.unique(found, axis=0)) > 20
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


def test_the_row_of_an_absent_class_is_grey(tmp_path):
    for name, only in (("all", None), ("some", 2)):
        FIGURES["confusion"](drawn(3, only), tmp_path / f"{name}.png")
    grey = {name: (pixels(tmp_path / f"{name}.png") == GREY).all(1).sum() for name in ("all", "some")}
    assert grey["some"] > grey["all"] + 5000


def test_the_temperature_adds_a_curve(tmp_path):
    for name, temperature in (("plain", None), ("scaled", 0.7)):
        FIGURES["reliability"](drawn(4, temperature=temperature), tmp_path / f"{name}.png")
    red = [(pixels(tmp_path / f"{name}.png") == (0xC8, 0x40, 0x2F)).all(1).sum() for name in ("plain", "scaled")]
    assert red[0] == 0
    assert red[1] > 200


def test_bins_of_few_images_are_small_marks(tmp_path):
    """The same bins but for how many images are in the first: its mark grows, the others shrink."""
    told = drawn(4)
    full = [number for number, one in enumerate(told["calibration"]["bins"]) if one["count"]]
    blue = []
    for first in (1, 199):
        bins = [dict(one, count=0) for one in told["calibration"]["bins"]]
        bins[full[0]]["count"], bins[full[-1]]["count"] = first, 200 - first
        FIGURES["reliability"](told | {"calibration": told["calibration"] | {"bins": bins}}, tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as image:
            left = np.asarray(image.convert("RGB"))[: image.height * 3 // 5, : image.width * 2 // 3]
        blue.append((left == (0x2C, 0x6E, 0x8F)).all(-1).sum())
    assert blue[1] > 2 * blue[0] > 0


def test_long_names_are_cut_and_dollars_are_no_mathematics():
    assert short("a" * 24) == "a" * 24
    assert short("a" * 25) == "a" * 23 + "…"
    assert short("$5$") == r"\$5\$"
