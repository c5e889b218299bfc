"""Patching: what is added, what is kept, and what is refused with nothing built."""

import copy

import pytest
import timm
import torch
from torch import nn
from torch.nn.utils import prune
from torchvision.models import VisionTransformer

import suture
from raising import raises
from small import sample_split
from suture.errors import PlanError, SourceError
from suture.graph import Network
from suture.hybrids import HybridModel, model_of, preview
from suture.hybrids.parent import Parent
from suture.sources import digest
from suture.spec.patch import Patch

TINY = "zoo:tiny10-a"


@pytest.fixture(scope="module")
def tiny() -> Network:
    return suture.load(TINY)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return sample_split(16).images.batch(range(16)).float() / 255


def test_a_source_becomes_a_network_that_takes_images(images, tiny):
    found = suture.patch(TINY, {"relu3": {"wrap": "se"}})
    assert isinstance(found, Network)
    assert isinstance(found.body, HybridModel)
    assert found.classes == tiny.classes
    assert found.plan is found.body.plan
    assert [part.origin for part in found.plan.parts] == [TINY]
    assert found(images).shape == tiny(images).shape
    assert not torch.allclose(found(images), tiny(images))


def test_no_patch_changes_nothing(images, tiny):
    found = suture.patch(tiny, {})
    assert torch.equal(found(images), tiny(images))
    assert list(found.state_dict()) == list(tiny.state_dict())


def test_the_network_that_is_patched_stays_as_it_was(images, tiny):
    before, state = tiny(images), digest(tiny.state_dict())
    suture.patch(tiny, {"*": {"wrap": "se"}}, num_classes=4, dropout=0.5)
    assert torch.equal(tiny(images), before)
    assert digest(tiny.state_dict()) == state


@pytest.mark.parametrize("operation", ["wrap", "inject"])
@pytest.mark.parametrize("block", ["se", "cbam_block", "simam", "mbconv", "conv_bn_act"])
def test_blocks_that_start_as_the_identity_leave_the_answers_bit_for_bit(images, tiny, operation, block):
    patches = {"relu*": {operation: block}}
    found = suture.patch(tiny, patches, identity_start=True)
    assert torch.equal(found(images), tiny(images))
    plain = suture.patch(tiny, patches)
    blocks = len(model_of(found).changes)
    assert blocks > 3
    assert model_of(found).count_parameters() == model_of(plain).count_parameters() + blocks


def test_the_count_of_parameters_goes_up_by_what_was_added(tiny):
    found = model_of(suture.patch(tiny, {"relu3": [{"wrap": "se"}, {"inject": "eca"}], "conv2": {"wrap": "lora"}}))
    own = sum(p.numel() for p in tiny.parameters())
    assert found.count_parameters() == own + sum(change.parameters for change in found.changes)
    assert [change.block for change in found.changes] == ["relu3.se", "relu3.eca", "conv2.lora"]
    for change in found.changes:
        assert change.parameters == sum(p.numel() for p in found.get_submodule(change.block).parameters())


def test_what_is_added_has_a_say(images, tiny):
    found = suture.patch(tiny, {"relu3": {"wrap": "se"}, "relu2": {"inject": {"type": "eca", "position": "before"}}})
    before = found(images)
    for change in model_of(found).changes:
        changed = copy.deepcopy(found)
        with torch.no_grad():
            for parameter in model_of(changed).get_submodule(change.block).parameters():
                parameter.add_(0.5)
        assert not torch.allclose(changed(images), before), change.block


def test_operations_on_one_layer_run_in_their_order(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 32 * 32, 2))
    patches = {"1": [{"wrap": "se"}, {"inject": "eca"}, {"inject": {"type": "simam", "position": "before"}}]}
    found = suture.patch(network, patches, example=images)
    assert [one.name for one in found.get_submodule("1").added] == ["se", "eca", "simam"]
    first, layer, last = found.get_submodule("0"), found.get_submodule("1"), found.get_submodule("3")
    x = layer.eca(layer.se(layer.simam(first(images)).relu()))
    torch.testing.assert_close(found(images), last(x.flatten(1)))


def test_a_pattern_stands_for_components_not_for_dots():
    found = model_of(suture.patch("zoo:resnet20-a", {"layer*.1": {"wrap": "se"}}))
    assert [change.layer for change in found.changes] == ["layer1.1", "layer2.1", "layer3.1"]


def test_a_second_block_of_a_kind_has_a_number(tiny):
    found = model_of(suture.patch(tiny, {"relu3": {"wrap": ["se", "se"]}}))
    assert [change.block for change in found.changes] == ["relu3.se", "relu3.se2"]
    first, second = (found.get_submodule(f"relu3.{name}").fc1.weight for name in ("se", "se2"))
    assert not torch.equal(first, second)


def test_the_seed_decides_what_is_new(tiny):
    one, same, other = (
        digest(suture.patch(tiny, {"relu3": {"wrap": "se"}}, num_classes=4, seed=seed).state_dict())
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_replacement_keeps_width_and_resolution_by_itself(images):
    patches = {"layer2": {"replace": "conv_bn_act"}, "layer3.1": {"replace": {"type": "bottleneck"}}}
    found = suture.patch("zoo:resnet20-a", patches)
    assert found(images).shape == (16, 10)
    assert not any(name.startswith("layer2.0") for name in found.state_dict())
    assert any(name.startswith("layer2.conv_bn_act") for name in found.state_dict())
    own = suture.load("zoo:resnet20-a")
    changes = model_of(found).changes
    counts = [sum(p.numel() for p in network.parameters()) for network in (own, found)]
    assert counts[1] - counts[0] == sum(change.parameters for change in changes)


def test_patches_say_of_themselves_what_they_change(tiny):
    changes = preview(Parent(tiny), [Patch("relu3", "wrap", "se")])
    assert [change.as_dict() for change in changes] == [
        {
            "target": "relu3",
            "operation": "wrap",
            "block": "se",
            "layer": "relu3",
            "name": "relu3.se",
            "layout": "NCHW",
            "shape": [32, 13, 13],
            "out": [32, 13, 13],
            "parameters_added": 32 * 2 + 2 + 2 * 32 + 32,
        }
    ]


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        ({"relu13": {"wrap": "se"}}, ("relu13", "relu3")),
        ({"relu33": {"wrap": "se"}}, ("relu33", "relu3")),
        ({"r*.x": {"wrap": "se"}}, ("r*.x",)),
        ({"relu3": {"wrap": "sse"}}, ("'sse'", "se")),
        ({"relu3": {"wrapp": "se"}}, ("'wrapp'", "wrap")),
        ({"relu3": {"wrap": {"type": "se", "params": {"reductoin": 4}}}}, ("reductoin", "reduction=4")),
        ({"relu3": {"wrap": {"type": "se", "params": {"reduction": "much"}}}}, ("reduction='much'",)),
        ({"relu3": {"wrap": {"type": "se", "parms": {}}}}, ("parms", "params")),
        ({"relu3": {"wrap": {"params": {}}}}, ("type: missing",)),
        ({"relu3": "se"}, ("'se' is no operation",)),
        ({"relu3": {"wrap": 3}}, ("3 is no block",)),
        ({"relu3": {"inject": {"type": "se", "position": "behind"}}}, ("'behind'", "before")),
        ({"relu3": {"wrap": {"type": "se", "position": "before"}}}, ("only inject",)),
        ({"relu3": {"replace": {"type": "conv_bn_act", "identity_start": True}}}, ("no identity",)),
        ({"relu3": {"wrap": {"type": "se", "identity_start": 1}}}, ("true or false",)),
        ({"relu3": {"wrap": {"type": "se", "params": [1]}}}, ("no parameters",)),
        ({3: {"wrap": "se"}}, ("3 is no name",)),
        (["relu3"], ("no mapping",)),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_built(tiny, patches, words):
    with raises(PlanError, *words):
        suture.patch(tiny, patches)


def test_everything_that_is_wrong_is_told_at_once(tiny):
    with raises(PlanError, "relu3.wrap: there is no block 'sse'", "relu2.wrapp: there is no operation 'wrapp'"):
        suture.patch(tiny, {"relu3": {"wrap": "sse"}, "relu2": {"wrapp": "se"}})


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        (
            {"relu3": {"inject": {"type": "conv_bn_act", "params": {"stride": 2}}}},
            ("32x7x7", "32x13x13", "allow_change"),
        ),
        ({"relu3": {"replace": {"type": "conv_bn_act", "params": {"channels": 7}}}}, ("7x13x13", "32x13x13")),
        ({"relu3": {"wrap": "gem"}}, ("32x1x1", "32x13x13")),
    ],
)
def test_another_width_or_resolution_is_refused(tiny, patches, words):
    with raises(PlanError, *words):
        suture.patch(tiny, patches)


def test_another_resolution_is_taken_where_it_is_asked_for(images):
    halved = {"type": "conv_bn_act", "params": {"stride": 2}, "allow_change": True}
    network = suture.patch("zoo:resnet20-a", {"layer1": [{"inject": halved}, {"wrap": "se"}]})
    assert network(images).shape == (16, 10)
    assert model_of(network).changes[1].shape == (16, 16, 16)


def test_what_the_network_cannot_go_on_with_is_refused(tiny):
    narrow = {"type": "conv_bn_act", "params": {"channels": 7}, "allow_change": True}
    with raises(PlanError, "the network fails with inject relu3=conv_bn_act"):
        suture.patch(tiny, {"relu3": {"inject": narrow}})


class Borrowing(nn.Module):
    """Reads the weights of a layer that it never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.never = nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x):
        return nn.functional.linear(self.first(x.flatten(1)), self.never.weight)


def test_a_layer_that_never_runs_cannot_be_patched():
    with raises(PlanError, "never runs as a layer"):
        suture.patch(Borrowing(), {"never": {"wrap": "lora"}}, example=torch.rand(2, 3, 2, 2))


def vit() -> nn.Module:
    torch.manual_seed(0)
    network = VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=5)
    nn.init.normal_(network.heads.head.weight)  # torchvision's begins at zero
    return network


@pytest.mark.parametrize("target", ["encoder.ln", "encoder.layers.encoder_layer_2", "encoder.layers.encoder_layer_0"])
@pytest.mark.parametrize("block", ["se", "eca", "channel_attention", "gc", "non_local", "lora"])
def test_class_tokens_hear_of_blocks_to_which_all_cells_are_alike(images, target, block):
    if block == "lora":
        target = "encoder.layers.encoder_layer_2.mlp.0"
    wide = {"reduction": 1} if block in ("se", "channel_attention") else {}  # a single hidden unit may be dead
    model = suture.patch(vit(), {target: {"wrap": {"type": block, "params": wide}}}, example=images)
    before = model(images)
    with torch.no_grad():
        for parameter in model.get_submodule(model.changes[0].block).parameters():
            parameter.add_(torch.randn_like(parameter))
    assert not torch.allclose(model(images), before)


def test_a_block_that_no_answer_depends_on_is_refused(images):
    assert suture.patch(vit(), {"encoder.layers.encoder_layer_0": {"wrap": "spatial_attention"}}, example=images)
    with raises(PlanError, "encoder.ln.spatial_attention has no say", "an earlier layer"):
        suture.patch(vit(), {"encoder.ln": {"wrap": "spatial_attention"}}, example=images)


def test_a_head_that_begins_at_zero_does_not_silence_what_is_before_it(images):
    network = VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=5)
    assert not network.heads.head.weight.any()
    assert suture.patch(network, {"encoder.ln": {"wrap": "channel_attention"}}, example=images)


class Counting(nn.Module):
    """Its answer has no gradient: it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return (self.first(x) > 0).float().sum((2, 3))


class Stepping(torch.autograd.Function):
    @staticmethod
    def forward(_context, x):
        return x.sign()

    @staticmethod
    def backward(_context, *_slopes):
        raise RuntimeError("no gradient")


class Abrupt(Counting):
    def forward(self, x):
        return Stepping.apply(self.first(x)).sum((2, 3))


def test_where_gradients_cannot_be_had_nothing_is_said_of_them(images):
    assert suture.patch(Abrupt(), {"first": {"wrap": "se"}}, example=images)
    with raises(PlanError, "first.se has no say"):
        suture.patch(Counting(), {"first": {"wrap": "se"}}, example=images)


class Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.last = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.recurrent(x)[0].mean(1))


def test_a_layer_that_gives_several_tensors_cannot_be_wrapped():
    with raises(PlanError, "recurrent, a GRU, gives no single tensor"):
        suture.patch(Pairs(), {"recurrent": {"wrap": "se"}}, example=torch.rand(2, 5, 4))
    with raises(PlanError, "recurrent, a GRU, gives no single tensor"):
        suture.patch(Pairs(), {"recurrent": {"replace": "se"}}, example=torch.rand(2, 5, 4))


def test_a_plain_module_wants_an_example_and_gives_a_model(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    found = suture.patch(network, {"1": {"wrap": "cbam_block"}}, example=images, num_classes=5)
    assert isinstance(found, HybridModel)
    assert found(images).shape == (16, 5)
    assert found.plan.new_head == 5
    with raises(suture.errors.TraceError, "example"):
        suture.patch(network, {"1": {"wrap": "se"}})


def test_classes_are_a_number(tiny):
    with raises(PlanError, "num_classes=0"):
        suture.patch(tiny, {"relu3": {"wrap": "se"}}, num_classes=0)


def test_dropout_is_a_chance(tiny):
    with raises(PlanError, "dropout=1.5"):
        suture.patch(tiny, {}, dropout=1.5)


def test_a_network_that_was_not_patched_has_no_model(tiny):
    with raises(PlanError, "no patched network", "suture.patch"):
        model_of(tiny)


def test_an_unknown_source_is_told_first():
    with raises(SourceError, "tiny10"):
        suture.patch("zoo:tiny", {"relu3": {"wrap": "se"}})


def test_a_patched_network_is_stitched_fused_and_patched_again(images, tiny):
    patched = suture.patch(tiny, {"relu3": {"wrap": "se"}})
    stitched = suture.stitch(patched, tiny, ("relu5", "relu5"), adapter="identity")
    assert stitched(images).shape == (16, 10)
    assert suture.fuse([patched, tiny], num_classes=3)(images).shape == (16, 3)
    twice = suture.patch(patched, {"relu3": {"wrap": "eca"}}, identity_start=True)
    assert torch.equal(twice(images), patched(images))


def test_a_layer_inside_one_that_was_replaced_is_gone():
    patches = {"layer3": {"replace": "conv_bn_act"}, "layer3.1": {"wrap": "se"}}
    for order in (patches, dict(reversed(patches.items()))):
        with raises(PlanError, "layer3"):
            suture.patch("zoo:resnet20-a", order)


def test_what_was_put_around_a_layer_stays_when_it_is_replaced():
    own = model_of(suture.patch("zoo:resnet20-a", {}))
    found = model_of(suture.patch("zoo:resnet20-a", {"layer3": [{"wrap": "se"}, {"replace": "conv_bn_act"}]}))
    added = found.count_parameters() - own.count_parameters()
    assert added == sum(change.parameters for change in found.changes)
    assert any(name.startswith("layer3.se.") for name in found.state_dict())


@pytest.mark.parametrize("block", ["conv_bn_act", "bottleneck", "mbconv", "se"])
@pytest.mark.parametrize("start", [False, True])
def test_what_comes_after_a_block_may_write_to_its_output_in_training(images, block, start):
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 2)
    )  # fmt: skip
    model = suture.patch(network, {"1": {"inject": block}}, example=images, identity_start=start).train()
    model(images).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_an_identity_start_hides_no_change_of_shape(tiny):
    one = {"type": "conv_bn_act", "params": {"channels": 1}}
    with raises(PlanError, "1x13x13", "32x13x13"):
        suture.patch(tiny, {"relu3": {"inject": one}}, identity_start=True)


def test_a_layer_under_two_names_is_patched_once_by_either(images):
    relu = nn.ReLU()
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), relu, nn.Conv2d(4, 4, 3, padding=1), relu, nn.Flatten(), nn.Linear(4096, 2)
    )
    for target in ("1", "3", "[13]"):
        found = suture.patch(network, {target: {"wrap": "se"}}, example=images)
        assert len(found.changes) == 1
        assert found.get_submodule("1") is found.get_submodule("3")


def test_a_network_that_cannot_be_copied_is_told(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    prune.l1_unstructured(network[0], "weight", 0.5)
    with raises(PlanError, "cannot be copied", "prune.remove"):
        suture.patch(network, {"1": {"wrap": "se"}}, example=images)


def test_a_patched_head_is_known_again_and_not_replaced_behind_its_blocks(tiny):
    name = model_of(suture.patch(tiny, {})).head_name
    patched = suture.patch(tiny, {name: {"wrap": "lora"}})
    assert model_of(suture.patch(patched, {"relu3": {"wrap": "se"}})).head_names == (name,)
    with raises(PlanError, f"the head of this HybridModel, {name}, is patched", "num_classes"):
        suture.patch(patched, {}, num_classes=4)


def test_what_was_frozen_stays_so_when_it_is_patched_again():
    first = suture.patch("zoo:resnet20-a", {"layer3": {"wrap": "se"}})
    model_of(first).freeze_backbone([2])
    second = suture.patch(first, {"layer1": {"wrap": "eca"}})
    assert model_of(second).frozen == model_of(first).frozen
    assert not model_of(second).train().get_submodule("layer1").training
    learning = {name for name, p in model_of(second).named_parameters() if p.requires_grad}
    assert {"layer1.eca.conv.weight", "layer3.se.fc1.weight", "layer3.0.conv1.weight"} <= learning
    assert "layer1.0.conv1.weight" not in learning
    model_of(first).freeze("head")
    fresh = model_of(suture.patch(first, {}, num_classes=4))
    assert "head" not in fresh.frozen
    assert fresh.get_parameter(f"{fresh.head_name}.weight").requires_grad


def test_a_new_head_is_told_to_the_network_that_was_patched_before(images):
    own = timm.create_model("resnet10t", stem_width=8, channels=(8, 8, 8, 8))
    once = suture.patch(own, {"layer3": {"wrap": "se"}}, example=images)
    again = suture.patch(once, {}, num_classes=5, example=images)
    assert (again.num_classes, once.num_classes, own.num_classes) == (5, 1000, 1000)
