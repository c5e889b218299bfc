"""The convolution: least squares over all its taps, and what it does where there are no neighbours."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from suture.adapters import AdapterSpec, build, conv3x3, fit
from suture.graph.frames import to_rows
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NCL, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NCL, Layout.NC
CONV = AdapterSpec("conv3x3")


def cut(layout: Layout, *shape: int, cells: tuple[int, int] | None = None) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0, cells=cells)


MAP, VECTOR, REGISTERS = cut(NCHW, 3, 5, 4), cut(NC, 3), cut(NLC, 14, 3, cells=(3, 3))


def activation(cut: Cut, images: int = 20, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (MAP, cut(NHWC, 5, 4, 2)),
        (MAP, cut(NCHW, 2, 3, 3)),
        (MAP, cut(NCHW, 2, 7, 7)),
        (MAP, REGISTERS),
        (REGISTERS, MAP),
        (REGISTERS, cut(NCL, 2, 26, cells=(5, 5))),
        (cut(NLC, 11, 3), MAP),
    ],
    ids=str,
)
def test_the_fit_is_least_squares_over_all_taps(source, target):
    x, y = activation(source), activation(target, seed=1)
    adapter = build(CONV, source, target)
    weight = adapter.map.weight
    design = []
    for tap in torch.eye(weight[0].numel()):
        with torch.no_grad():
            weight.copy_(tap.view(weight[:1].shape).expand_as(weight))
            design.append(to_rows(adapter(x), target.layout)[:, 0].double())
    rows = to_rows(y, target.layout).double()
    _, rss, *_ = np.linalg.lstsq(torch.stack([*design, torch.ones(len(rows))], 1).numpy(), rows.numpy(), rcond=None)
    report = fit(adapter, [(x[:7], y[:7]), (x[7:], y[7:])])
    assert report.residual == pytest.approx(rss.sum() / ((rows - rows.mean(0)) ** 2).sum().item(), rel=1e-6)
    linear = fit(build(AdapterSpec(), source, target), [(x, y)])
    assert report.residual < linear.residual
    assert (report.n, linear.rank, report.rank) == (linear.n, 3, len(design))


def test_it_sees_the_neighbours_with_zeros_beyond_the_edge():
    x = activation(MAP)
    adapter = build(AdapterSpec("conv3x3", start="random"), MAP, cut(NCHW, 2, 5, 4))
    torch.testing.assert_close(adapter(x), F.conv2d(x, adapter.map.weight, adapter.map.bias, padding=1))


def test_extra_tokens_go_through_the_centre_tap():
    x = activation(REGISTERS)
    adapter = build(AdapterSpec("conv3x3", start="random"), REGISTERS, REGISTERS)
    y = adapter(x)
    torch.testing.assert_close(y[:, :5], F.linear(x[:, :5], adapter.map.weight[:, :, 1, 1], adapter.map.bias))
    cells = F.conv2d(x[:, 5:].transpose(1, 2).unflatten(2, (3, 3)), adapter.map.weight, adapter.map.bias, padding=1)
    torch.testing.assert_close(y[:, 5:], cells.flatten(2).transpose(1, 2))


@pytest.mark.parametrize(
    ("source", "target", "kernel"),
    [
        (MAP, cut(NCHW, 2, 9, 9), (3, 3)),
        (VECTOR, MAP, (1, 1)),
        (MAP, VECTOR, (1, 1)),
        (REGISTERS, cut(NCHW, 4, 1, 1), (1, 1)),
        (cut(NCHW, 3, 1, 6), MAP, (1, 3)),
        (cut(NLC, 11, 3), MAP, (3, 1)),
        (MAP, cut(NLC, 11, 3), (3, 1)),
    ],
    ids=str,
)
def test_there_are_taps_only_where_there_are_neighbours(source, target, kernel):
    adapter = build(AdapterSpec("conv3x3", start="random"), source, target)
    assert adapter.map.weight.shape == (target.channels, 3, *kernel)
    assert adapter(activation(source)).shape == (20, *target.shape)


def test_of_a_vector_it_is_the_linear_adapter():
    x, y = activation(VECTOR), activation(MAP, seed=1)
    conv, linear = build(CONV, VECTOR, MAP), build(AdapterSpec(), VECTOR, MAP)
    assert fit(conv, [(x, y)]) == fit(linear, [(x, y)])
    torch.testing.assert_close(conv(x), linear(x))


def test_a_source_too_wide_gets_the_best_centre_tap(monkeypatch):
    monkeypatch.setattr(conv3x3, "WIDEST", 26)
    x, y = activation(MAP), activation(MAP, seed=1)
    conv, linear = build(CONV, MAP, MAP), build(AdapterSpec(), MAP, MAP)
    assert fit(conv, [(x, y)]) == fit(linear, [(x, y)])
    torch.testing.assert_close(conv(x), linear(x))
