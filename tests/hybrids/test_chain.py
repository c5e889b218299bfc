"""The law of chains, and what a chain is."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from raising import raises
from small import sample_split
from suture import chain, load_hybrid
from suture.adapters import AdapterSpec
from suture.errors import AdapterError, CutError, PlanError, WeightsError
from suture.hybrids import Parent, find_seams, fit_macs, fronts, load, parent, save, stitch
from suture.sources import load as load_source
from suture.spec.plan import Plan

TINY, RESNET = "zoo:tiny10@none", "zoo:resnet20@none"
AT = (("relu3", "layer1.1"), ("layer2.1", "relu6"))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return sample_split(8).images.batch(range(8)).float() / 255


@pytest.fixture(scope="module")
def sides() -> tuple[Parent, Parent, Parent]:
    return parent(TINY), parent(RESNET), parent(TINY, seed=1)


@pytest.mark.parametrize("source", [TINY, RESNET])
@pytest.mark.parametrize("training", [False, True])
def test_a_chain_of_a_network_with_itself_through_identity_is_the_network(source, training, images):
    side = parent(source)
    names = [cut.name for cut in side.traced.cuts(fine=True)]
    for step in (1, 2, 5):
        for first in range(0, len(names) - 2 * step, 3):
            at = [(name, name) for name in names[first::step][:3]]
            hybrid = chain(*[side] * (len(at) + 1), at=at, adapter="identity")
            network = copy.deepcopy(side.network).train(training)
            hybrid.thaw(*hybrid.parts).train(training)
            with torch.no_grad():
                torch.testing.assert_close(hybrid(images), network(images), rtol=1e-5, atol=1e-5)


def test_a_chain_of_two_is_a_stitch(sides, images):
    a, b, _ = sides
    one = chain(a, b, at="relu3:layer1.1", images=images, classes=4, seed=3)
    other = stitch(a, b, ("relu3", "layer1.1"), images=images, classes=4, seed=3)
    assert one.plan == other.plan
    assert one.parts == ("encoder", "adapter", "decoder")
    assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())


def test_every_spelling_of_the_places_is_the_same(sides):
    spelled = (AT, [list(pair) for pair in AT], [":".join(pair) for pair in AT], "relu3:layer1.1, layer2.1:relu6")
    plans = {chain(*sides, at=at).plan for at in spelled}
    assert len(plans) == 1
    assert plans.pop().at == AT


def test_fitted_maps_of_a_network_to_itself_give_it_back(images):
    side = parent(TINY)
    hybrid = chain(side, side, side, at=[("relu2", "relu2"), ("relu6", "relu6")], images=images)
    with torch.no_grad():
        torch.testing.assert_close(hybrid(images), side.network(images), rtol=1e-3, atol=1e-3)


def test_a_chain_is_a_stitch_of_a_stitch(sides, images):
    """So the second adapter is fitted on what the chain gives, not on what the middle network would by itself."""
    b, a, c = sides
    whole = chain(a, b, c, at="layer1.1:relu3,relu5:relu6", images=images)
    first = stitch(a, b, "layer1.1:relu3", images=images)
    again = stitch(first, c, "decoder.relu5:relu6", images=images, example=images)
    torch.testing.assert_close(whole.adapter2.state_dict(), again.adapter.state_dict(), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(whole(images), again(images), rtol=1e-4, atol=1e-4)


def test_batches_fit_as_the_whole_does_if_they_can_be_read_again(sides, images):
    whole, batches = chain(*sides, at=AT, images=images), chain(*sides, at=AT, images=images.split(3))
    torch.testing.assert_close(batches.state_dict(), whole.state_dict())
    with raises(PlanError, "read once only", "images=list(images)"):
        chain(*sides, at=AT, images=iter(images.split(3)))


def test_it_holds_its_parts_and_nothing_else_and_costs_what_it_says(sides):
    hybrid = chain(*sides, at=AT).eval()
    seams = find_seams(sides, AT)
    front = fronts(sides, seams, hybrid.adapters)[1]
    (x, y), last = seams[0], front.counted(seams[1][0])
    assert last.params_before + sum(p.numel() for p in hybrid.adapter2.parameters()) + seams[1][1].params_after == sum(
        p.numel() for p in hybrid.parameters()
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hybrid(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() // 2 == last.macs_before + hybrid.adapter2.macs + seams[1][1].macs_after
    assert all(cut.name in sides[1].later(y) for cut in front.cuts)
    assert fit_macs(sides, seams, hybrid.adapters) == 0
    fitted = chain(*sides, at=AT, images=torch.rand(2, 3, 32, 32))
    wanted = x.macs_before + y.macs_before + last.macs_before + seams[1][1].macs_before
    assert fit_macs(sides, seams, fitted.adapters) == wanted


def test_what_a_chain_taps_is_what_its_pieces_give(sides, images):
    hybrid = chain(*sides, at=AT, images=images)
    front = fronts(sides[:2], find_seams(sides, AT)[:1], hybrid.adapters[:1])[1]
    with torch.no_grad():
        found = front.tap().eval()(images)
        for cut in front.cuts:
            torch.testing.assert_close(found[cut.name], nn.Sequential(*front.pieces(cut)).eval()(images))
    assert list(found) == ["layer1.2", "layer2.0", "layer2.1", "layer2.2", "layer3.0", "layer3.1", "layer3.2"]


def test_parts_are_frozen_by_name_or_kind(sides, images):
    hybrid = chain(*sides, sides[1], at=[*AT, ("relu8", "layer3.1")]).train()
    assert hybrid.parts == ("encoder", "adapter1", "middle1", "adapter2", "middle2", "adapter3", "decoder")
    assert hybrid.frozen == set(hybrid.pretrained) == {"encoder", "middle1", "middle2", "decoder"}
    assert {name for name in hybrid.parts if hybrid.get_submodule(name).training} == {
        "adapter1",
        "adapter2",
        "adapter3",
    }
    assert hybrid.thaw("middle").frozen == {"encoder", "decoder"}
    assert hybrid.freeze("middle1", "adapter").frozen == {"encoder", "decoder", "middle1", *hybrid.named("adapter")}
    assert {name.partition(".")[0] for name, p in hybrid.named_parameters() if p.requires_grad} == {"middle2"}
    hybrid.eval()
    with torch.no_grad():
        assert torch.equal(hybrid.tail(hybrid.encoder(images)), hybrid(images))
    with raises(PlanError, "no part 'head'", "encoder, adapter1, middle1"):
        hybrid.thaw("head")


def test_training_it_leaves_the_parents_alone(sides, images):
    before = [copy.deepcopy(side.network.state_dict()) for side in sides]
    hybrid = chain(*sides, at=AT, images=images)
    hybrid.thaw(*hybrid.parts).train()
    hybrid(images).square().mean().backward()
    torch.optim.SGD(hybrid.parameters(), 0.1).step()
    for side, state in zip(sides, before, strict=True):
        assert all(torch.equal(side.network.state_dict()[name], tensor) for name, tensor in state.items())
        assert not side.network.training


def test_each_network_may_have_its_own_example_and_each_join_its_own_adapter(images):
    torch.manual_seed(0)
    small = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.Flatten(), nn.Linear(1536, 5)
    )
    large = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    hybrid = chain(
        small,
        large,
        load_source(TINY),
        at=[("1", "0"), ("1", "relu4")],
        adapter=["identity", AdapterSpec(start="random")],
        example=[images, torch.rand(2, 3, 32, 32), None],
    )
    assert [spec.kind for spec in hybrid.plan.adapters] == ["identity", "linear"]
    assert [part.origin for part in hybrid.plan.parts] == ["module:Sequential", "module:Sequential", "zoo:tiny10@none"]
    assert hybrid(images).shape == (8, 10)
    with raises(PlanError, "3 times adapter where 2 are needed", "one adapter for all, or 2"):
        chain(small, large, small, at="0:0,0:0", adapter=["identity"] * 3, example=images)
    with raises(PlanError, "2 times example where 3 are needed"):
        chain(small, large, small, at="0:0,0:0", example=[images] * 2)


def test_without_places_everyone_gives_an_equal_share(sides):
    assert [(x.name, y.name) for x, y in find_seams(sides[:2])] == [("relu5", "layer2.1")]
    assert [(x.name, y.name) for x, y in find_seams(sides)] == [("relu3", "layer1.2"), ("layer2.2", "relu6")]


def test_a_plan_says_it_all_and_reads_back(sides):
    plan = chain(*sides, at=AT, classes=4).plan
    again = Plan.from_dict(json.loads(json.dumps(plan.as_dict())))
    assert (again, again.key, hash(again)) == (plan, plan.key, hash(plan))
    assert (plan.join, plan.new_head, plan.parts[1].cut, plan.parts[1].end) == ("chain", 4, "layer1.1", "layer2.1")
    assert chain(*sides, at=[AT[0], ("layer2.2", "relu6")], classes=4).plan.key != plan.key


@pytest.mark.parametrize("moved", [(), ("decoder",), ("middle", "decoder"), ("encoder", "middle1", "decoder")])
@pytest.mark.parametrize("classes", [None, 4])
def test_it_comes_back_from_disk_bit_for_bit(tmp_path, sides, images, moved, classes):
    sources = (TINY, RESNET, TINY)
    owners = sides[0], sides[1], sides[0]
    hybrid = chain(*owners, at=AT, images=images, classes=classes).thaw(*moved)
    with torch.no_grad():
        for part in ("adapter1", "adapter2", *(name for kind in moved for name in hybrid.named(kind))):
            for parameter in hybrid.get_submodule(part).parameters():
                parameter.add_(0.01)
    save(hybrid, tmp_path, sources)
    again = load(tmp_path, owners)
    assert (again.plan, again.frozen) == (hybrid.plan, hybrid.frozen)
    with torch.no_grad():
        assert torch.equal(again(images), hybrid.eval()(images))
        assert torch.equal(load_source(f"run:{tmp_path}")(images), hybrid(images))
        assert torch.equal(load_hybrid(tmp_path, *sources)(images), hybrid(images))


def test_it_needs_all_its_parents_and_these_very_ones(tmp_path, sides):
    save(chain(*sides, at=AT), tmp_path)
    with raises(
        PlanError, "2 parents for a hybrid of 3 networks", "zoo:tiny10@none, zoo:resnet20@none, zoo:tiny10@none"
    ):
        load(tmp_path, sides[:2])
    with raises(WeightsError, "now has weights"):
        load(tmp_path, sides[::-1])


def test_a_chain_can_be_cut_and_joined_again(tmp_path, sides, images):
    save(chain(*sides, at=AT, images=images), tmp_path, (TINY, RESNET, "zoo:tiny10@none"), full=True)
    side = parent(f"run:{tmp_path}")
    assert {"adapter1", "adapter2"} <= {cut.name for cut in side.traced.cuts()}
    assert chain(side, sides[1], at="adapter1:layer1.1")(images).shape == (8, 10)


def test_what_cannot_be_chained_is_said(sides):
    with raises(CutError, "in zoo:resnet20@none, layer1.1 is not computed after layer2.1", "layer2.2"):
        chain(*sides, at=[("relu3", "layer2.1"), ("layer1.1", "relu6")])
    with raises(CutError, "layer1.1 is not computed after layer1.1"):
        chain(*sides, at=[("relu3", "layer1.1"), ("layer1.1", "relu6")])
    last = sides[1].traced.cuts(fine=True)[-1].name
    with raises(CutError, f"an earlier layer than {last}"):
        chain(*sides, at=[("relu3", last), ("layer1.1", "relu6")])
    with raises(CutError, "no layer 'layer9'"):
        chain(*sides, at=[("relu3", "layer1.1"), ("layer9", "relu6")])
    with raises(PlanError, "joins 2 networks, and there are 3", "X1:Y1,X2:Y2"):
        chain(*sides, at="relu3:layer1.1")
    for at in ([("relu3",), AT[1]], ["relu3", "layer1.1"], [], 7, [("relu3", 5), AT[1]]):
        with raises(PlanError, "names no two layers", "X:Y"):
            chain(*sides, at=at)
    with raises(PlanError, "a chain of 1", "two networks or more"):
        chain(sides[0], at=AT)
    with raises(AdapterError):
        chain(*sides, at=AT, adapter="identity")


def test_what_is_fitted_starts_at_random_without_images_and_a_fitted_mask_does_not():
    spec = AdapterSpec(start="orthogonal", weighting="activation")
    hybrid = stitch("zoo:tiny10-a", "zoo:tiny10-b", "relu3:relu3", adapter=spec)
    assert hybrid.plan.adapter == AdapterSpec(start="random")
    assert hybrid.adapter.map.weight.any()
    with raises(PlanError, "no images to find it from"):
        stitch("zoo:tiny10-a", "zoo:tiny10-b", "relu3:relu3", adapter=AdapterSpec(mask="semi-match"))
    drawn = AdapterSpec(mask="random-permutation")
    assert stitch("zoo:tiny10-a", "zoo:tiny10-b", "relu3:relu3", adapter=drawn).adapter.matrix.any()
