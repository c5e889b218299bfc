"""The yardstick of a stitch: what is a network's own lies about 1 from it, and what it never made lies far."""

import torch

from small import sample_split
from suture.data.dataset import Split
from suture.hybrids import parent
from suture.recipes.closeness import Own, _Sums, _Tally, _worst, batch_size, receiver, rows_of, spans, warnings
from suture.spec.cut import Cut, Layout

TOKENS = Cut("tokens", Layout.NLC, (17, 24), 1, 0, 0, 0, 0, cells=(4, 4))
VECTOR = Cut("vector", Layout.NC, (64,), None, 0, 0, 0, 0)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def own_of(x: torch.Tensor, cut: Cut) -> list[Own]:
    found = []
    for span in spans(cut):
        sums = _Sums()
        for part in x.split(100):
            sums.add(rows_of(part, cut, span).flatten(0, 1))
        found.append(sums.own(cut, span, len(x)))
    return found


def told(own: list[Own], stitched: torch.Tensor, theirs: torch.Tensor) -> dict:
    tallies = [_Tally(one) for one in own]
    for tally in tallies:
        for mine, other in zip(stitched.split(50), theirs.split(50), strict=True):
            tally.add(mine, other)
    found = _worst(tallies)
    assert found is not None
    return found


def test_its_own_lie_about_one_away_however_few_or_wide():
    mix = drawn(64, 64, seed=1) * torch.logspace(0, -2, 64)
    for images in (30, 100, 1000):
        (own,) = own_of(drawn(images, 64) @ mix + 5, VECTOR)
        score = own.score(rows_of(drawn(500, 64, seed=2) @ mix + 5, VECTOR, slice(None)))
        assert 0.5 < score.mean() < 3
    wide = Cut("wide", Layout.NC, (1500,), None, 0, 0, 0, 0)
    (own,) = own_of(drawn(200, 1500), wide)
    assert own.whitener.ndim == 1
    assert 0.8 < own.score(rows_of(drawn(200, 1500, seed=2), wide, slice(None))).mean() < 1.3


def test_a_class_token_out_of_place_is_not_averaged_away():
    x = drawn(400, 17, 24)
    x[:, 0] = 0.1 * x[:, 0] + 3
    own = own_of(x[:300], TOKENS)
    assert [one.span for one in own] == [slice(0, 1), slice(1, None)]
    theirs = x[300:]
    flipped = theirs.clone()
    flipped[:, 0] *= -1
    assert told(own, theirs, theirs) == {
        "layer": "tokens",
        "distance": 0.0,
        "outside": told(own, theirs, theirs)["outside"],
    }
    assert told(own, theirs, theirs)["outside"] <= 0.02
    assert told(own, flipped, theirs)["outside"] == 1
    assert told(own, flipped, theirs)["distance"] > 10


def test_what_is_not_finite_lies_outside_and_has_no_distance():
    (own,) = own_of(drawn(200, 64), VECTOR)
    theirs = drawn(50, 64, seed=3)
    found = told([own], theirs * float("nan"), theirs)
    assert found["outside"] == 1
    assert found["distance"] is None


def test_of_many_positions_some_are_looked_at_evenly():
    cut = Cut("map", Layout.NCHW, (3, 32, 32), 1, 0, 0, 0, 0)
    rows = rows_of(torch.arange(1024.0).view(1, 1, 32, 32).expand(2, 3, 32, 32), cut, slice(None))
    assert rows.shape == (2, 64, 3)
    assert rows[0, :, 0].tolist() == list(range(0, 1024, 16))


def test_large_activations_come_in_small_batches():
    huge = Cut("huge", Layout.NCHW, (64, 1024, 1024), 1, 0, 0, 0, 0)
    assert batch_size([huge]) == 1
    assert batch_size([VECTOR]) == 250


def test_sorted_images_are_looked_at_from_end_to_end():
    split = sample_split(2000)
    order = split.labels.argsort(stable=True).tolist()
    network = parent("zoo:tiny10-a")
    cut = network.traced.find("relu8")

    def mean(images: Split) -> torch.Tensor:
        return receiver(network, cut, images, "cpu", further=False).own[0].mean

    everything = (mean(split.first(1000)) + mean(split.select(range(1000, 2000)))) / 2
    ordered, first_classes = mean(split.select(order)), mean(split.select(order[:1000]))
    assert (ordered - everything).norm() < 0.2 * (first_classes - everything).norm()


def test_a_warning_names_the_worst_place_and_nothing_near_is_warned_of():
    def layers(*pairs):
        return {"layers": [{"layer": f"l{k}", "distance": d, "outside": o} for k, (d, o) in enumerate(pairs)]}

    assert warnings(layers((0.5, 0.01), (0.9, 0.1)), "B") == []
    (far,) = warnings(layers((2.0, 0.01), (0.9, 0.6)), "B")
    assert "at l1 of B, 60% of the images" in far
    (mean,) = warnings(layers((0.5, 0.01), (1.3, 0.0), (None, 0.0)), "B")
    assert "at l1 of B, what arrives is no closer" in mean
