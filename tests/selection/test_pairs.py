"""The grid of all pairs says what each hybrid, made by hand, would say."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from small import sample_split
from suture.adapters import AdapterSpec
from suture.evaluation import evaluate
from suture.hybrids import parent, stitch
from suture.selection import Explored, Grid, PairScore, score_pairs


@pytest.fixture(scope="module")
def sides():
    return parent("zoo:tiny10@none"), parent("zoo:resnet20@none", seed=1)


@pytest.fixture(scope="module")
def splits():
    whole = sample_split(60)
    return whole.first(40), whole.select(range(40, 60))


@pytest.fixture(scope="module")
def grid(sides, splits) -> Grid:
    return score_pairs(*sides, AdapterSpec(), *splits)


def test_every_pair_is_there(sides, grid):
    a, b = ([cut.name for cut in side.traced.cuts()] for side in sides)
    assert [(pair.a, pair.b) for pair in grid.pairs] == [(x, y) for x in a for y in b]
    assert (grid.a, grid.b) == (tuple(a), tuple(b))


def test_a_pair_scores_as_its_hybrid_does(sides, splits, grid):
    for pair in grid.pairs[::17]:
        images = splits[0].images.batch(range(40)).float() / 255
        hybrid = stitch(*sides, (pair.a, pair.b), images=images)
        found = evaluate(hybrid, splits[1])
        assert pair.accuracy == pytest.approx(found.accuracy, abs=1e-9)
        assert pair.cross_entropy == pytest.approx(found.cross_entropy, rel=1e-3)
        assert pair.params == sum(p.numel() for p in hybrid.parameters())


def test_a_pair_costs_what_its_hybrid_costs(sides, grid):
    for pair in grid.pairs[::9]:
        hybrid = stitch(*sides, (pair.a, pair.b)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            hybrid(torch.zeros(1, 3, 32, 32))
        assert pair.macs == counter.get_total_flops() // 2


def test_costs_are_counted(sides, splits, grid):
    """One FPE an image for the fit; an encoder runs once for all its pairs, the rest once a pair."""
    whole = sides[0].traced.macs + sides[1].traced.macs
    encoders = {pair.a: sides[0].traced.find(pair.a).macs_before for pair in grid.pairs}
    tails = sum(pair.macs - encoders[pair.a] for pair in grid.pairs)
    scoring = len(splits[1]) * (sum(encoders.values()) + tails) / whole
    assert grid.cost_fpe == pytest.approx(len(splits[0]) + scoring)


def test_the_parents_are_left_as_they_were(sides, splits):
    side = parent(sides[0].network.train())
    side.network.body.bn3.eval()
    before = {name: tensor.clone() for name, tensor in side.network.state_dict().items()}
    score_pairs(side, side, AdapterSpec(), splits[0].first(8), splits[1].first(4))
    stitch(side, side, ("relu3", "relu5"), images=splits[0].images.batch(range(8)).float() / 255)
    assert [name for name, module in side.network.body.named_modules() if not module.training] == ["bn3"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in side.network.state_dict().items())
    side.network.eval()


def test_a_start_without_a_fit_has_no_residual(sides, splits):
    grid = score_pairs(*sides, AdapterSpec(start="random"), *splits, seed=3)
    assert {pair.residual for pair in grid.pairs} == {None}
    assert grid.cost_fpe < len(splits[1]) * len(grid.pairs)


def test_the_best_are_the_most_accurate_then_the_surest():
    def pair(name, accuracy, entropy):
        return PairScore(name, "y", accuracy, entropy, None, 1, 1)

    grid = Grid(("x",), ("y",), (pair("c", 0.5, 1.0), pair("a", 0.9, 2.0), pair("b", 0.9, 1.0)), 1.0)
    found = Explored({(): grid})
    assert [chain.score.a for chain in found.best(2)] == ["b", "a"]
    assert len(found.best(9)) == 3


def test_residuals_are_shares(grid):
    residuals = torch.tensor([pair.residual for pair in grid.pairs])
    assert ((residuals >= 0) & (residuals <= 1)).all()
