"""The beam goes on from the best, and from the even cut; a chain's score is what its hybrid would say."""

import pytest

from small import sample_split
from suture.adapters import AdapterSpec, build
from suture.evaluation import evaluate
from suture.hybrids import chain, find_seams, fit_adapters, fronts, parent
from suture.selection import Explored, Grid, PairScore, explore, score_pairs

NAMES = tuple("pqr")


def pair(a: str, b: str, accuracy: float) -> PairScore:
    return PairScore(a, b, accuracy, 1 - accuracy, None, 1, 1)


def scored(before):
    """Better the later in the alphabet the letters are; each network after the first has the cuts p, q, r."""
    start = NAMES.index(before[-1][1]) + 1 if before else 0
    pairs = [
        pair(a, b, (NAMES.index(a) + NAMES.index(b)) / 10 + len(before) / 100) for a in NAMES[start:] for b in NAMES
    ]
    return Grid(NAMES[start:], NAMES, tuple(pairs), 10.0)


def goes_on(at) -> bool:
    return at[-1][1] != "r"


def test_of_two_networks_everything_is_scored_in_one_round():
    found = explore((("q", "q"),), 1, scored, goes_on)
    assert list(found.grids) == [()]
    assert [(chain.score.a, chain.score.b) for chain in found.chains] == [(a, b) for a in NAMES for b in NAMES]
    assert found.best(1)[0].at == (("r", "r"),)
    assert found.find((("q", "p"),)).name == "q:p"


def test_the_best_few_that_can_be_gone_on_from_are_and_the_even_cut():
    even = (("p", "p"), ("q", "q"))
    found = explore(even, 2, scored, goes_on)
    assert list(found.grids) == [(), (("r", "q"),), (("q", "q"),), (("p", "p"),)]
    assert found.joins == 2
    assert found.cost_fpe == 40.0
    assert len(found.chains) == 3 + 3 + 6
    assert found.best(1)[0].at[-1] == ("r", "r")
    assert found.find(even).name == "p:p,q:q"


def test_three_rounds():
    even = (("p", "p"), ("q", "p"), ("r", "r"))
    found = explore(even, 1, scored, goes_on)
    assert {len(before) for before in found.grids} == {0, 1, 2}
    assert even[:2] in found.grids
    assert all(len(chain.at) == 3 for chain in found.chains)
    assert isinstance(found, Explored)


@pytest.fixture(scope="module")
def sides():
    return parent("zoo:tiny10@none"), parent("zoo:resnet20@none"), parent("zoo:tiny10@none", seed=1)


def test_a_chain_scores_and_costs_as_its_hybrid_does(sides):
    whole = sample_split(60)
    fit_split, score_split = whole.first(40), whole.select(range(40, 60))
    images = fit_split.images.batch(range(40)).float() / 255
    seams = find_seams(sides[:2], (("relu3", "layer2.2"),))
    adapters = [build(AdapterSpec(), *seams[0])]
    fit_adapters(adapters, sides[:2], seams, lambda: images.split(16))
    front = fronts(sides[:2], seams, adapters)[-1]
    grid = score_pairs(front, sides[2], AdapterSpec(), fit_split, score_split, unit=10**8)
    assert grid.a == ("layer3.0", "layer3.1", "layer3.2")
    assert len(grid.pairs) == 3 * 8
    for found in grid.pairs[::7]:
        hybrid = chain(*sides, at=[("relu3", "layer2.2"), (found.a, found.b)], images=images)
        wanted = evaluate(hybrid, score_split)
        assert found.accuracy == pytest.approx(wanted.accuracy, abs=1e-9)
        assert found.cross_entropy == pytest.approx(wanted.cross_entropy, rel=1e-3)
        assert found.params == sum(p.numel() for p in hybrid.parameters())
    encoders = {cut.name: cut.macs_before for cut in front.cuts}
    scoring = sum(encoders.values()) + sum(found.macs - encoders[found.a] for found in grid.pairs)
    fitting = front.macs + sides[2].macs
    assert grid.cost_fpe == pytest.approx((40 * fitting + 20 * scoring) / 10**8)
