import pytest
import torch
from safetensors.torch import load_file
from torchvision import models

from raising import raises
from suture.errors import SourceError, WeightsError
from suture.sources import load

NAME = "squeezenet1_1"


@pytest.fixture
def five(tmp_path):
    path = tmp_path / "five.pth"
    torch.save(models.get_model(NAME, num_classes=5).state_dict(), path)
    return path


def test_a_checkpoint_of_another_class_count(five):
    network = load(f"torchvision:{NAME}@{five}")
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 5)
    assert network.origin == f"torchvision:{NAME}@five.pth"
    assert network.classes is None
    with raises(SourceError, "5 classes apart, asked for were 7", f"torchvision:{NAME}@none"):
        load(f"torchvision:{NAME}@{five}", num_classes=7)


@pytest.mark.parametrize("options", [{}, {"num_classes": 3}])
def test_random_weights_with_the_head_that_is_asked_for(options):
    network = load(f"torchvision:{NAME}@none", **options)
    assert network(torch.rand(1, 3, 40, 50)).shape == (1, options.get("num_classes", 1000))
    assert network.classes is None


@pytest.mark.parametrize(
    ("source", "blank", "resize"),
    [
        ("torchvision:mobilenet_v3_large@IMAGENET1K_V1", True, 256),
        ("torchvision:mobilenet_v3_large", True, 232),
        ("torchvision:mobilenet_v3_large@none", False, 232),
        ("torchvision:mobilenet_v3_large@/nowhere/w.pth", True, 256),
        ("torchvision:mobilenet_v3_large?size=64", True, 64),
    ],
)
def test_the_preprocessing_is_that_of_the_weights(source, blank, resize):
    preprocess = load(source, blank=blank).preprocess
    assert preprocess.resize == resize
    assert preprocess.size == (64 if "size" in source else 224)
    assert preprocess.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_the_whole_network_is_torchvisions(five):
    body = models.get_model(NAME, num_classes=5).eval()
    body.load_state_dict(torch.load(five, weights_only=True))
    images = torch.rand(1, 3, 300, 260)
    expected = body(models.get_model_weights(NAME).DEFAULT.transforms()(images))
    torch.testing.assert_close(load(f"torchvision:{NAME}@{five}")(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("torchvision:resnet19@none", ["no classifier 'resnet19'", "torchvision:resnet1"]),
        ("torchvision:fcn_resnet50@none", ["no classifier 'fcn_resnet50'", "torchvision:resnet50"]),
        (
            "torchvision:resnet18@IMAGENET1K_V2",
            ["no weights 'IMAGENET1K_V2'", "instead:  torchvision:resnet18@IMAGENET1K_V1"],
        ),
    ],
)
def test_what_torchvision_has_not(source, words):
    with raises(SourceError, *words):
        load(source)


def test_weights_that_cannot_be_fetched(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with raises(WeightsError, f"the weights of torchvision:{NAME} could not be fetched", "@PATH", "@none"):
        load(f"torchvision:{NAME}")


def test_a_file_of_another_network_says_which_keys(five):
    with raises(WeightsError, "five.pth is of another network", "missing conv1.weight"):
        load(f"torchvision:resnet18@{five}")


@pytest.mark.shared
def test_torchvisions_own_file_of_1000_classes(shared):
    path = shared / "weights" / "mobilenet_v2_imagenet1k_v1.safetensors"
    network = load(f"torchvision:mobilenet_v2@{path}")
    state = load_file(path)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in state.items())
    assert network(torch.rand(1, 3, 50, 40)).shape == (1, 1000)
    assert network.preprocess.resize == 256
