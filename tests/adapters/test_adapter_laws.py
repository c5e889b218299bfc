"""What the closed-form fit of every kind finds again, between cuts of every layout."""

from itertools import product

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters.adapter import KINDS
from suture.spec.cut import Cut, Layout
from suture.spec.names import ADAPTERS

NCHW, NHWC, NLC, NCL, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NCL, Layout.NC
FITTABLE = [kind for kind in ADAPTERS if KINDS[kind].fittable]


def cut(name: str, layout: Layout, *shape: int, cells: tuple[int, int] | None = None) -> Cut:
    return Cut(name, layout, shape, None, 0, 0, 0, 0, cells=cells)


CUTS = [
    cut("map", NCHW, 6, 4, 4),
    cut("wide", NHWC, 3, 5, 5),
    cut("row", NCHW, 5, 1, 6),
    cut("cell", NCHW, 7, 1, 1),
    cut("class", NLC, 17, 5, cells=(4, 4)),
    cut("registers", NCL, 4, 14, cells=(3, 3)),
    cut("loose", NLC, 11, 6),
    cut("nested", NLC, 4, 9, 4),
    cut("vector", NC, 5),
]
PAIRS = list(product(CUTS, CUTS))


def activation(cut: Cut, images: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("resample", ["bilinear", "nearest"])
@pytest.mark.parametrize("kind", FITTABLE)
@pytest.mark.parametrize("source", CUTS, ids=lambda c: c.name)
def test_a_fit_finds_the_adapter_that_made_the_targets(source, kind, resample):
    x, unseen = activation(source), activation(source, 5, seed=1)
    for target in CUTS:
        teacher = build(AdapterSpec(kind, resample, "random"), source, target, seed=3)
        student = build(AdapterSpec(kind, resample), source, target)
        report = fit(student, ((part, teacher(part)) for part in x.split(24)))
        assert report.residual < 1e-9
        assert report.n == 64 * target.positions
        torch.testing.assert_close(student(unseen), teacher(unseen), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "conv3x3"])
@pytest.mark.parametrize("source", CUTS, ids=lambda c: c.name)
def test_a_richer_kind_finds_a_linear_map_too(source, kind):
    x, unseen = activation(source), activation(source, 5, seed=1)
    for target in CUTS:
        teacher = build(AdapterSpec(start="random"), source, target, seed=3)
        student = build(AdapterSpec(kind), source, target)
        assert fit(student, [(x, teacher(x))]).residual < 1e-9
        torch.testing.assert_close(student(unseen), teacher(unseen), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", FITTABLE)
def test_all_pairs_of_a_kind_are_its_best_maps_of_the_channels(kind):
    xs, ys = [activation(cut) for cut in CUTS], [activation(cut, seed=1) for cut in CUTS]
    fits = PairFits(CUTS, CUTS, AdapterSpec(kind))
    fits.update(xs, ys)
    assert fits.pairs == tuple(product(range(len(CUTS)), repeat=2))
    for i, j in fits.pairs:
        alone = build(AdapterSpec("linear" if kind == "conv3x3" else kind), CUTS[i], CUTS[j])
        report = fit(alone, [(xs[i], ys[j])])
        assert fits.solve(i, j)[2].residual == pytest.approx(report.residual)
        torch.testing.assert_close(fits.adapter(i, j)(xs[i]), alone(xs[i]), rtol=1e-4, atol=1e-5)


def test_tokens_that_lie_differently_for_two_targets_of_one_frame_are_kept_apart():
    source = cut("guessed", NLC, 21, 3)
    targets = [cut("known", NLC, 54, 2, cells=(7, 7)), cut("unknown", NLC, 54, 2)]
    x, ys = activation(source), [activation(target, seed=1) for target in targets]
    fits = PairFits([source], targets)
    fits.update([x], ys)
    for j, target in enumerate(targets):
        alone = build(AdapterSpec(), source, target)
        fit(alone, [(x, ys[j])])
        torch.testing.assert_close(fits.adapter(0, j)(x), alone(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", FITTABLE)
def test_with_resample_none_the_fit_moves_and_the_adapter_stays(kind):
    source, target = CUTS[0], cut("smaller", NHWC, 2, 3, 5)
    teacher = build(AdapterSpec(kind, start="random", resample="none"), source, target, seed=3)
    moved = build(AdapterSpec(), cut("there", NHWC, 4, 4, 5), target)
    moved.set_map(torch.eye(5), torch.zeros(5))
    x, unseen = activation(source), activation(source, 5, seed=1)
    student = build(AdapterSpec(kind, resample="none"), source, target)
    assert fit(student, [(x, moved(teacher(x)))]).residual < 1e-9
    assert student(unseen).shape == (5, 4, 4, 5)
    torch.testing.assert_close(student(unseen), teacher(unseen), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_an_adapter_knows_its_macs(kind):
    for source, target in PAIRS if KINDS[kind].fittable else zip(CUTS, CUTS, strict=True):
        adapter = build(AdapterSpec(kind), source, target)
        with FlopCounterMode(display=False) as counted:
            adapter(activation(source, 1))
        assert adapter.macs == counted.get_total_flops() // 2
