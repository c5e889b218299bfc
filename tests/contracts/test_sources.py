"""What every kind of source keeps to, whatever it loads."""

import json
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

import suture.hybrids  # noqa: F401  (registers the run: source)
from raising import raises
from suture.errors import SourceError
from suture.graph import Network
from suture.sources import LOADERS, digest, load
from suture.sources.zoo import ARCHITECTURES
from suture.spec.source import Source, parse_source

CODE = """
from torch import nn

def make(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, num_classes),
    )
"""


def python(place) -> str:
    (place / "nets.py").write_text(CODE)
    return f"python:{place / 'nets.py'}:make"


def run(place) -> str:
    """What ``suture train`` leaves behind."""
    network = load("zoo:tiny10@none", seed=3)
    classes = [f"class {k}" for k in range(10)]
    told = {"source": "zoo:tiny10@none", "classes": classes, "new_head": False}
    (place / "network.json").write_text(json.dumps(told))
    save_file(network.state_dict(), place / "weights.safetensors")
    return f"run:{place}"


def random_zoo(name, _place) -> str:
    return f"zoo:{name}@none"


MAKERS = {
    "zoo": lambda _place: "zoo:tiny10@none",
    "torchvision": lambda _place: "torchvision:squeezenet1_1@none?size=64",
    "timm": lambda _place: "timm:mobilenetv3_small_050@none?size=64",
    "python": python,
    "run": run,
}
UNKNOWN = {
    "zoo": ("zoo:tiny10-c@none", "zoo:tiny10-"),
    "torchvision": ("torchvision:resnet81", "torchvision:resnet18"),
    "timm": ("timm:resnet81", "timm:resnet18"),
    "python": ("python:torchvision.models:resnet81", "resnet18"),
    "run": ("run:runs/nowhere", "run:"),
}


def test_every_kind_is_tested():
    assert set(MAKERS) == set(UNKNOWN) == set(LOADERS)


# Each kind, and every architecture of the zoo.
CASES = MAKERS | {f"zoo:{name}": partial(random_zoo, name) for name in (*ARCHITECTURES, "resnet20-w2")}


@pytest.fixture(params=sorted(CASES))
def source(request, tmp_path) -> str:
    return CASES[request.param](tmp_path)


@pytest.fixture
def network(source) -> Network:
    return load(source, trust_code=True)


def test_a_network_is_ready_to_ask(network, source):
    assert isinstance(network, Network)
    assert not any(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())
    assert network.licence
    assert network.origin.startswith(f"{parse_source(source).kind}:")


def test_images_of_any_size_become_logits(network):
    sizes = [(32, 32), (40, 57), (57, 40), (224, 225)]
    logits = [network(torch.rand(2, 3, *size)) for size in sizes]
    assert all(part.shape == logits[0].shape and part.isfinite().all() for part in logits)
    assert len(logits[0]) == 2
    assert network.classes is None or len(network.classes) == logits[0].shape[1]


def test_each_image_is_judged_alone(network):
    images = torch.rand(3, 3, 32, 32)
    together = network(images)
    torch.testing.assert_close(torch.cat([network(image[None]) for image in images]), together, rtol=1e-4, atol=1e-5)


def test_an_origin_holds_no_path(network, tmp_path):
    assert str(tmp_path) not in network.origin
    assert "/" not in network.origin
    assert parse_source(network.origin).origin == network.origin


def test_loading_twice_gives_the_same_and_leaves_the_random_state(source):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = load(source, trust_code=True)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    second = load(parse_source(source), trust_code=True)
    assert digest(first.state_dict()) == digest(second.state_dict())
    images = torch.rand(1, 3, 40, 32)
    assert torch.equal(first(images), second(images))
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


def test_weights_saved_are_weights_loaded(source, network, tmp_path):
    parsed = parse_source(source)
    if parsed.kind == "run":
        pytest.skip("a run brings its weights")
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    again = load(
        Source(parsed.kind, parsed.name, str(tmp_path / "w.safetensors"), parsed.override), trust_code=True, seed=9
    )
    assert digest(again.state_dict()) == digest(network.state_dict())


@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_an_unknown_name_gets_the_nearest(kind):
    source, near = UNKNOWN[kind]
    with raises(SourceError, source.rpartition(":")[2].partition("@")[0], near):
        load(source, trust_code=True)


def test_a_kind_that_nothing_loads():
    with raises(SourceError, "nothing loads keras: sources", "zoo"):
        load(Source("keras", "resnet18"))
