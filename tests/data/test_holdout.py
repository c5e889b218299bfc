"""Shares by class and by group, as laws."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suture.data.holdout import hold_out, validation_indices

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(torch.tensor)
SHARES = st.sampled_from([0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 0.99])


def complete(labels: torch.Tensor, kept: list[int], held: list[int]) -> bool:
    return sorted([*kept, *held]) == list(range(len(labels))) and kept == sorted(kept) and held == sorted(held)


@given(LABELS, SHARES, st.integers(0, 3))
def test_every_class_gives_its_share_and_keeps_an_image(labels, share, seed):
    kept, held = hold_out(labels, share, seed)
    assert complete(labels, kept, held)
    for label in labels.unique():
        whole, out = int((labels == label).sum()), int((labels[held] == label).sum())
        assert abs(out - share * whole) <= 1
        assert (1 <= out < whole) if whole > 1 else out == 0
    assert hold_out(labels, share, seed) == (kept, held)


@given(LABELS, st.integers(0, 3))
def test_a_given_tenth_is_stratified_whatever_the_order(labels, seed):
    assert validation_indices(labels, seed, 0.1) == hold_out(labels, 0.1, seed)


@given(LABELS, SHARES, st.integers(0, 3), st.integers(1, 12))
def test_a_group_stays_whole_and_every_class_is_still_learned_from(labels, share, seed, count):
    groups = torch.randint(count, (len(labels),), generator=torch.Generator().manual_seed(seed))
    kept, held = hold_out(labels, share, seed, groups)
    assert complete(labels, kept, held)
    assert not set(groups[kept].tolist()) & set(groups[held].tolist())
    assert set(labels[kept].tolist()) == set(labels.tolist())
    spared = [set(labels[groups != group].tolist()) == set(labels.tolist()) for group in groups.unique()]
    assert bool(held) == any(spared)
    assert hold_out(labels, share, seed, groups) == (kept, held)


@pytest.mark.parametrize("share", [0.1, 0.15, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_many_groups_of_unlike_sizes_meet_the_shares(share, seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 20, (120,), generator=generator)
    groups = torch.arange(120).repeat_interleave(sizes)
    labels = (torch.rand(120, generator=generator) * 4).long().repeat_interleave(sizes)
    _, held = hold_out(labels, share, seed, groups)
    for label in range(4):
        own = labels == label
        assert abs(float((labels[held] == label).sum() / own.sum()) - share) < 0.03
    assert abs(len(held) / len(labels) - share) < 0.01


def test_groups_of_attributes_meet_the_share():
    generator = torch.Generator().manual_seed(0)
    labels, groups = torch.randint(2, (300, 3), generator=generator).float(), torch.arange(300) // 6
    kept, held = hold_out(labels, 0.2, 0, groups)
    assert abs(len(held) - 60) <= 3
    assert not set(groups[kept].tolist()) & set(groups[held].tolist())


def test_other_seeds_hold_out_other_groups():
    labels, groups = torch.zeros(100).long(), torch.arange(100) // 5
    assert hold_out(labels, 0.1, 0, groups) != hold_out(labels, 0.1, 1, groups)


def test_of_few_groups_one_is_held_out_the_least_too_large():
    labels, groups = torch.arange(24) % 2, torch.tensor([0] * 10 + [1] * 6 + [2] * 8)
    assert hold_out(labels, 0.1, 0, groups)[1] == list(range(10, 16))


@pytest.mark.parametrize("groups", [None, torch.tensor([0, 1, 2])])
def test_classes_of_one_image_are_never_held_out(groups):
    assert hold_out(torch.arange(3), 0.5, 0, groups) == ([0, 1, 2], [])
