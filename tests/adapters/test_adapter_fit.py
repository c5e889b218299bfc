"""Fits of one adapter and of all pairs."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from raising import raises
from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters import batches as intake
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NC


def cut(name: str, layout: Layout, *shape: int) -> Cut:
    return Cut(name, layout, shape, None, 0, 0, 0, 0)


SOURCES = [
    cut("map", NCHW, 6, 4, 4),
    cut("tokens", NLC, 10, 5),
    cut("vector", NC, 7),
    cut("loose", NLC, 11, 3),
]
TARGETS = [
    cut("same", NCHW, 8, 4, 4),
    cut("swin", NHWC, 4, 4, 3),
    cut("small", NCHW, 4, 2, 3),
    cut("vit", NLC, 17, 4),
    cut("head", NC, 5),
    cut("other-loose", NLC, 11, 2),
]


def activations(cuts: list[Cut], images: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(images, *c.shape, generator=generator) for c in cuts]


@pytest.mark.parametrize(("source", "target"), list(product(SOURCES, TARGETS)), ids=lambda c: c.name)
def test_a_fit_recovers_the_adapter_that_made_the_targets(source, target):
    teacher = build(AdapterSpec(start="random"), source, target, seed=3)
    (x,) = activations([source], 40)
    adapter = build(AdapterSpec(), source, target)
    report = fit(adapter, ((part, teacher(part)) for part in x.split(16)))
    torch.testing.assert_close(adapter.map.weight, teacher.map.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adapter.map.bias, teacher.map.bias, rtol=1e-4, atol=1e-5)
    assert report.residual < 1e-9
    assert report.rank == source.channels


def test_a_report_counts_positions_and_rank():
    source, target = SOURCES[0], TARGETS[2]
    (x,), (y,) = activations([source], 9), activations([target], 9, 1)
    x[:, 2] = 1.5
    adapter = build(AdapterSpec(), source, target)
    report = fit(adapter, [(x, y)])
    assert (report.n, report.rank) == (9 * 2 * 3, 5)
    assert 0 < report.residual < 1


def test_with_resample_none_the_fit_resamples_and_the_adapter_does_not():
    source, target = SOURCES[0], TARGETS[2]
    (x,), (y,) = activations([source], 9), activations([target], 9, 1)
    kept, moved = (build(AdapterSpec(resample=how), source, target) for how in ("none", "bilinear"))
    assert fit(kept, [(x, y)]) == fit(moved, [(x, y)])
    torch.testing.assert_close(kept.map.weight.flatten(), moved.map.weight.flatten())
    assert kept(x).shape == (9, 4, 4, 4)


def test_ridge_shrinks_the_map():
    source, target = SOURCES[2], TARGETS[4]
    (x,), (y,) = activations([source], 30), activations([target], 30, 1)
    plain, shrunk = (build(AdapterSpec(ridge=ridge), source, target) for ridge in (0.0, 50.0))
    fit(plain, [(x, y)])
    fit(shrunk, [(x, y)])
    assert shrunk.map.weight.norm() < 0.7 * plain.map.weight.norm()


def test_half_precision_activations_fit_as_their_float32_selves():
    source, target = SOURCES[0], TARGETS[2]
    x, y = activations([source], 9)[0].bfloat16(), activations([target], 9, 1)[0].bfloat16()
    half, single = build(AdapterSpec(), source, target), build(AdapterSpec(), source, target)
    assert fit(half, [(x, y)]) == fit(single, [(x.float(), y.float())])


@pytest.mark.parametrize("chunk", [1, intake.CHUNK_BYTES])
def test_all_pairs_in_one_pass_are_the_single_fits(monkeypatch, chunk):
    monkeypatch.setattr(intake, "CHUNK_BYTES", chunk)
    xs, ys = activations(SOURCES, 40), activations(TARGETS, 40, 1)
    fits = PairFits(SOURCES, TARGETS)
    for part in (slice(0, 0), slice(0, 25), slice(25, 40)):
        fits.update([x[part] for x in xs], [y[part] for y in ys])
    assert fits.pairs == tuple(product(range(4), range(6)))
    for i, j in fits.pairs:
        alone = build(AdapterSpec(), SOURCES[i], TARGETS[j])
        report = fit(alone, [(xs[i], ys[j])])
        weight, bias, shared = fits.solve(i, j)
        assert weight.dtype == bias.dtype == torch.float64
        assert (shared.n, shared.rank) == (report.n, report.rank)
        assert shared.residual == pytest.approx(report.residual)
        together = fits.adapter(i, j)
        torch.testing.assert_close(together(xs[i]), alone(xs[i]), rtol=1e-4, atol=1e-5)


def test_solving_midway_does_not_freeze_the_fit():
    xs, ys = activations(SOURCES, 40), activations(TARGETS, 40, 1)
    midway, once = PairFits(SOURCES, TARGETS), PairFits(SOURCES, TARGETS)
    midway.update([x[:20] for x in xs], [y[:20] for y in ys])
    midway.solve(0, 0)
    midway.update([x[20:] for x in xs], [y[20:] for y in ys])
    once.update(xs, ys)
    torch.testing.assert_close(midway.solve(0, 0)[0], once.solve(0, 0)[0])


def test_no_images_is_an_error():
    adapter = build(AdapterSpec(), SOURCES[0], TARGETS[0])
    nothing = (torch.zeros(0, 6, 4, 4), torch.zeros(0, 8, 4, 4))
    for batches in ([], [nothing]):
        with pytest.raises(AdapterError, match=r"no images to fit from map \(NCHW 6x4x4\) to same") as caught:
            fit(adapter, batches)
        assert "--fit-images" in caught.value.instead


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("side", [0, 1])
def test_activations_that_are_not_finite_name_the_cut_and_change_nothing(bad, side):
    source, target = SOURCES[0], TARGETS[0]
    adapter = build(AdapterSpec(start="random"), source, target)
    before = adapter.map.weight.detach().clone()
    batch = [*activations([source], 4), *activations([target], 4)]
    batch[side][2, 1, 0, 0] = bad
    with pytest.raises(AdapterError, match=f"activations at {(source, target)[side].name} .* not finite"):
        fit(adapter, [tuple(batch)])
    assert torch.equal(adapter.map.weight, before)


def test_batches_of_different_images_are_an_error():
    with pytest.raises(AdapterError, match=r"the batch at same .* has 3 images, the first has 4"):
        PairFits(SOURCES[:1], TARGETS[:1]).update(activations(SOURCES[:1], 4), activations(TARGETS[:1], 3))


def test_pairs_need_a_kind_with_a_map_that_joins_them():
    with raises(AdapterError, "nothing to fit"):
        PairFits(SOURCES, TARGETS, AdapterSpec("identity"))
    fits = PairFits(SOURCES, TARGETS, AdapterSpec("lowrank", rank=5))
    assert fits.pairs == ((0, 0), (0, 4), (1, 0), (1, 4), (2, 0), (2, 4))
    with raises(AdapterError, "no map from loose (NLC 11x3) to same (NCHW 8x4x4) has rank 5", "from 1 to 3"):
        fits.solve(3, 0)


def test_a_cut_that_is_source_and_target_fits_itself_exactly():
    here = SOURCES[0]
    (x,) = activations([here], 30)
    adapter = build(AdapterSpec(), here, replace(here, name="there"))
    fit(adapter, [(x, x)])
    torch.testing.assert_close(adapter(x), x)
