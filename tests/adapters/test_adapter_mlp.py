"""The branch beside the linear map: silent at the start and after a fit, and ready to learn."""

import pytest
import torch
import torch.nn.functional as F

from suture.adapters import AdapterSpec, build, fit
from suture.spec.cut import Cut, Layout

NCHW, NC = Layout.NCHW, Layout.NC


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


@pytest.mark.parametrize("start", ["least-squares", "random", "eye"])
def test_it_starts_as_the_linear_adapter_does(start):
    here = cut(NCHW, 6, 4, 4)
    x = torch.randn(3, 6, 4, 4)
    mlp, linear = (build(AdapterSpec(kind, start=start), here, here, seed=4) for kind in ("mlp", "linear"))
    assert torch.equal(mlp(x), linear(x))


@pytest.mark.parametrize(("widths", "hidden"), [((6, 9), 12), ((9, 6), 12), ((3, 50), 6)])
def test_the_branch_is_twice_the_smaller_width(widths, hidden):
    mlp = build(AdapterSpec("mlp"), cut(NC, widths[0]), cut(NC, widths[1]))
    assert mlp.hidden.weight.shape == (hidden, widths[0])
    assert mlp.last.weight.shape == (widths[1], hidden)


def test_training_reaches_the_branch_and_a_fit_silences_it():
    source, target = cut(NC, 6), cut(NC, 5)
    x, y = torch.randn(40, 6), torch.randn(40, 5)
    mlp, linear = (build(AdapterSpec(kind), source, target) for kind in ("mlp", "linear"))
    first = fit(mlp, [(x, y)])
    (mlp(x) - y).square().sum().backward()
    assert mlp.last.weight.grad.any()
    with torch.no_grad():
        mlp.last.weight -= 1e-3 * mlp.last.weight.grad
    expected = mlp.map(x) + mlp.last(F.gelu(mlp.hidden(x)))
    assert torch.equal(mlp(x), expected)
    assert (mlp(x) - y).square().sum() < (mlp.map(x) - y).square().sum()
    assert fit(mlp, [(x, y)]) == first == fit(linear, [(x, y)])
    assert torch.equal(mlp(x), linear(x))
