"""The bottleneck: reduced-rank regression against numpy, and which ranks there are."""

import numpy as np
import pytest
import torch

from raising import raises
from suture.adapters import AdapterSpec, build, fit
from suture.adapters.lstsq import solve
from suture.adapters.sums import empty, update
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout

NCHW, NC = Layout.NCHW, Layout.NC


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


def data(n: int = 80, p: int = 6, q: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, p, generator=generator, dtype=torch.float64) @ torch.diag(torch.logspace(0, -2, p).double()) + 1
    return x, x @ torch.randn(p, q, generator=generator, dtype=torch.float64) + torch.randn(
        n, q, generator=generator, dtype=torch.float64
    )


@pytest.mark.parametrize("ridge", [0.0, 2.0])
@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5])
def test_it_is_the_best_map_of_its_rank(rank, ridge):
    """With x whitened (its Q of a QR decomposition) the best map is the truncated SVD of Qᵀy."""
    x, y = data()
    weight, bias, residual = solve(update(empty([6], 5), x, y), ridge, rank=rank)
    X, Y = (x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()
    tall, below = np.vstack([X, np.sqrt(ridge) * np.eye(6)]), np.vstack([Y, np.zeros((6, 5))])
    Q, R = np.linalg.qr(tall)
    U, s, Vt = np.linalg.svd(Q.T @ below, full_matrices=False)
    best = np.linalg.solve(R, U[:, :rank] * s[:rank] @ Vt[:rank])
    np.testing.assert_allclose(weight.numpy(), best.T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(bias.numpy(), y.mean(0).numpy() - x.mean(0).numpy() @ best, rtol=1e-6, atol=1e-8)
    assert residual == pytest.approx(np.square(Y - X @ best).sum() / np.square(Y).sum())
    assert np.linalg.matrix_rank(weight.numpy()) == rank


def test_more_rank_leaves_less_and_full_rank_is_linear():
    x, y = (part.float() for part in data())
    source, target = cut(NC, 6), cut(NC, 5)
    left = [fit(build(AdapterSpec("lowrank", rank=r), source, target), [(x, y)]).residual for r in range(1, 6)]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 5
    assert left[-1] == pytest.approx(fit(build(AdapterSpec(), source, target), [(x, y)]).residual)


def test_a_rank_that_the_data_do_not_have_is_no_harm():
    x, y = data()
    x[:, 1:] = 1.5
    weight, _, residual = solve(update(empty([6], 5), x, y), rank=3)
    expected, _, same = solve(update(empty([6], 5), x, y))
    torch.testing.assert_close(weight, expected)
    assert residual == pytest.approx(same)
    flat = solve(update(empty([6], 5), torch.ones(9, 6), torch.ones(9, 5)), rank=2)
    assert not flat[0].any()
    assert flat[2] == 0


@pytest.mark.parametrize(
    ("rank", "widths", "between"),
    [(None, (8, 20), 2), (None, (3, 20), 1), (None, (20, 13), 3), (5, (8, 20), 5), (1, (1, 1), 1)],
)
def test_the_rank_is_a_quarter_of_the_smaller_width_or_what_was_asked(rank, widths, between):
    adapter = build(AdapterSpec("lowrank", rank=rank), cut(NCHW, widths[0], 3, 3), cut(NC, widths[1]))
    assert {name: tuple(p.shape) for name, p in adapter.named_parameters()} == {
        "down.weight": (between, widths[0]),
        "up.weight": (widths[1], between),
        "up.bias": (widths[1],),
    }


def test_a_rank_above_the_smaller_width_is_refused():
    words = ("no map from here (NC 6) to here (NC 5) has rank 6", "from 1 to 5", "rank=None")
    with raises(AdapterError, *words):
        build(AdapterSpec("lowrank", rank=6), cut(NC, 6), cut(NC, 5))


@pytest.mark.parametrize("rank", [0, -1, 1.5, True, "2"])
def test_a_rank_that_is_none_is_refused(rank):
    with raises(AdapterError, f"rank is {rank!r}", "1 or more", "rank=None"):
        AdapterSpec("lowrank", rank=rank)


def test_a_map_of_greater_rank_becomes_the_nearest():
    weight = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    adapter = build(AdapterSpec("lowrank", rank=2), cut(NC, 6), cut(NC, 5))
    adapter.set_map(weight, torch.zeros(5))
    written = adapter.up.weight @ adapter.down.weight
    left, scales, right = np.linalg.svd(weight.numpy(), full_matrices=False)
    np.testing.assert_allclose(written.detach(), left[:, :2] * scales[:2] @ right[:2], rtol=1e-5, atol=1e-5)


def test_a_zero_start_can_be_trained():
    adapter = build(AdapterSpec("lowrank"), cut(NC, 6), cut(NC, 5))
    x = torch.randn(4, 6)
    assert not adapter(x).any()
    (adapter(x) - 1).square().sum().backward()
    assert adapter.up.weight.grad.any()
    twin = build(AdapterSpec("lowrank", start="eye"), cut(NC, 6), cut(NC, 6))
    assert torch.linalg.matrix_rank(twin.up.weight @ twin.down.weight) == 1
