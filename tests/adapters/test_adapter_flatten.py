"""Maps of whole activations."""

import numpy as np
import pytest
import torch

from raising import raises
from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters.flat import MOST_COLUMNS, MOST_ENTRIES
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NC


def cut(layout: Layout, *shape: int, cells: tuple[int, int] | None = None) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0, cells=cells)


MAP, LAST, TOKENS, VECTOR = cut(NCHW, 3, 2, 4), cut(NHWC, 2, 2, 5), cut(NLC, 5, 4, cells=(2, 2)), cut(NC, 6)
CUTS = [MAP, LAST, TOKENS, VECTOR]


def activation(cut: Cut, images: int = 60, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed)) + 1


@pytest.mark.parametrize("target", CUTS, ids=str)
@pytest.mark.parametrize("source", CUTS, ids=str)
def test_every_number_reads_every_number(source, target):
    x, y = activation(source), activation(target, seed=1)
    adapter = build(AdapterSpec(flatten=True), source, target)
    report = fit(adapter, [(x[:25], y[:25]), (x[25:], y[25:])])
    design = np.column_stack([x.flatten(1).double().numpy(), np.ones(60)])
    flat = y.flatten(1).double().numpy()
    expected, rss, *_ = np.linalg.lstsq(design, flat, rcond=None)
    np.testing.assert_allclose(adapter.matrix.detach(), expected[:-1].T, atol=1e-5)
    np.testing.assert_allclose(adapter.map.bias.detach(), expected[-1], atol=1e-5)
    assert report.n == 60
    assert report.rank == x[0].numel()
    assert report.residual == pytest.approx(rss.sum() / np.square(flat - flat.mean(0)).sum())
    torch.testing.assert_close(adapter(x).flatten(1), torch.from_numpy(design @ expected).float(), rtol=1e-4, atol=1e-4)


def test_it_undoes_what_a_map_of_the_channels_cannot():
    x = activation(MAP, 200)
    y = x.flip(2, 3)
    whole, channels = (build(AdapterSpec(flatten=flat), MAP, MAP) for flat in (True, False))
    assert fit(whole, [(x, y)]).residual < 1e-9
    assert fit(channels, [(x, y)]).residual > 0.5
    torch.testing.assert_close(whole(x), y, rtol=1e-4, atol=1e-4)


def test_of_vectors_it_is_the_map_of_the_channels():
    x, y = activation(VECTOR), activation(cut(NC, 4), seed=1)
    both = [build(AdapterSpec(flatten=flat), VECTOR, cut(NC, 4)) for flat in (True, False)]
    assert fit(both[0], [(x, y)]) == fit(both[1], [(x, y)])
    assert torch.equal(both[0](x), both[1](x))


def test_an_eye_start_leaves_the_numbers_in_their_order():
    x = activation(MAP)
    there = cut(NC, 24)
    assert torch.equal(build(AdapterSpec(flatten=True, start="eye"), MAP, there)(x), x.flatten(1))


def test_a_bottleneck_has_a_rank_of_all_numbers():
    adapter = build(AdapterSpec("lowrank", flatten=True), MAP, LAST)
    assert adapter.down.weight.shape == (5, 24)
    assert adapter.up.weight.shape == (20, 5)
    x, y = activation(MAP), activation(LAST, seed=1)
    left = [
        fit(build(AdapterSpec("lowrank", flatten=True, rank=rank), MAP, LAST), [(x, y)]).residual for rank in (1, 5, 20)
    ]
    assert left == sorted(left, reverse=True)
    with raises(AdapterError, f"no map from {MAP} to {LAST} has rank 21", "from 1 to 20"):
        build(AdapterSpec("lowrank", flatten=True, rank=21), MAP, LAST)


def test_what_is_too_large_is_refused_with_its_size():
    huge, tall = cut(NCHW, 64, 32, 32), cut(NCHW, 10, 29, 29)
    for start in ("least-squares", "random"):
        with raises(AdapterError, f"from {huge} to {huge}", "65536 x 65536 = 4294967296", f"{MOST_ENTRIES}", "later"):
            build(AdapterSpec(flatten=True, start=start), huge, huge)
    for choices in ({"start": "orthogonal"}, {"start": "random", "mask": "semi-match"}):
        with raises(AdapterError, f"at {tall} has 8410 columns", f"{MOST_COLUMNS}", "a later cut, or --init random"):
            build(AdapterSpec(flatten=True, **choices), tall, VECTOR)
    adapter = build(AdapterSpec(flatten=True, start="random"), tall, VECTOR)
    assert adapter(torch.zeros(1, *tall.shape)).shape == (1, 6)
    with raises(AdapterError, "has 8410 columns"):
        fit(adapter, [(torch.zeros(1, *tall.shape), torch.zeros(1, 6))])
    build(AdapterSpec(), tall, VECTOR)


def test_all_pairs_are_scored_by_their_channels():
    with raises(AdapterError, "flattened", "score pairs with flatten=False"):
        PairFits(CUTS, CUTS, AdapterSpec(flatten=True))
