from functools import wraps

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from raising import raises
from suture.errors import SourceError, WeightsError
from suture.sources import digest, load
from suture.sources.torchvision_source import _outline, _sides
from suture.spec.source import parse_source

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
        ("torchvision:vgg16@IMAGENET1K_FEATURES", ["no weights 'IMAGENET1K_FEATURES'", "vgg16@IMAGENET1K_V1"]),
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


def small_vit(image_size: int) -> nn.Module:
    return models.VisionTransformer(image_size, 16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=5)


@pytest.fixture
def tiny(monkeypatch):
    """torchvision's vit_b_16 made small: the real one has 86 million weights."""

    @wraps(models.vit_b_16)
    def make(image_size=224, **_):
        return small_vit(image_size)

    monkeypatch.setitem(models._api.BUILTIN_MODELS, "vit_b_16", make)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("source", "side"), [("@none?size=96", 96), ("@none", 224), ("@IMAGENET1K_SWAG_E2E_V1", 384)])
def test_a_network_of_a_fixed_size_is_built_for_the_size_it_sees(source, side):
    network = load(f"torchvision:vit_b_16{source}", blank=True)
    assert network.body.image_size == network.input_size == side
    assert network(torch.rand(1, 3, 50, 40)).shape == (1, 5)


@pytest.mark.usefixtures("tiny")
def test_positions_of_a_file_are_resampled_for_another_size(tmp_path):
    state = small_vit(224).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    found = load(f"torchvision:vit_b_16@{tmp_path / 'w.safetensors'}?size=96").state_dict()
    assert found["encoder.pos_embedding"].shape == (1, 37, 8)
    assert all(torch.equal(found[name], state[name]) for name in state if name != "encoder.pos_embedding")


@pytest.mark.usefixtures("tiny")
def test_positions_that_are_no_square_grid_are_told(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(small_vit(224).state_dict() | {"encoder.pos_embedding": torch.rand(1, 30, 8)}, path)
    with raises(WeightsError, "of another shape encoder.pos_embedding (1, 30, 8) for (1, 37, 8)"):
        load(f"torchvision:vit_b_16@{path}?size=96")


@pytest.mark.parametrize(("name", "size"), [("vit_b_16", 100), ("maxvit_t", 100), ("alexnet", 32)])
def test_a_size_that_an_architecture_cannot_have(name, size):
    with raises(SourceError, f"torchvision:{name}@none?size={size} does not work at this size: ", "?size=224"):
        load(f"torchvision:{name}@none?size={size}")


@pytest.mark.shared
def test_torchvisions_own_file_of_1000_classes(shared):
    path = shared / "weights" / "mobilenet_v2_imagenet1k_v1.safetensors"
    network = load(f"torchvision:mobilenet_v2@{path}")
    state = load_file(path)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in state.items())
    assert network(torch.rand(1, 3, 50, 40)).shape == (1, 1000)
    assert network.preprocess.resize == 256
    assert network.classes == tuple(models.MobileNet_V2_Weights.DEFAULT.meta["categories"])
    assert network.licence == "unknown"


def test_a_network_that_asks_for_the_version_of_its_weights_gets_it(tmp_path):
    network = load("torchvision:mnasnet0_5@none?size=32", num_classes=3)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    again = load(f"torchvision:mnasnet0_5@{tmp_path / 'w.safetensors'}?size=32")
    assert digest(again.state_dict()) == digest(network.state_dict())


def test_an_architecture_that_computes_while_it_is_built():
    """A RegNet rounds tensors to widths, which tensors without numbers cannot be."""
    assert load("torchvision:regnet_y_400mf@none?size=32", num_classes=3)(torch.rand(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("source", "sides"),
    [
        ("torchvision:vit_h_14@none", (224, 224)),
        ("torchvision:vit_h_14", (518, 518)),
        ("torchvision:vit_b_16@none", (224, 256)),
        ("torchvision:resnet50@none", (224, 232)),
    ],
)
def test_random_weights_leave_a_fixed_image_size_as_the_architecture_has_it(source, sides):
    parsed = parse_source(source)
    recipe = models.get_model_weights(parsed.name)["DEFAULT"].transforms()
    assert _sides(_outline(parsed.name), parsed, recipe) == sides
