import pytest
import torch
from safetensors.torch import load_file, save_file

from raising import raises
from suture.errors import SourceError, WeightsError
from suture.sources import digest, load
from suture.sources.zoo import ARCHITECTURES, provenance
from suture.spec.names import BUNDLED, NORMS


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
