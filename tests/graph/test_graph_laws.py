"""The laws of cutting, on every cut of many networks."""

import copy
from collections.abc import Callable, Sequence
from itertools import product

import pytest
import torch
import torchvision
from torch import Tensor, nn

from graph.networks import Decides, InPlace, Loose, Moody, ResNet20, Shapely, Tied, Tiny, loaded
from suture.errors import TraceError
from suture.graph import Traced, trace

models = torchvision.models

SMALL: dict[str, Callable[[], nn.Module]] = {
    "tiny": Tiny,
    "resnet20": ResNet20,
    "inplace": InPlace,
    "moody": Moody,
    "tied": Tied,
    "loose": Loose,
    "shapely": Shapely,
    "decides": Decides,
    "loaded tiny": lambda: loaded(Tiny()),
    "loaded resnet20": lambda: loaded(ResNet20()),
    "loaded decides": lambda: loaded(Decides()),
}


def woken(network: nn.Module) -> nn.Module:
    """Give the head weights: torchvision starts that of a ViT at zero, and zero is zero whatever was cut."""
    nn.init.normal_(network.heads.head.weight)
    return network


# The number of block cuts, and of all cuts.
LARGE: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "resnet18": (models.resnet18, (11, 22)),
    "efficientnet_b0": (models.efficientnet_b0, (40, 78)),
    "densenet121": (models.densenet121, (12, 24)),
    "mobilenet_v3_small": (models.mobilenet_v3_small, (28, 58)),
    "vit": (lambda: woken(models.VisionTransformer(32, 16, 12, 3, 192, 768)), (14, 32)),  # vit_b_16, a quarter as wide
}
TOLERANCE = 1e-5


def distance(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def example(network: nn.Module, side: int = 32) -> Tensor | None:
    return None if hasattr(network, "preprocess") else torch.rand(2, 3, side, side)


def state(network: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in (*network.parameters(), *network.buffers())]


def put_back(network: nn.Module, saved: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(network.buffers(), saved, strict=True):
            tensor.copy_(value)


def holds(network: nn.Module, traced: Traced, names: Sequence[str], batches: Sequence[Tensor]) -> None:
    """In both modes decoder(encoder(x)) is network(x), buffers included, and neither half changes what it is given."""
    before = [buffer.clone() for buffer in network.buffers()]
    told = []
    for training, images in product((False, True), batches):
        put_back(network, before)
        wanted = answer(network.train(training), images)
        told.append((training, images, wanted, [buffer.clone() for buffer in network.buffers()]))
    for number, name in enumerate(names):
        network.train(number % 2 == 0)
        encoder, decoder = traced.split(name)  # costs more than running both, so once
        assert encoder.training == decoder.training == network.training
        for training, images, wanted, after in told:
            put_back(network, before)
            network.train(training)
            given = answer(encoder.train(training), images)
            kept = given.clone()
            with torch.no_grad():
                ours = decoder.train(training)(given)
            assert distance(ours, wanted) <= TOLERANCE, (name, training)
            assert torch.equal(given, kept), f"the decoder at {name} writes to its input"
            assert given.shape[1:] == traced.find(name).shape
            for mine, yours in zip(network.buffers(), after, strict=True):
                assert torch.allclose(mine.float(), yours.float(), rtol=1e-5, atol=1e-6), (name, training)
    put_back(network, before)


@torch.no_grad()
def answer(module: nn.Module, images: Tensor) -> Tensor:
    torch.manual_seed(7)
    return module(images.clone())


def shares_state(network: nn.Module, traced: Traced, name: str) -> None:
    """Together the halves hold the network's own tensors, each under the network's name for it."""
    own = network.state_dict(keep_vars=True)
    encoder, decoder = traced.split(name)
    halves = {**encoder.state_dict(keep_vars=True), **decoder.state_dict(keep_vars=True)}
    assert halves.keys() == own.keys(), name
    assert all(halves[key] is own[key] for key in own), name


@pytest.mark.parametrize("name", SMALL)
def test_the_halves_are_the_network_at_every_cut(name: str) -> None:
    network = SMALL[name]()
    traced = trace(network, example(network))
    names = [cut.name for cut in traced.cuts(fine=True)]
    assert names
    holds(network, traced, names, (torch.rand(3, 3, 32, 32), 4 * torch.rand(5, 3, 32, 32)))


@pytest.mark.parametrize("name", LARGE)
def test_the_halves_are_the_network_at_every_cut_of_large_networks(name: str) -> None:
    make, counts = LARGE[name]
    network = make()
    images = torch.rand(2, 3, 32, 32)
    traced = trace(network, images)
    names = [cut.name for cut in traced.cuts(fine=True)]
    assert traced.tracer == "fx"
    assert (len(traced.cuts()), len(names)) == counts
    holds(network, traced, names, (images,))
    for cut in names[:: len(names) // 4]:
        shares_state(network, traced, cut)


@pytest.mark.parametrize("name", SMALL)
def test_the_halves_share_the_networks_own_state_under_its_own_names(name: str) -> None:
    network = SMALL[name]()
    traced = trace(network, example(network))
    for cut in traced.cuts(fine=True):
        shares_state(network, traced, cut.name)


@pytest.mark.parametrize("name", ["tiny", "loose", "shapely", "decides"])
def test_a_copied_half_is_independent(name: str) -> None:
    network = SMALL[name]().eval()
    images = torch.rand(2, 3, 32, 32)
    traced = trace(network, images)
    cut = traced.cuts(fine=True)[1]
    encoder, decoder = traced.split(cut.name)
    copied = copy.deepcopy(decoder)
    with torch.no_grad():
        given = encoder(images)
        wanted = copied(given)
        for parameter in decoder.parameters():
            parameter.zero_()
        assert torch.equal(copied(given), wanted)
        assert not torch.allclose(decoder(given), wanted)


@pytest.mark.parametrize("name", ["tiny", "decides"])
def test_training_a_half_trains_the_network(name: str) -> None:
    network = SMALL[name]().eval()
    traced = trace(network, torch.rand(2, 3, 32, 32))
    encoder, decoder = traced.split(traced.cuts()[0].name)
    decoder(encoder(torch.rand(2, 3, 32, 32))).sum().backward()
    used = [p for p in network.parameters() if p.grad is not None]
    assert len(used) >= len(list(network.parameters())) - 2
    decoder.train()
    held = [module for module in decoder.modules() if any(module is own for own in network.modules())]
    assert held
    assert all(module.training for module in held)


@pytest.mark.parametrize("name", SMALL)
def test_tracing_splitting_and_tapping_leave_no_sign(name: str) -> None:
    network = SMALL[name]()
    network.train()
    next(network.modules()).eval()
    kinds = [(module, module.training, dict(module.__dict__)) for module in network.modules()]
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()]
    saved, random_state = state(network), torch.get_rng_state()
    images = None if hasattr(network, "preprocess") else torch.rand(2, 3, 32, 32, generator=torch.Generator())
    kept = None if images is None else images.clone()
    traced = trace(network, images)
    cut = traced.cuts()[0].name
    traced.split(cut)
    traced.tap([cut])
    assert torch.equal(torch.get_rng_state(), random_state)
    assert images is None or (kept is not None and torch.equal(images, kept))
    assert all(torch.equal(a, b) for a, b in zip(saved, state(network), strict=True))
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules()]
    for (module, training, attributes), own in zip(kinds, network.modules(), strict=True):
        assert module is own
        assert module.training == training
        assert module.__dict__.keys() == attributes.keys()
        assert all(module.__dict__[key] is attributes[key] for key in attributes)


def test_what_fails_leaves_no_sign_either() -> None:
    network = Tiny().train()
    network.bn1.eval()
    saved = state(network)
    with pytest.raises(TraceError, match="the network fails"):
        trace(network, torch.rand(2, 3, 4, 4))
    assert network.training
    assert not network.bn1.training
    assert all(torch.equal(a, b) for a, b in zip(saved, state(network), strict=True))
