"""What every block keeps to: each registered kind, on maps, tokens and vectors, wherever it can be."""

import copy
import pickle
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.blocks import Gate, Site, build, check, described, parameters_of
from suture.blocks.block import KINDS
from suture.errors import PlanError
from suture.graph.frames import Frame
from suture.spec.cut import Layout
from suture.spec.names import BLOCKS

C = 16
PLACES = {
    "map": (Layout.NCHW, (C, 6, 5), Frame((6, 5))),
    "small-map": (Layout.NCHW, (12, 1, 3), Frame((1, 3))),
    "last": (Layout.NHWC, (5, 7, C), Frame((5, 7))),
    "tokens": (Layout.NLC, (13, C), Frame((3, 4), extra=1)),
    "loose": (Layout.NLC, (10, C), Frame((10, 1), loose=True)),
    "channels-first-tokens": (Layout.NCL, (C, 12), Frame((3, 4))),
    "vector": (Layout.NC, (C,), Frame((1, 1))),
}
POOLS = {"gem"}
STARTS_AS_IDENTITY = {"gc", "non_local", "lora"}


def layer_of(layout: Layout, shape: tuple[int, ...]) -> nn.Module:
    """A layer that keeps the shape of an activation."""
    torch.manual_seed(11)
    if layout is Layout.NCHW:
        return nn.Conv2d(shape[0], shape[0], 3, padding=1)
    return nn.Conv1d(shape[0], shape[0], 3, padding=1) if layout is Layout.NCL else nn.Linear(shape[-1], shape[-1])


def site_of(place: str, operation: str) -> Site:
    layout, shape, frame = PLACES[place]
    return Site(place, operation, layout, shape, shape, frame, layer_of(layout, shape), given=shape)


class Patched(nn.Module):
    """A layer and its block, as patch has them, or the block alone."""

    def __init__(self, layer: nn.Module | None, block: nn.Module) -> None:
        super().__init__()
        self.layer, self.block = layer, block

    def forward(self, x: Tensor) -> Tensor:
        if self.layer is None:
            return self.block(x)
        y = self.layer(x)
        return self.block(x, y) if isinstance(self.block, Gate) else self.block(y)


@dataclass
class Case:
    kind: str
    site: Site
    net: Patched

    def batch(self, images: int = 3, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(images, *self.site.shape, generator=generator)


def made(kind: str, place: str, operation: str, seed: int = 0, awake: bool = True, **more) -> Case:
    """A block in eval mode; ``awake`` gives what begins at zero other values, so that all of it acts."""
    site = site_of(place, operation)
    # Of C / 16 hidden channels a ReLU may leave none awake.
    wide = {"reduction": 2} if "reduction" in parameters_of(kind) else {}
    block = build(kind, wide, site, seed=seed, **more)
    if awake:
        torch.manual_seed(5)
        for parameter in block.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.5)
    return Case(kind, site, Patched(site.layer if operation == "wrap" else None, block).eval())


def can_be(kind: str, place: str, operation: str) -> bool:
    """Whether there is such a block; one that sees the output of a layer alone is injected, as a wrap is the same."""
    try:
        block = build(kind, {}, site_of(place, operation))
    except PlanError:
        return False
    return operation == "inject" or isinstance(block, Gate)


ALL = [(kind, place, operation) for kind in sorted(KINDS) for place in PLACES for operation in ("wrap", "inject")]
CASES = [case for case in ALL if can_be(*case)]
ON_MAPS = [case for case in CASES if case[1] in ("map", "last")]


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    return made(*request.param)


def near(given: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-5)


def test_the_registry_holds_what_the_names_say():
    assert sorted(KINDS) == sorted(BLOCKS)


def test_every_kind_can_be_on_maps_and_grids_of_tokens():
    for kind in KINDS:
        found = {place for other, place, _ in CASES if other == kind}
        assert found >= set(PLACES) - {"loose", "vector"}
        if "vector" not in found:
            with raises(PlanError, "vector"):
                build(kind, {}, site_of("vector", "inject"))
        if "loose" not in found:
            with raises(PlanError, "no known grid"):
                build(kind, {}, site_of("loose", "inject"))


def test_shape_is_kept_and_nothing_is_written_to(case):
    for training in (True, False):
        case.net.train(training)
        x = case.batch().requires_grad_()
        y = x * 1  # writing to a leaf would raise, writing to this shows
        before = y.detach().clone()
        out = case.net(y)
        assert torch.equal(y, before)
        assert out.dtype == torch.float32
        assert out.isfinite().all()
        if case.kind in POOLS:
            assert case.site.layout not in (Layout.NCHW, Layout.NHWC) or out[0].numel() == case.site.channels
        else:
            assert out.shape == y.shape
    assert str(case.net)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_gate_leaves_both_that_it_sees_alone(kind):
    block = made(kind, "map", "wrap").net.block
    x, y = (torch.randn(2, C, 6, 5) for _ in range(2))
    values = [x, y] if isinstance(block, Gate) else [y]
    before = [value.clone() for value in values]
    for training in (True, False):
        block.train(training)(*values)
        assert all(map(torch.equal, values, before))


def test_gradients_reach_the_input_and_every_parameter(case):
    x = case.batch().requires_grad_()
    case.net.train()(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.flatten(1).abs().sum(1).gt(0).all()
    for name, parameter in case.net.block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_each_image_is_answered_alone(case):
    x = case.batch()
    near(torch.cat([case.net(x[k : k + 1]) for k in range(len(x))]), case.net(x))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_seed_decides_and_nothing_else(kind):
    site = site_of("map", "wrap" if kind == "lora" else "inject")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build(kind, {}, site, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = (build(kind, {}, site, seed=seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    random = {name for name in first if first[name].ndim > 1 and first[name].any()}
    assert all(not torch.equal(first[name], other[name]) for name in random)


@pytest.mark.parametrize(("kind", "place", "operation"), [case for case in CASES if case[0] not in POOLS])
def test_an_identity_start_is_one_and_costs_one_parameter(kind, place, operation):
    plain = made(kind, place, operation, awake=False)
    case = made(kind, place, operation, awake=False, identity_start=True)
    x = case.batch()
    wanted = x if case.net.layer is None else case.net.layer(x)
    assert torch.equal(case.net(x), wanted)
    count = [sum(p.numel() for p in one.net.block.parameters()) for one in (plain, case)]
    assert count[1] == count[0] + 1
    nn.init.ones_(case.net.block.alpha)
    near(case.net(x), plain.net(x))
    nn.init.zeros_(case.net.block.alpha)
    assert torch.equal(case.net.train()(x), wanted)


@pytest.mark.parametrize("kind", sorted(STARTS_AS_IDENTITY))
def test_blocks_that_promise_it_begin_as_the_identity(kind):
    case = made(kind, "map", "wrap", awake=False)
    assert torch.equal(case.net(case.batch()), case.net.layer(case.batch()))


def test_fx_follows_it(case):
    traced = torch.fx.symbolic_trace(case.net)
    near(traced(case.batch(2, seed=3)), case.net(case.batch(2, seed=3)))


def test_it_survives_copy_pickle_and_state_dict(case):
    x = case.batch()
    wanted = case.net(x)
    for again in (copy.deepcopy(case.net), pickle.loads(pickle.dumps(case.net))):
        assert torch.equal(again(x), wanted)
        for parameter in again.parameters():
            nn.init.zeros_(parameter)
        again.load_state_dict(case.net.state_dict())
        assert torch.equal(again(x), wanted)


@pytest.mark.parametrize(("kind", "place", "operation"), ON_MAPS)
def test_images_of_any_size_pass(kind, place, operation):
    case = made(kind, place, operation)
    for height, width in ((9, 4), (1, 1), (5, 5)):
        shape = (C, height, width) if place == "map" else (height, width, C)
        out = case.net(torch.randn(2, *shape))
        assert out.isfinite().all()
        if kind not in POOLS:
            assert out.shape[1:] == shape


@pytest.mark.parametrize(("kind", "place", "operation"), ON_MAPS)
def test_half_precision_and_memory_formats_agree(kind, place, operation):
    case = made(kind, place, operation)
    x = case.batch()
    if place == "map":
        near(case.net(x.contiguous(memory_format=torch.channels_last)), case.net(x))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = case.net(x)
    torch.testing.assert_close(mixed.float(), case.net(x), rtol=0.1, atol=0.1)
    halved = case.net.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert halved.dtype == torch.bfloat16
    assert halved.isfinite().all()


class EveryBlock(nn.Module):
    def __init__(self, operation: str) -> None:
        super().__init__()
        kinds = [kind for kind in sorted(KINDS) if kind != "lora" or operation == "wrap"]
        self.nets = nn.ModuleList(made(kind, "map", operation).net for kind in kinds)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [net(x) for net in self.nets]


@pytest.mark.parametrize("operation", ["wrap", "inject"])
def test_torch_exports_it(operation):
    network = EveryBlock(operation).eval()
    x = torch.randn(2, C, 6, 5)
    exported = torch.export.export(network, (x,)).module()
    for given, wanted in zip(exported(x), network(x), strict=True):
        near(given, wanted)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_parameters_have_defaults_that_pass_and_their_errors_name_them(kind):
    defaults = parameters_of(kind)
    check(kind, defaults)
    assert len(described(kind).split()) > 3
    with raises(PlanError, kind, "no parameter 'reductoin'", *(["reduction"] if "reduction" in defaults else [])):
        check(kind, {"reductoin": 4})
    for name in defaults:
        for wrong in ("many", True, -1 if name != "init" else float("inf"), float("nan")):
            with raises(PlanError, f"{kind} with {name}={wrong!r}"):
                build(kind, {name: wrong}, site_of("map", "wrap"))


@pytest.mark.parametrize("kind", [kind for kind in sorted(KINDS) if "reduction" in parameters_of(kind)])
def test_a_reduction_beyond_the_width_leaves_a_channel(kind):
    block = build(kind, {"reduction": 1000}, site_of("map", "inject"))
    x = torch.randn(2, C, 6, 5)
    assert block(x).shape == x.shape
