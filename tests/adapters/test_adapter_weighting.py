"""Rows that count more or less."""

import numpy as np
import pytest
import torch
from torch import nn

from raising import raises
from small import sample_split
from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters.lstsq import solve, solve_within
from suture.adapters.procrustes import rotate
from suture.adapters.sums import correlation, empty, update
from suture.adapters.weighting import by_activation, by_gradient
from suture.errors import AdapterError
from suture.graph.frames import to_rows
from suture.hybrids import parent, stitch
from suture.spec.cut import Cut, Layout

NCHW, NLC, NC = Layout.NCHW, Layout.NLC, Layout.NC


def cut(layout: Layout, *shape: int, cells: tuple[int, int] | None = None) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0, cells=cells)


MAP, TOKENS, VECTOR = cut(NCHW, 3, 2, 4), cut(NLC, 5, 4, cells=(2, 2)), cut(NC, 6)


def rows(n: int, p: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def activation(cut: Cut, images: int = 20, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed)) + 1


def times(images: int, cut: Cut, seed: int = 2) -> torch.Tensor:
    return torch.randint(0, 4, (images, cut.positions), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e9])
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_whole_weights_are_rows_repeated(mean, scale):
    x, y, count = rows(60, 4) + mean, rows(60, 3, 1) - mean, times(60, VECTOR)[:, 0]
    weighted, repeated = (
        empty([4], 3),
        update(empty([4], 3), x.repeat_interleave(count, 0), y.repeat_interleave(count, 0)),
    )
    for part in (slice(0, 11), slice(11, None)):
        weighted = update(weighted, x[part], y[part], count[part] * scale)
    assert (weighted.n, repeated.n) == (60, count.sum())
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1]]).bool()
    for solver in (solve, rotate, lambda sums: solve_within(sums, mask), lambda sums: solve(sums, rank=2)):
        for left, right in zip(solver(weighted), solver(repeated), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(correlation(weighted), correlation(repeated))


def test_weights_of_mean_one_leave_the_ridge_its_unit():
    x, y, count = rows(60, 4), rows(60, 3, 1), times(60, VECTOR)[:, 0]
    weighted = update(empty([4], 3), x, y, 7 * count)
    repeated = update(empty([4], 3), x.repeat_interleave(count, 0), y.repeat_interleave(count, 0))
    expected = solve(repeated, 5.0 * count.sum().item() / 60)
    torch.testing.assert_close(solve(weighted, 5.0)[0], expected[0])


@pytest.mark.parametrize("target", [MAP, TOKENS, VECTOR], ids=str)
def test_a_fit_takes_weights_by_position(target):
    x, y, count = activation(target), activation(target, seed=1), times(20, target)
    weighted = build(AdapterSpec(), target, target)
    report = fit(weighted, [(x[:7], y[:7], count[:7] * 1e-6), (x[7:], y[7:], count[7:] * 1e-6)])
    flat = [to_rows(part, target.layout).repeat_interleave(count.flatten(), 0) for part in (x, y)]
    plain = build(AdapterSpec(), cut(NC, target.channels), cut(NC, target.channels))
    expected = fit(plain, [flat])
    torch.testing.assert_close(weighted.matrix, plain.matrix, rtol=1e-4, atol=1e-5)
    assert report.n == 20 * target.positions
    assert report.residual == pytest.approx(expected.residual)


def test_equal_weights_are_none():
    x, y = activation(MAP), activation(MAP, seed=1)
    both = [build(AdapterSpec(), MAP, MAP) for _ in range(2)]
    reports = fit(both[0], [(x, y)]), fit(both[1], [(x, y, torch.full((20, 8), 0.3))])
    assert reports[0].residual == pytest.approx(reports[1].residual)
    torch.testing.assert_close(both[0](x), both[1](x))


def test_a_flattened_image_has_one_weight():
    x, y, count = activation(MAP, 60), activation(VECTOR, 60, 1), times(60, VECTOR)
    both = [build(AdapterSpec(flatten=True), MAP, VECTOR) for _ in range(2)]
    fit(both[0], [(x, y, count)])
    fit(both[1], [(x.repeat_interleave(count[:, 0], 0), y.repeat_interleave(count[:, 0], 0))])
    torch.testing.assert_close(both[0](x), both[1](x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("here", [MAP, TOKENS, VECTOR], ids=str)
def test_activation_is_the_mean_square_of_the_channels(here):
    y = activation(here)
    axis = 1 if here.layout is NCHW else -1
    expected = y.square().mean(axis).reshape(20, -1)
    torch.testing.assert_close(by_activation(y, here), expected.double())
    torch.testing.assert_close(by_activation(y, here, flat=True), y.double().flatten(1).square().mean(1, keepdim=True))


def test_the_gradient_is_that_of_the_greatest_logit():
    y = activation(MAP, 6)
    head = nn.Linear(24, 5)
    decoder = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), head)
    before = y.clone()
    with torch.no_grad():
        found = by_gradient(y, MAP, decoder)
        best = decoder(y.clone()).argmax(1)
        gradient = (head.weight[best].view_as(y) * (y > 0)).square().mean(1).flatten(1)
    torch.testing.assert_close(found, gradient.double())
    assert torch.equal(y, before)
    assert all(p.grad is None for p in decoder.parameters())


@pytest.mark.parametrize("weighting", ["activation", "gradient"])
@pytest.mark.parametrize("choices", [{}, {"mask": "semi-match"}, {"flatten": True}], ids=str)
def test_a_stitch_fits_what_its_weights_ask_for(weighting, choices):
    side = parent("zoo:tiny10-a")
    images = sample_split(40).images.batch(range(40)).float() / 255
    other = parent("zoo:tiny10-b")
    spec = AdapterSpec(weighting=weighting, **choices)
    hybrid = stitch(side, other, ("bn7", "bn7"), adapter=spec, images=images)
    encoders = [p.traced.split("bn7")[0].eval() for p in (side, other)]
    decoder = other.traced.split("bn7")[1].eval()
    with torch.no_grad():
        x, y = (encoder(images) for encoder in encoders)
    target, flat = other.traced.find("bn7"), "flatten" in choices
    weights = (
        by_activation(y, target, flat=flat) if weighting == "activation" else by_gradient(y, target, decoder, flat=flat)
    )
    by_hand, plain = build(spec, side.traced.find("bn7"), target), build(AdapterSpec(**choices), target, target)
    fit(by_hand, [(x, y, weights)])
    fit(plain, [(x, y)])
    torch.testing.assert_close(hybrid.adapter(x), by_hand(x), rtol=1e-3, atol=1e-3)
    if not flat:  # fewer images than numbers: any weights leave nothing there
        assert not torch.allclose(plain(x), by_hand(x), rtol=1e-2, atol=1e-2)


def test_weights_that_are_none_are_refused():
    x, y = activation(MAP), activation(MAP, seed=1)
    adapter = build(AdapterSpec(), MAP, MAP)
    for wrong in (torch.ones(20, 7), torch.ones(20), -torch.ones(20, 8), torch.full((20, 8), float("nan"))):
        with raises(AdapterError, f"weights of the rows at {MAP}", "(20, 8), finite, 0 or more"):
            fit(adapter, [(x, y, wrong)])
    with raises(AdapterError, f"the weights of all rows at {MAP} are zero"):
        fit(adapter, [(x, y, torch.zeros(20, 8))])
    with raises(AdapterError, "rows weighted by gradient", "without weights", "triples"):
        fit(build(AdapterSpec(weighting="gradient"), MAP, MAP), [(x, y)])
    with raises(AdapterError, "weighted by activation", "score pairs with weighting='none'"):
        PairFits([MAP], [MAP], AdapterSpec(weighting="activation"))


def test_a_decoder_that_looks_away_weighs_nothing_and_inference_mode_is_no_matter():
    y, head = torch.randn(4, 6, 3, 3), torch.nn.Linear(6 * 9, 5)

    class Away(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return head(x.detach().flatten(1))

    assert not by_gradient(y, Cut("x", Layout.NCHW, (6, 3, 3), 1, 0, 0, 0, 0), Away()).any()
    decoder = torch.nn.Sequential(torch.nn.Flatten(), head)
    cut = Cut("x", Layout.NCHW, (6, 3, 3), 1, 0, 0, 0, 0)
    outside = by_gradient(y, cut, decoder)
    with torch.inference_mode():
        torch.testing.assert_close(by_gradient(y, cut, decoder), outside)


def test_squares_of_large_activations_do_not_overflow():
    cut = Cut("x", Layout.NC, (3,), None, 0, 0, 0, 0)
    assert torch.isfinite(by_activation(torch.full((2, 3), 1e30), cut)).all()
