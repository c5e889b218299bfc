"""Every start, mask, rank and flattening that goes together, on two cuts of each other's width and on unequal ones."""

from itertools import product

import pytest
import torch

from raising import raises
from suture.adapters import Adapter, AdapterSpec, build, fit
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout
from suture.spec.names import ADAPTERS, MASKS, STARTS

NCHW, NHWC, NC = Layout.NCHW, Layout.NHWC, Layout.NC


def cut(name: str, layout: Layout, *shape: int) -> Cut:
    return Cut(name, layout, shape, None, 0, 0, 0, 0)


SOURCE = cut("from", NCHW, 6, 3, 3)
EQUAL, FEWER, MORE = cut("equal", NHWC, 3, 3, 6), cut("fewer", NC, 4), cut("more", NCHW, 8, 3, 3)
FITTED = ("least-squares", "orthogonal", "reduced-rank")
CHOICES = list(product(("linear", "lowrank"), STARTS, MASKS, (None, 2), (False, True)))


def joined(target: Cut, seed: int = 0, **choices: object) -> Adapter | AdapterError:
    try:
        return build(AdapterSpec(**choices), SOURCE, target, seed)
    except AdapterError as error:
        return error


def activation(cut: Cut, images: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("target", [EQUAL, FEWER, MORE], ids=lambda c: c.name)
@pytest.mark.parametrize(("kind", "start", "mask", "rank", "flatten"), CHOICES)
def test_it_fits_reloads_and_keeps_its_mask_or_says_why_not(kind, start, mask, rank, flatten, target):
    choices = {"kind": kind, "start": start, "mask": mask, "rank": rank, "flatten": flatten}
    adapter = joined(target, **choices)
    masked, square = mask != "identity", SOURCE.channels == target.channels
    senseless = (
        (start == "reduced-rank" and kind != "lowrank")
        or (masked and (kind != "linear" or start in ("orthogonal", "reduced-rank", "perm")))
        or (start in ("eye", "perm") and not square)
        or (mask in ("matching", "random-permutation") and target is MORE)
    )
    if senseless:
        assert isinstance(adapter, AdapterError)
        assert adapter.given
        assert adapter.expected
        assert adapter.instead
        return
    assert isinstance(adapter, Adapter), adapter
    assert adapter.wants_fit == (start in FITTED or mask in ("semi-match", "abs-semi-match", "matching"))
    x, y = activation(SOURCE), activation(target, seed=1)
    if adapter.wants_fit:
        assert (fit(adapter, [(x, y)]).residual <= 1) or start not in ("least-squares", "reduced-rank")
    again = joined(target, 7, **choices)
    again.load_state_dict(adapter.state_dict())
    torch.testing.assert_close(again(x), adapter(x), rtol=0, atol=0)
    assert adapter(x).shape == y.shape
    assert ("mask" in adapter.state_dict()) == masked
    if masked:
        assert torch.equal(again.mask, adapter.mask)
        assert (adapter.mask.sum(1) == 1).all()
        keeps_its_mask(again, x, y)


def keeps_its_mask(adapter: Adapter, x: torch.Tensor, y: torch.Tensor) -> None:
    before = adapter.matrix.detach()
    torch.optim.SGD(adapter.parameters(), 0.1, weight_decay=0.1).step(lambda: loss(adapter, x, y))
    after = adapter.matrix.detach()
    outside = ~adapter.mask
    assert not adapter.map.weight.flatten(1)[outside].any()
    assert (before != after)[adapter.mask].any()


def loss(adapter: Adapter, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    value = (adapter(x) - y).square().mean()
    value.backward()
    return value


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind not in ("identity", "lowrank")])
def test_perm_and_ones_are_what_they_say(kind):
    x = activation(SOURCE, 3)
    permuted = build(AdapterSpec(kind, start="perm"), SOURCE, cut("to", NCHW, 6, 3, 3), seed=3)(x)
    assert not torch.equal(permuted, x)
    images = permuted.flatten(2).transpose(0, 1).flatten(1), x.flatten(2).transpose(0, 1).flatten(1)
    apart = torch.cdist(*images)
    assert (apart < 1e-5).sum(0).tolist() == (apart < 1e-5).sum(1).tolist() == [1] * 6
    ones = build(AdapterSpec(kind, start="ones-zeros"), SOURCE, MORE)(x)
    torch.testing.assert_close(ones, x.sum(1, keepdim=True).expand(-1, 8, -1, -1))


def test_ones_are_of_rank_one():
    adapter = build(AdapterSpec("lowrank", rank=2, start="ones-zeros"), SOURCE, MORE)
    torch.testing.assert_close(adapter.matrix, torch.ones(8, 6))


def test_a_seed_draws_the_permutation():
    drawn = [build(AdapterSpec(start="perm"), SOURCE, EQUAL, seed).matrix.argmax(1).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("start", ["eye", "perm"])
def test_square_starts_name_both_cuts_of_unequal_width(start):
    with raises(AdapterError, f"{start} start from {SOURCE} to {FEWER}", "6 channels on one side and 4", "--init"):
        build(AdapterSpec(start=start), SOURCE, FEWER)
    with raises(AdapterError, "54 channels on one side and 4 on the other"):
        build(AdapterSpec(start=start, flatten=True), SOURCE, FEWER)


def test_a_reduced_rank_start_is_the_least_squares_one():
    x, y = activation(SOURCE), activation(EQUAL, seed=1)
    both = [build(AdapterSpec("lowrank", start=s, rank=2), SOURCE, EQUAL) for s in ("reduced-rank", "least-squares")]
    reports = [fit(adapter, [(x, y)]) for adapter in both]
    assert reports[0] == reports[1]
    assert torch.equal(both[0](x), both[1](x))


@pytest.mark.parametrize(("kind", "columns"), [("linear", 6), ("lowrank", 6), ("conv3x3", 54), ("mlp", None)])
def test_the_matrix_is_the_map_as_it_acts(kind, columns):
    adapter = build(AdapterSpec(kind, start="random"), SOURCE, MORE)
    if columns is None:
        assert adapter.matrix is None
        return
    assert adapter.matrix.shape == (8, columns)
    if columns == 6:
        x = activation(SOURCE, 3)
        by_hand = torch.einsum("qp,nphw->nqhw", adapter.matrix, x)
        torch.testing.assert_close(adapter(x) - adapter(torch.zeros_like(x)), by_hand, rtol=1e-4, atol=1e-5)
    adapter.matrix.abs().sum().backward()
    weights = [name for name, p in adapter.named_parameters() if p.grad is not None and p.grad.any()]
    assert weights == [name for name, p in adapter.named_parameters() if p.dim() > 1]


def test_the_identity_has_no_matrix():
    assert build(AdapterSpec("identity"), SOURCE, SOURCE).matrix is None
