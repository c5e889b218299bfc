"""Overlays: what they show where, and pictures that open."""

import numpy as np
from PIL import Image

from suture.reporting.overlays import ROWS, UNSEEN, Shown, blend, gallery, strip

GREY = np.full((20, 20, 3), 0.5)
NOTHING = np.zeros((20, 20))


def shown(truth: str | None = "cat", answer: str = "cat", maps: int = 1) -> Shown:
    heats = {f"branch{k}": np.eye(20) for k in range(maps)}
    return Shown(GREY, heats, answer, 0.87, "cat", truth)


def test_what_is_weak_shows_the_image_what_is_strong_the_colour_what_is_unseen_is_dark():
    assert np.allclose(blend(GREY, NOTHING), GREY)
    heat = NOTHING.copy()
    heat[3, 4], heat[5, 6] = 1, np.nan
    mixed = blend(GREY, heat)
    assert np.abs(mixed[3, 4] - GREY[3, 4]).max() > 0.2
    assert np.allclose(mixed[5, 6], UNSEEN * GREY[5, 6])
    heat[3, 4] = heat[5, 6] = 0
    assert np.allclose(blend(GREY, heat), GREY)


def test_stronger_is_brighter():
    levels = np.linspace(0.3, 1, 20)[None, :].repeat(20, 0)
    light = blend(np.zeros((20, 20, 3)), levels).sum(2)[0]
    assert (np.diff(light) > 0).all()


def test_captions_say_truth_answer_and_confidence():
    assert shown().caption == "cat → cat 87%"
    assert shown(answer="dog").caption == "cat → dog 87%, shown: cat"
    assert shown(truth=None).caption == "cat 87%"
    assert [shown().is_wrong, shown(answer="dog").is_wrong, shown(truth=None, answer="dog").is_wrong] == [0, 1, 0]


def test_galleries_and_strips_are_pictures(tmp_path):
    right, wrong, bare = shown(), shown(answer="dog"), shown(truth=None)
    sizes = {}
    cases = {
        "one": [right],
        "sides": [right, right, wrong],
        "wrong": [wrong],
        "bare": [bare] * 5,
        "branches": [shown(maps=3), shown(answer="dog", maps=3)],
    }
    for name, some in cases.items():
        gallery(some, tmp_path / f"{name}.png", title="a network", note="bright is strong")
        with Image.open(tmp_path / f"{name}.png") as picture:
            sizes[name] = picture.size
    strip(right, tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > picture.height
    assert sizes["branches"][0] > sizes["sides"][0]
    assert sizes["sides"][1] > sizes["one"][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(f"{name}.png" for name in cases), "strip.png"])


def test_a_gallery_ends_after_forty_rows(tmp_path):
    """Without an end a folder of photographs would be a picture higher than any file format takes."""
    for count in (ROWS, ROWS + 1, 2 * ROWS):
        gallery([shown()] * count, tmp_path / f"{count}.png", title="a network")
    found = {count: np.asarray(Image.open(tmp_path / f"{count}.png")) for count in (ROWS, ROWS + 1, 2 * ROWS)}
    assert found[ROWS].shape == found[ROWS + 1].shape == found[2 * ROWS].shape
    assert (found[ROWS + 1] != found[ROWS]).any(), "it is told"
    assert (found[ROWS + 1] != found[ROWS])[:80].sum() == (found[ROWS + 1] != found[ROWS]).sum()
