"""Whose rate a parameter learns at, and what the state of moving parts is made of."""

import copy

import pytest
import torch
from torch import nn

from small import sample_split
from suture.data.examples import ImageExamples
from suture.hybrids import head
from suture.sources import load
from suture.spec.stage import Stage
from suture.training import Moving, train
from suture.training.optimizers import optimizer_of


@pytest.fixture
def network():
    return load("zoo:tiny10@none")


def rate_of(groups, parameter) -> float:
    (rate,) = {group["lr"] for group in groups for p in group["params"] if p is parameter}
    return rate


def test_a_parameter_belongs_to_the_first_module_that_has_it(network):
    last = head(network)[1]
    groups = Moving([last, network], [1e-2, None]).groups(1e-4)
    assert rate_of(groups, last.weight) == 1e-2
    assert rate_of(groups, network.body.conv1.weight) == 1e-4
    together = [p for group in groups for p in group["params"]]
    assert len(together) == len(set(together)) == len(list(network.parameters()))
    (only,) = Moving([network, last], [1e-4, 1e-2]).groups(1)
    assert only["lr"] == 1e-4


def test_without_rates_there_is_one_group_at_that_of_the_stage(network):
    (group,) = Moving([network]).groups(0.5)
    assert (group["lr"], group["initial_lr"]) == (0.5, 0.5)
    assert all(p is q for p, q in zip(group["params"], network.parameters(), strict=True))


def test_as_many_rates_as_modules(network):
    with pytest.raises(ValueError, match="shorter"):
        Moving([network, network.body.fc], [1e-2]).groups(1)


def test_parts_learn_at_their_rates_and_a_schedule_moves_all_of_them(network):
    """The first step of plain sgd is the rate times the gradient."""
    split = sample_split(48)

    def step(rate: float, schedule: str) -> torch.Tensor:
        moved = copy.deepcopy(network)
        plan = Stage(moves=("all",), optimizer="sgd", momentum=0.0, lr=0.1, epochs=1, batch_size=48, schedule=schedule)
        trained = train(moved, Moving([moved.body.fc, moved], [rate, None]), plan, ImageExamples(split))
        assert trained.history[-1]["lr"] == pytest.approx(0.1 if schedule == "constant" else 0.004)
        changed = (getattr(moved.body, name).weight - getattr(network.body, name).weight for name in ("fc", "conv8"))
        return torch.stack([change.norm() for change in changed]).detach()

    plain = step(0.1, "constant")
    torch.testing.assert_close(step(1.0, "constant") / plain, torch.tensor([10.0, 1.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close(step(1.0, "one-cycle") / plain, torch.tensor([0.4, 0.04]), rtol=1e-3, atol=0)


def test_the_state_of_what_moves_is_named_within_it(network):
    whole = nn.Sequential(nn.Identity(), network)  # another model around it changes no name
    moving = Moving([whole[1].body.bn1, whole[1].body.fc])
    assert list(moving.tensors()) == [
        "0.weight", "0.bias", "0.running_mean", "0.running_var", "0.num_batches_tracked", "1.weight", "1.bias"
    ]  # fmt: skip
    assert moving.tensors()["1.weight"] is network.body.fc.weight


def test_what_is_in_two_modules_is_kept_once(network):
    names = Moving([network.body.fc, network]).tensors()
    assert len(names) == len(network.state_dict())
    assert {"0.weight", "0.bias"} <= names.keys()
    assert not {"1.fc.weight", "1.body.fc.weight"} & names.keys()


def test_copies_are_put_back(network):
    moving = Moving([network])
    before, kept = copy.deepcopy(network.state_dict()), moving.copies()
    for tensor in network.state_dict().values():
        tensor.zero_()
    moving.put(kept)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_an_optimizer_has_what_moves_and_nothing_else(network):
    moving = Moving([network.body.fc, network.body.conv8], [None, 1e-5])
    for name in ("sgd", "adam", "adamw"):
        groups = optimizer_of(Stage(optimizer=name, lr=1e-2, weight_decay=0.1), moving).param_groups
        assert [group["lr"] for group in groups] == [1e-2, 1e-5]
        assert [group["weight_decay"] for group in groups] == [0.1, 0.1]
        assert [p for group in groups for p in group["params"]] == moving.parameters()
