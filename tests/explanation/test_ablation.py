"""What each backbone of a fusion is worth: laws, and a fusion made by hand."""

import pytest
import torch
import torch.nn.functional as F

import suture
from raising import raises
from small import sample_split
from suture.data.dataset import Split
from suture.errors import PlanError
from suture.explanation import branch_shares
from suture.hybrids import Fusion

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def split() -> Split:
    return sample_split(80)


def fusion(method: str = "logit-average") -> Fusion:
    return suture.fuse([A, B], method, width=8, hidden=16, num_classes=10)


def test_shares_are_what_is_lost_without_a_backbone(split):
    """The mean of two networks' logits, one replaced by what its head makes of its mean features."""
    found = branch_shares(fusion(), split)
    ((images, labels),) = split.batches(80)
    nets = [suture.load(source) for source in (A, B)]
    with torch.no_grad():
        logits = [network(images).double() for network in nets]
        mean = [each.mean(0, keepdim=True).expand_as(each) for each in logits]  # heads are linear
    whole = (logits[0] + logits[1]) / 2
    without = {"backbone1": (mean[0] + logits[1]) / 2, "backbone2": (logits[0] + mean[1]) / 2}
    rises = {
        name: float(F.cross_entropy(each, labels) - F.cross_entropy(whole, labels)) for name, each in without.items()
    }
    for name, each in without.items():
        assert found[name].cross_entropy_rise == pytest.approx(rises[name], abs=1e-4)
        drop = (whole.argmax(1) == labels).double().mean() - (each.argmax(1) == labels).double().mean()
        assert found[name].accuracy_drop == pytest.approx(float(drop), abs=1e-6)
    assert min(rises.values()) > 0
    assert sum(each.share for each in found.values()) == pytest.approx(1)
    assert found["backbone1"].share == pytest.approx(rises["backbone1"] / sum(rises.values()), abs=1e-4)


def test_a_backbone_that_the_head_does_not_read_is_worth_nothing(split):
    made = fusion()
    with torch.no_grad():
        made.head.classifiers[0].weight.zero_()
    found = branch_shares(made, split)
    assert found["backbone1"].share == 0
    assert found["backbone1"].cross_entropy_rise == pytest.approx(0, abs=1e-9)
    assert found["backbone2"].share == 1


def test_there_is_no_share_where_nothing_is_missed(split):
    made = fusion()
    with torch.no_grad():
        for tensor in made.head.parameters():
            tensor.zero_()
    assert [each.share for each in branch_shares(made, split).values()] == [None, None]


@pytest.mark.parametrize("method", ["concat", "gated", "maps"])
def test_every_kind_of_fusion_has_shares_and_stays_as_it_is(split, method):
    made = fusion(method)
    made.thaw("backbones").train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    found = branch_shares(made, split)
    assert list(found) == ["backbone1", "backbone2"]
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())
    assert all(module.training for module in made.modules())


def test_several_labels_an_image_are_scored_one_by_one(split):
    labels = F.one_hot(split.labels, 10).float()
    found = branch_shares(fusion(), Split(split.images, labels))
    assert sum(each.share or 0 for each in found.values()) in (pytest.approx(1), 0)


def test_only_a_fusion_has_backbones(split):
    with raises(PlanError, "no backbones side by side", "suture fuse"):
        branch_shares(suture.load(A), split)
