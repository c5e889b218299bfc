import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from raising import raises
from small import sample_split
from suture.errors import SourceError, WeightsError
from suture.graph import trace
from suture.sources import digest, load
from suture.sources.zoo import ARCHITECTURES, provenance
from suture.spec.names import BUNDLED, NORMS

# Parameters with 10 classes, and what a user finds in ``suture layers``.
EXPECTED = {
    "lenet": (62_006, "relu1 pool1 relu2 pool2 flatten relu3 relu4"),
    "dense": (1_105_510, "flatten relu1 relu2 relu3"),
    "tiny10": (86_778, "relu1 relu2 relu3 relu4 relu5 relu6 relu7 relu8"),
    "nbn-tiny10": (86_138, "relu1 relu2 relu3 relu4 relu5 relu6 relu7 relu8"),
    "resnet20": (272_474, "layer1.0 layer1.1 layer1.2 layer2.0 layer2.1 layer2.2 layer3.0 layer3.1 layer3.2"),
    "densenet-small": (304_082, "conv1 dense1.0 transition1 dense2.0 dense2.4 transition2 dense3.0 dense3.7 relu"),
    "mobilenet-small": (204_682, "block1.0 block2.0 block2.1 block3.0 block3.1 block4.0 block4.1 block4.2"),
    "inception-v1": (
        5_991_082,
        "pool1 pool2 inception3a inception3b pool3 inception4a inception4b inception4c inception4d inception4e "
        "pool4 inception5a inception5b",
    ),
}


def small(name):
    """At 32x32 whatever its own size."""
    return load(f"zoo:{name}@none?size=32")


def test_every_architecture_is_described():
    assert set(EXPECTED) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_architecture_is_cut_at_its_layers(name):
    parameters, layers = EXPECTED[name]
    network = small(name)
    traced = trace(network)
    found = [cut.name for cut in traced.cuts() if cut.block]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert set(layers.split()) <= set(found)
    assert traced.tracer == "fx"
    images = torch.rand(2, 3, 32, 32)
    for cut in found:
        encoder, decoder = traced.split(cut)
        assert torch.equal(decoder(encoder(images)), network(images)), cut


@pytest.mark.parametrize("name", EXPECTED)
def test_an_architecture_learns(name):
    """Sixty-four photographs by heart, from its own initial weights, with a plain optimizer."""
    network, split = small(name).train(), sample_split(64)
    images, labels = split.images.batch(range(64)).float() / 255, split.labels
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    right = 0.0
    torch.manual_seed(0)
    for _epoch in range(20):
        right = 0.0
        for part in torch.arange(64).split(32):
            logits = network(images[part])
            right += float((logits.argmax(1) == labels[part]).sum()) / 64
            optimizer.zero_grad()
            F.cross_entropy(logits, labels[part]).backward()
            optimizer.step()
        if right > 0.7:
            break
    assert right > 0.7


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_wider_resnet20(factor):
    network, plain = load(f"zoo:resnet20-w{factor}@none"), load("zoo:resnet20@none")
    assert network.origin == f"zoo:resnet20-w{factor}@none"
    for wide, narrow in zip(network.body.layer2.parameters(), plain.body.layer2.parameters(), strict=True):
        assert wide.numel() == narrow.numel() * factor ** (2 if wide.ndim == 4 else 1)
    widths = [trace(network).find(f"layer{stage}").channels for stage in (1, 2, 3)]
    assert widths == [16 * factor, 32 * factor, 64 * factor]
    assert (digest(network.state_dict()) == digest(plain.state_dict())) == (factor == 1)


@pytest.mark.parametrize("factor", ["0", "x", "", "K", "04", "33", "100", "-1", "2.5", "4-a"])
def test_a_factor_that_is_none(factor):
    with raises(SourceError, f"the zoo has no 'resnet20-w{factor}'", "whole number from 1 to 32", "zoo:resnet20-w4"):
        load(f"zoo:resnet20-w{factor}@none")


@pytest.mark.parametrize("name", [*EXPECTED, "resnet20-w2"])
def test_a_file_tells_the_classes_of_any_architecture(name, tmp_path):
    state = load(f"zoo:{name}@none", num_classes=7, seed=5).state_dict()
    save_file(state, tmp_path / "seven.safetensors")
    network = load(f"zoo:{name}@{tmp_path / 'seven.safetensors'}")
    assert digest(network.state_dict()) == digest(state)
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 7)


def test_inception_is_for_photographs_and_takes_small_ones():
    network = load("zoo:inception-v1@none", num_classes=40)
    assert network.preprocess.size == network.input_size == 224
    mean = tuple(round(v, 4) for v in network.preprocess.mean.flatten().tolist())
    assert mean == NORMS["imagenet"][0]
    for size in (32, 33, 64, 100):
        assert network.body(torch.rand(1, 3, size, size)).shape == (1, 40)


@pytest.mark.parametrize("name", ["lenet", "dense"])
def test_a_network_of_a_fixed_size_takes_no_other(name):
    with raises(SourceError, f"zoo:{name}@none?size=48 does not work at this size", "no ?size="):
        load(f"zoo:{name}@none?size=48")


@pytest.fixture
def seven(tmp_path):
    """A Tiny10 of seven classes, in a file."""
    path = tmp_path / "seven.safetensors"
    save_file(load("zoo:tiny10@none", num_classes=7, seed=5).state_dict(), path)
    return path


@pytest.mark.parametrize("name", ["tiny10", "tiny10-b"])
def test_weights_from_a_file_bring_their_classes(seven, name):
    network = load(f"zoo:{name}@{seven}")
    assert digest(network.state_dict()) == digest(load_file(seven))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    assert network.origin == f"zoo:{name}@seven.safetensors"
    assert network.classes is None
    assert network.licence == "unknown"


@pytest.mark.parametrize("name", [*ARCHITECTURES, *BUNDLED])
def test_random_weights_by_seed(name):
    one, same, other = (digest(load(f"zoo:{name}@none", seed=seed).state_dict()) for seed in (0, 0, 1))
    assert load(f"zoo:{name}@none", num_classes=4)(torch.rand(2, 3, 32, 32)).shape == (2, 4)
    assert one == same
    assert one != other


def test_the_zoo_normalises_for_cifar10():
    preprocess = load("zoo:tiny10@none").preprocess
    mean, std = (tuple(round(v, 4) for v in part.flatten().tolist()) for part in (preprocess.mean, preprocess.std))
    assert (mean, std) == NORMS["cifar10"]
    assert preprocess.size == 32


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("zoo:tiny11", ["the zoo has no 'tiny11'", "zoo:tiny10"]),
        ("zoo:resnet18@none", ["no 'resnet18'", "zoo:resnet20"]),
        ("zoo:tiny10", ["zoo:tiny10 has no weights of its own", "zoo:tiny10@none", "instead:  zoo:tiny10-a"]),
        ("zoo:lenet", ["zoo:lenet has no weights of its own", "instead:  zoo:lenet@none, or suture train zoo:lenet"]),
        ("zoo:resnet20-w3", ["zoo:resnet20-w3 has no weights", "instead:  zoo:resnet20-w3@none"]),
        ("zoo:incepton-v1@none", ["no 'incepton-v1'", "resnet20-wK", "instead:  zoo:inception-v1"]),
        ("zoo:resnet20w8@none", ["no 'resnet20w8'", "zoo:resnet20-w4"]),
        ("zoo:resnet20@best", ["no weights named 'best'", "zoo:resnet20-"]),
        ("zoo:tiny10-a@best", ["no weights named 'best'", "zoo:tiny10-a"]),
    ],
)
def test_what_the_zoo_has_not(source, words):
    with raises(SourceError, *words):
        load(source)


def test_a_file_of_another_network_says_which_keys(seven, tmp_path):
    with raises(WeightsError, "seven.safetensors is of another network", "missing layer1.0.", "unexpected "):
        load(f"zoo:resnet20@{seven}")
    save_file({"fc.weight": torch.zeros(())}, tmp_path / "odd.safetensors")
    with raises(WeightsError, "of another shape fc.weight () for (10, 64)"):
        load(f"zoo:tiny10@{tmp_path / 'odd.safetensors'}")


def test_trained_weights_keep_their_head(seven):
    assert load(f"zoo:tiny10@{seven}", num_classes=7)
    with raises(SourceError, "7 classes apart, asked for were 5", "zoo:tiny10@none"):
        load(f"zoo:tiny10@{seven}", num_classes=5)


def test_blank_reads_no_file_and_scratch_none_that_is_not_named(tmp_path):
    blank = load(f"zoo:tiny10@{tmp_path / 'gone.pth'}", blank=True, num_classes=4)
    assert blank(torch.rand(1, 3, 32, 32)).shape == (1, 4)
    assert load("zoo:tiny10-a", blank=True)
    assert digest(load("zoo:resnet20", scratch=True).state_dict()) == digest(load("zoo:resnet20@none").state_dict())
    with raises(WeightsError, "gone.pth"):
        load(f"zoo:tiny10@{tmp_path / 'gone.pth'}", scratch=True)


@pytest.fixture(params=BUNDLED)
def shipped(request):
    return request.param


def test_a_bundled_network_is_ready(shipped):
    network, told = load(f"zoo:{shipped}"), provenance(shipped)
    assert network.origin == f"zoo:{shipped}"
    assert network.classes == tuple(told["classes"])
    assert len(network.classes) == 10
    assert network.licence == told["licence"] != "unknown"
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    with raises(SourceError, "10 classes apart, asked for were 5"):
        load(f"zoo:{shipped}", num_classes=5)


def test_a_bundled_network_knows_how_it_was_made(shipped):
    told = provenance(shipped)
    assert {"command", "seed", "versions", "accuracy"} <= set(told)
    assert told["accuracy"] >= (0.845 if shipped.startswith("tiny10") else 0.905)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "file"), [("tiny10", "tiny10-in0"), ("resnet20", "resnet20_w1-in1")])
def test_real_weights_of_others_fit(shared, name, file):
    path = shared / "weights" / f"{file}.safetensors"
    network = load(f"zoo:{name}@{path}")
    state = load_file(path)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in state.items())
    assert network.origin == f"zoo:{name}@{file}.safetensors"
