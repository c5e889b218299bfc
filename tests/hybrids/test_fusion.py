"""What a fused network is: its parts, its numbers, what moves, and what is refused."""

import copy

import pytest
import torch
import torchvision
from torch import Tensor, nn

import suture
from raising import raises
from small import sample_split
from suture.errors import CutError, PlanError
from suture.fusions import FusionSpec
from suture.graph import penultimate, stages, trace
from suture.hybrids import Fusion, build_fusion, fuse, parent
from suture.hybrids.pooling import to_map, to_vector
from suture.spec.cut import Cut, Layout
from suture.spec.names import FUSIONS
from suture.spec.plan import Plan

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def images() -> Tensor:
    return sample_split(8).images.batch(range(8)).float() / 255


@pytest.fixture(scope="module")
def sides() -> list:
    return [parent(A), parent(B)]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def test_the_published_pair_has_the_published_numbers():
    fusion = fuse(["torchvision:resnet50@none?size=64", "torchvision:densenet121@none?size=64"], num_classes=4)
    resnet, densenet = torchvision.models.resnet50(weights=None), torchvision.models.densenet121(weights=None)
    head = 3072 * 1024 + 1024 + 1024 * 4 + 4
    assert count(fusion.head) == head
    assert count(fusion) == count(resnet) - count(resnet.fc) + count(densenet) - count(densenet.classifier) + head
    assert sum(p.numel() for p in fusion.parameters() if p.requires_grad) == head
    x = torch.rand(2, 3, 64, 64)
    assert fusion.features(x).shape == (2, 3072)
    assert fusion(x).shape == (2, 4)
    stages = [name for name, _ in fusion.get_submodule("backbone1").named_children()]
    assert stages == ["stage1", "stage2", "stage3", "stage4", "stage5"]
    theirs = {name for name in resnet.state_dict() if not name.startswith("fc")}
    assert {name.split(".", 2)[2] for name in fusion.state_dict() if name.startswith("backbone1")} == theirs


@pytest.mark.parametrize("method", FUSIONS)
def test_its_tail_over_its_features_is_the_network(method, sides, images):
    fusion = fuse(sides, method, hidden=32, width=16)
    assert fusion(images).shape == (8, 10)
    with torch.no_grad():
        wanted = fusion(images)
        features = fusion.encoder(images)
        assert torch.equal(features, fusion.features(images))
        assert torch.equal(fusion.tail(features), wanted)
    tensors = [tensor.data_ptr() for tensor in fusion.state_dict().values()]
    assert len(tensors) == len(set(tensors))
    assert count(fusion.encoder) + count(fusion.tail) == count(fusion)


def test_untrained_averaged_logits_are_the_mean_of_the_networks(sides, images):
    fusion = fuse(sides, "logit-average")
    with torch.no_grad():
        wanted = torch.stack([side.network(images) for side in sides]).mean(0)
        torch.testing.assert_close(fusion(images), wanted, rtol=1e-5, atol=1e-6)
        alone = fuse(sides[:1], "logit-average")
        torch.testing.assert_close(alone(images), sides[0].network(images), rtol=1e-5, atol=1e-6)
        # With other classes, or at another cut, there is no layer to start from.
        assert fuse(sides, "logit-average", num_classes=4)(images).shape == (8, 4)
        early = fuse(sides, "logit-average", at=["relu7", "layer3.1"])
        assert not torch.allclose(early(images), wanted, atol=1e-2)


def test_the_features_are_those_of_each_network_pooled(sides, images):
    fusion = fuse(sides, at=["relu5", "mean"])
    with torch.no_grad():
        first = sides[0].traced.split("relu5")[0](images).mean((2, 3))
        second = sides[1].traced.split("mean")[0](images)
        torch.testing.assert_close(fusion.features(images), torch.cat([first, second], 1))
    assert fusion.shapes == ((32,), (64,))
    assert [part.cut for part in fusion.plan.parts] == ["relu5", "mean"]


def test_it_owns_copies_and_training_it_leaves_the_networks_alone(sides, images):
    before = copy.deepcopy([side.network.state_dict() for side in sides])
    fusion = fuse(sides, hidden=16).thaw("all").train()
    optimizer = torch.optim.SGD(fusion.parameters(), 0.1)
    fusion(images).square().mean().backward()
    optimizer.step()
    for side, state in zip(sides, before, strict=True):
        assert all(torch.equal(side.network.state_dict()[name], tensor) for name, tensor in state.items())
        assert all(p.requires_grad and p.grad is None for p in side.network.parameters())


def test_stages_freeze_one_by_one_and_their_batchnorm_with_them(sides, images):
    fusion = fuse(sides, hidden=16)
    assert fusion.named("backbones:1") == ("backbone1.stage4", "backbone2.stage3")
    assert fusion.named("backbone2:2") == ("backbone2.stage2", "backbone2.stage3")
    assert fusion.named("head") == ("head",)
    assert fusion.named("backbone1.stage2") == ("backbone1.stage2",)
    assert set(fusion.named("all")) == {*fusion.named("backbones"), "head"}
    assert fusion.frozen == set(fusion.named("backbones"))
    fusion.thaw("backbones:1").train()
    learning = {name.rsplit(".", 1)[0] for name, p in fusion.named_parameters() if p.requires_grad}
    assert all(name.startswith(("head", "backbone1.stage4", "backbone2.stage3")) for name in learning)
    before = {name: tensor.clone() for name, tensor in fusion.named_buffers()}
    fusion(images)
    drifted = {name for name, tensor in fusion.named_buffers() if not torch.equal(tensor, before[name])}
    assert drifted
    assert all(name.startswith(("backbone1.stage4", "backbone2.stage3")) for name in drifted)
    assert fusion.stage_modules("backbones:1") == [fusion.backbones[0].stage4, fusion.backbones[1].stage3]
    assert len(fusion.spans) == 7
    fusion.freeze("backbones", "head")
    assert not any(p.requires_grad for p in fusion.parameters())


def test_what_is_no_part_of_it_is_said(sides):
    fusion = fuse(sides, hidden=16)
    for text in ("decoder", "backbone3", "head:1", "all:2", "backbones:", "nonsense:1"):
        with raises(PlanError, f"no part {text!r}"):
            fusion.named(text)
    with raises(PlanError, "the last 4 stages of backbone2, which has 3", "backbone2:3"):
        fusion.stage_modules("backbones:4")


def test_its_seed_draws_the_head_and_leaves_the_callers_draws_alone(sides, images):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = fuse(sides, hidden=16, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        assert torch.equal(fuse(sides, hidden=16, seed=1)(images), first(images))
        assert not torch.equal(fuse(sides, hidden=16, seed=2)(images), first(images))


def test_any_modules_can_be_backbones(images):
    torch.manual_seed(0)

    class Deciding(nn.Module):
        """Goes by values, so that no tracer of graphs can follow it."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.fc = nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Linear(6, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.relu(self.conv(x))
            return self.fc(x.mean((2, 3)) if float(x.sum()) >= 0 else x.amax((2, 3)))

    plain = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6 * 225, 5))
    fusion = suture.fuse([Deciding(), plain, A], num_classes=3, example=[images, images, None], hidden=8)
    assert fusion(images).shape == (8, 3)
    assert [part.origin for part in fusion.plan.parts] == ["module:Deciding", "module:Sequential", A]
    assert fusion.shapes == ((6,), (1350,), (64,))
    with torch.no_grad():
        assert torch.equal(fusion.tail(fusion.encoder(images)), fusion(images))


def test_stages_that_share_a_layer_are_one(images):
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv, self.last = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, 1)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(self.conv(self.stem(x)).relu()).relu()
            return self.fc(self.last(x).mean((2, 3)))

    network = Shared()
    assert len(stages(trace(network, images))) == 3
    fusion = fuse([network], example=images, hidden=8)
    assert fusion.named("backbones") == ("backbone1.stage1",)
    assert count(fusion) - count(fusion.head) == count(network) - count(network.fc)


def test_its_plan_is_a_value(sides):
    first, again = fuse(sides, hidden=16).plan, fuse([A, B], hidden=16).plan
    assert first == again
    assert hash(first) == hash(again)
    assert first.key != fuse(sides, "add", hidden=16).plan.key != fuse(sides[::-1], "add", hidden=16).plan.key
    assert Plan.from_dict(first.as_dict()) == first
    assert first.join == "fuse"
    assert first.new_head == 10


def test_sizes_and_class_names_are_those_of_its_networks(sides):
    fusion = fuse(sides, hidden=16)
    assert (fusion.input_size, fusion.decode_size) == (32, 32)
    assert fusion.classes == sides[0].network.classes
    assert fuse(sides, hidden=16, num_classes=4).classes is None
    mixed = fuse([A, "torchvision:resnet18@none?size=48"], num_classes=3, hidden=16)
    assert (mixed.input_size, mixed.decode_size) == (48, 48)
    assert mixed(torch.rand(2, 3, 60, 50)).shape == (2, 3)


def test_maps_need_a_grid_and_take_images_of_any_size(sides, images):
    fusion = fuse(sides, "maps", hidden=16, width=8)
    assert [part.cut for part in fusion.plan.parts] == ["relu8", "layer3.2"]
    assert fusion.shapes == ((64, 2, 2), (64, 8, 8))
    torch.manual_seed(0)
    own = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    free = fuse([own], "maps", example=images, hidden=8, width=8)
    assert free(torch.rand(2, 3, 50, 41)).shape == (2, 2)
    with raises(PlanError, "mean (NC 64) has no height and width"):
        fuse(sides, "maps", at=["mean", "layer3.2"])


def test_tokens_are_pooled_without_the_class_token():
    cut = Cut("tokens", Layout.NLC, (5, 3), None, 0, 0, 0, 0, cells=(2, 2))
    x = torch.rand(2, 5, 3)
    torch.testing.assert_close(to_vector(cut)(x), x[:, 1:].mean(1))
    torch.testing.assert_close(to_map(cut)(x), x[:, 1:].movedim(2, 1).unflatten(2, (2, 2)))
    last = Cut("last", Layout.NHWC, (2, 4, 3), None, 0, 0, 0, 0)
    grid = torch.rand(2, 2, 4, 3)
    torch.testing.assert_close(to_vector(last)(grid), grid.mean((1, 2)))
    torch.testing.assert_close(to_map(last)(grid), grid.movedim(3, 1))


@pytest.mark.parametrize("method", FUSIONS)
def test_a_fused_network_can_be_cut(method, sides, images):
    fusion = fuse(sides, method, hidden=16, width=8)
    traced = trace(fusion, images)
    assert traced.tracer == "fx"
    names = [cut.name for cut in traced.cuts(fine=True)]
    assert "cat" in names
    assert method == "logit-average" or "head.classifier.1" in names or "head.mean" in names
    with torch.no_grad():
        for name in names:
            encoder, decoder = traced.split(name)
            torch.testing.assert_close(decoder(encoder(images)), fusion(images))
    assert penultimate(traced).name in names


def test_what_cannot_be_fused_is_said(sides, images):
    with raises(PlanError, "a fusion of no networks"):
        fuse([])
    for one in (A, sides[0], sides[0].network):
        with raises(PlanError, "no list of networks"):
            fuse(one)
    with raises(PlanError, "there is no fusion 'concatenate'"):
        fuse([A, "zoo:never"], "concatenate")
    with raises(PlanError, "1 cuts for 2 backbones", "at=['mean', 'mean']"):
        fuse(sides, at="mean")
    with raises(CutError, "zoo:resnet20-a: the network has no layer 'relu5'"):
        fuse(sides, at="relu5, relu5")
    with raises(CutError, "zoo:resnet20-a: the network cannot be cut at layer1.0.conv1"):
        fuse(sides, at=["relu5", "layer1.0.conv1"])
    four = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    with raises(PlanError, "networks of 10 (zoo:tiny10-a), 4 (module:Sequential) classes", "num_classes=4"):
        fuse([sides[0], four], example=images)
    with raises(PlanError, "2 times example"):
        fuse([sides[0], four, four], example=[images, images])
    four.num_classes = 0
    with raises(PlanError, "has no head"):
        fuse([four], example=images)


def test_a_network_of_two_heads_gives_its_features(sides):
    spec = FusionSpec("add", 3, 8, 8)
    fusion = build_fusion([parent("timm:deit_tiny_distilled_patch16_224@none"), sides[0]], None, spec)
    assert isinstance(fusion, Fusion)
    assert fusion.shapes == ((192,), (64,))
    assert fusion(torch.rand(1, 3, 40, 40)).shape == (1, 3)
