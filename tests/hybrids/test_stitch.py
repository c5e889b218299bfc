"""The law of stitching, and what a stitched network is."""

import copy

import pytest
import torch
from torch import nn

from raising import raises
from small import sample_split
from suture.adapters import AdapterSpec
from suture.errors import AdapterError, CutError, PlanError
from suture.hybrids import Parent, head, parent, stitch
from suture.sources import load

NETWORKS = ("zoo:tiny10@none", "zoo:resnet20@none")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return sample_split(8).images.batch(range(8)).float() / 255


@pytest.fixture(scope="module")
def parents() -> dict[str, Parent]:
    return {source: parent(source) for source in NETWORKS}


@pytest.mark.parametrize("source", NETWORKS)
def test_a_network_stitched_to_itself_through_identity_is_the_network(source, parents, images):
    side = parents[source]
    with torch.no_grad():
        wanted = side.network(images)
        for cut in side.traced.cuts(fine=True):
            hybrid = stitch(side, side, (cut.name, cut.name), adapter="identity")
            torch.testing.assert_close(hybrid(images), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("source", NETWORKS)
def test_a_fitted_map_of_a_network_to_itself_gives_it_back(source, parents, images):
    side = parents[source]
    for cut in side.traced.cuts():
        hybrid = stitch(side, side, (cut.name, cut.name), images=images)
        with torch.no_grad():
            torch.testing.assert_close(hybrid(images), side.network(images), rtol=1e-3, atol=1e-3)


def test_it_holds_the_two_halves_and_nothing_else(parents):
    a, b = (parents[source] for source in NETWORKS)
    hybrid = stitch(a, b, ("relu5", "layer2.2"))
    x, y = a.traced.find("relu5"), b.traced.find("layer2.2")
    adapter = sum(p.numel() for p in hybrid.adapter.parameters())
    assert adapter == 32 * 32 + 32
    assert sum(p.numel() for p in hybrid.parameters()) == x.params_before + adapter + y.params_after
    learnt = {name for name, _ in b.network.body.named_parameters() if name.startswith(("layer3", "fc"))}
    assert {name for name, _ in hybrid.decoder.named_parameters()} == learnt


def test_training_it_leaves_the_parents_alone(parents, images):
    a, b = (parents[source] for source in NETWORKS)
    before = copy.deepcopy((a.network.state_dict(), b.network.state_dict()))
    hybrid = stitch(a, b, ("relu3", "layer1.2")).thaw("encoder", "decoder").train()
    optimizer = torch.optim.SGD(hybrid.parameters(), 0.1)
    hybrid(images).square().mean().backward()
    optimizer.step()
    for side, state in zip((a, b), before, strict=True):
        assert all(torch.equal(side.network.state_dict()[name], tensor) for name, tensor in state.items())
        assert all(p.requires_grad and p.grad is None for p in side.network.parameters())


def test_frozen_parts_stay_in_eval_mode_and_do_not_drift(parents, images):
    a, b = (parents[source] for source in NETWORKS)
    hybrid = stitch(a, b, ("relu3", "layer1.2")).train()
    assert hybrid.adapter.training
    assert not any(module.training for part in (hybrid.encoder, hybrid.decoder) for module in part.modules())
    assert {name.partition(".")[0] for name, p in hybrid.named_parameters() if p.requires_grad} == {"adapter"}
    before = {name: tensor.clone() for name, tensor in hybrid.named_buffers()}
    hybrid(images)
    assert all(torch.equal(tensor, before[name]) for name, tensor in hybrid.named_buffers())
    hybrid.thaw("decoder")
    assert hybrid.decoder.training
    assert not hybrid.freeze("decoder").decoder.training


def test_any_module_can_be_a_parent(images):
    torch.manual_seed(0)
    own = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6 * 256, 10))
    hybrid = stitch(own, load(NETWORKS[0]), ("1", "relu4"), example=images)
    assert hybrid(images).shape == (8, 10)
    assert hybrid.plan.parts[0].origin == "module:Sequential"


def test_images_decide_the_start(parents, images):
    a, b = (parents[source] for source in NETWORKS)
    assert stitch(a, b, ("relu3", "layer1.2")).plan.adapter.start == "random"
    assert stitch(a, b, ("relu3", "layer1.2"), images=images).plan.adapter.start == "least-squares"
    batches = stitch(a, b, ("relu3", "layer1.2"), images=images.split(3))
    whole = stitch(a, b, ("relu3", "layer1.2"), images=images)
    torch.testing.assert_close(batches.adapter.state_dict(), whole.adapter.state_dict())


def test_a_new_head_has_the_classes_asked_for(parents, images):
    a, b = (parents[source] for source in NETWORKS)
    hybrid = stitch(a, b, ("relu3", "layer1.2"), classes=4)
    assert hybrid(images).shape == (8, 4)
    assert hybrid.plan.new_head == 4
    assert b.network(images).shape == (8, 10)


def test_the_place_may_be_spelled_as_at_the_command_line(parents):
    a, b = (parents[source] for source in NETWORKS)
    assert stitch(a, b, "relu5:layer2.2").plan == stitch(a, b, ("relu5", "layer2.2")).plan


def test_plans_are_values_without_paths(parents, tmp_path):
    from safetensors.torch import save_file

    file = tmp_path / "weights.safetensors"
    save_file(parents[NETWORKS[0]].network.state_dict(), file)
    first = stitch(f"zoo:tiny10@{file}", parents[NETWORKS[1]], ("relu3", "layer1.2")).plan
    again = stitch(f"zoo:tiny10@{file}", parents[NETWORKS[1]], ("relu3", "layer1.2")).plan
    other = stitch(f"zoo:tiny10@{file}", parents[NETWORKS[1]], ("relu4", "layer1.2")).plan
    assert first == again
    assert hash(first) == hash(again)
    assert first.key == again.key != other.key
    assert str(tmp_path) not in str(first.as_dict())
    assert type(first).from_dict(first.as_dict()) == first


def test_a_head_is_needed_to_replace_one(images):
    torch.manual_seed(0)
    headless = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(PlanError, match="ends in no linear layer"):
        stitch(headless, headless, ("0", "0"), classes=4, example=images)


def test_features_are_no_head():
    network = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 10))
    network.num_classes = 0  # as timm marks a network that gives features
    with raises(PlanError, "this Sequential has no head: it gives features"):
        head(network)


def test_what_cannot_be_stitched_is_said(parents):
    a, b = (parents[source] for source in NETWORKS)
    with pytest.raises(CutError, match=r"no layer 'rellu5'") as raised:
        stitch(a, b, ("rellu5", "layer2.2"))
    assert "relu5" in raised.value.instead
    with pytest.raises(CutError, match=r"layer2\.0\.conv1"):
        stitch(a, b, ("relu5", "layer2.0.conv1"))
    with pytest.raises(PlanError, match="names no two layers"):
        stitch(a, b, "relu5")
    with pytest.raises(AdapterError):
        stitch(a, b, ("relu1", "layer2.2"), adapter=AdapterSpec(start="eye"))
    with pytest.raises(PlanError, match="no part 'head'"):
        stitch(a, b, ("relu5", "layer2.2")).thaw("head")
