"""explain: which layers, where their maps lie in the images, what is left alone, and what is refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import suture
from raising import raises
from small import sample_split
from suture.data.preprocess import Preprocess
from suture.errors import CutError, DataError, PlanError, SourceError, UsageError
from suture.explanation import Explanation, explain, grad_cam
from suture.explanation.explanation import WHOLE
from suture.explanation.pixels import METHODS
from suture.spec.names import EXPLANATIONS

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def images() -> Tensor:
    return next(sample_split(6).batches(6))[0]


class Side(nn.Module):
    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.front = Preprocess((0.0,) * 3, (1.0,) * 3, *sizes)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.conv(self.front(x)).relu(), 1).flatten(1)


class Sides(nn.Module):
    """Two branches with their own preprocessing: the whole image, and the half in its centre."""

    def __init__(self) -> None:
        super().__init__()
        self.whole, self.centre = Side(16, 16), Side(8, 16)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat([self.whole(x), self.centre(x)], 1))


def test_a_network_is_explained_for_what_it_answers(images):
    network = suture.load(B)
    found = explain(B, images)
    assert isinstance(found, Explanation)
    assert (found.method, found.layers, found.size) == ("grad-cam", ("layer3.2",), (32, 32))
    assert found.maps["layer3.2"].shape == (6, 8, 8)
    assert (found.maps["layer3.2"] >= 0).all()
    assert torch.allclose(found.logits, network(images), atol=1e-4)
    assert torch.equal(found.targets, found.logits.argmax(1))
    assert torch.allclose(found.probabilities.sum(1), torch.ones(6))
    assert found.branches == {"layer3.2": "layer3.2"}


def test_batches_do_not_matter_and_targets_are_one_or_one_each(images):
    whole, parts = (explain(B, images, [0, 1, 2, 3, 4, 5], batch_size=size) for size in (16, 4))
    assert torch.allclose(whole.maps["layer3.2"], parts.maps["layer3.2"], atol=1e-5)
    same = explain(B, images, 3)
    assert same.targets.tolist() == [3] * 6
    assert torch.allclose(same.maps["layer3.2"][3], whole.maps["layer3.2"][3], atol=1e-5)
    assert not torch.allclose(same.maps["layer3.2"][0], whole.maps["layer3.2"][0], atol=1e-3)


def test_layers_may_be_named(images):
    found = explain(B, images, layers="layer2.2,layer3.2")
    assert {name: tuple(cam.shape[1:]) for name, cam in found.maps.items()} == {
        "layer2.2": (16, 16),
        "layer3.2": (8, 8),
    }
    assert found.branches == {"layer2": "layer2.2", "layer3": "layer3.2"}
    assert torch.allclose(found.maps["layer3.2"], explain(B, images).maps["layer3.2"], atol=1e-5)
    with raises(CutError, "no 'layer3.9'", "layer3.2"):
        explain(B, images, layers=["layer3.9"])
    with raises(CutError, "no 'fc'"):
        explain(B, images, layers=["fc"])


def test_maps_of_tokens_are_those_of_the_patches(images):
    network = suture.load("timm:vit_tiny_patch16_224@none?size=64")
    found = explain(network, images[:2])
    (name,) = found.layers
    assert name == "blocks.11.norm1"
    assert found.maps[name].shape == (2, 4, 4)
    seen = {}
    handle = network.get_submodule("body." + name).register_forward_hook(lambda _m, _a, out: seen.update(x=out))
    gradient = torch.autograd.grad(network(images[:2])[range(2), found.targets].sum(), [seen["x"]])[0]
    handle.remove()
    as_grid = [tokens[:, 1:].detach().transpose(1, 2).unflatten(2, (4, 4)) for tokens in (seen["x"], gradient)]
    assert torch.allclose(found.maps[name], grad_cam(*as_grid), atol=1e-6)


def test_frozen_trained_and_stitched_networks_give_maps_and_stay_as_they_are(images, tmp_path):
    free = suture.load(B).train()
    frozen = suture.load(B).requires_grad_(False)
    found = [explain(network, images).maps["layer3.2"] for network in (free, frozen)]
    assert torch.allclose(*found, atol=1e-6)
    assert float(found[0].max()) > 0
    assert all(module.training for module in free.modules())
    assert all(parameter.grad is None for parameter in (*free.parameters(), *frozen.parameters()))
    assert all(parameter.requires_grad for parameter in free.parameters())
    suture.save(suture.stitch(A, B, "relu5:layer2.2"), tmp_path, [A, B])
    (cam,) = explain(f"run:{tmp_path}", images).maps.values()
    assert cam.shape == (6, 8, 8)


def test_gradients_that_the_caller_switched_off_do_not_matter(images):
    network = suture.load(B)
    wanted = explain(network, images).maps["layer3.2"]
    with torch.inference_mode():
        assert torch.allclose(explain(network, images + 0).maps["layer3.2"], wanted, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(explain(network, images).maps["layer3.2"], wanted, atol=1e-6)
    with torch.inference_mode():
        made = suture.load("zoo:lenet@none")
    with raises(PlanError, "inference_mode"):
        explain(made, images)


def test_a_fusion_has_a_map_of_each_backbone(images):
    fusion = suture.fuse([A, B], "logit-average")
    found = explain(fusion, images)
    assert list(found.branches) == ["backbone1", "backbone2"]
    assert [cam.shape for cam in found.maps.values()] == [(6, 2, 2), (6, 8, 8)]
    # The mean of two logits: each backbone is explained as if it were alone, at half the weight.
    alone = explain(suture.load(B), images, found.targets).maps["layer3.2"]
    assert torch.allclose(2 * found.maps[found.branches["backbone2"]], alone, atol=1e-4)
    scaled = list(found.scaled().values())
    assert torch.allclose(found.combined(), (scaled[0] + scaled[1]) / 2)
    for large in scaled:
        assert large.shape == (6, 32, 32)
        assert float(large.min()) >= 0
        assert float(large.max()) == 1


def test_what_was_cropped_away_has_no_value():
    torch.manual_seed(0)
    network = Sides().eval()
    shown = torch.rand(2, 3, 24, 48)
    found = explain(network, shown)
    windows = {branch: found.windows[name] for branch, name in found.branches.items()}
    assert windows == {"whole": (0, 0.25, 1, 0.75), "centre": (0.25, 0.375, 0.75, 0.625)}
    large = {branch: found.upsampled()[name] for branch, name in found.branches.items()}
    seen = {branch: (~cam.isnan()).nonzero()[:, 1:] for branch, cam in large.items()}
    assert (seen["centre"].amin(0).tolist(), seen["centre"].amax(0).tolist()) == ([6, 18], [17, 29])
    assert (seen["whole"].amin(0).tolist(), seen["whole"].amax(0).tolist()) == ([0, 12], [23, 35])
    combined = found.combined((48, 96))
    assert combined.shape == (2, 48, 96)
    assert combined[:, :, 30:60].isfinite().all()
    assert combined[:, :, :24].isnan().all()


def test_a_pixel_that_decides_lies_where_the_map_says():
    """Of a bright spot on black, seen through a crop, the maximum of the map falls on the spot."""
    torch.manual_seed(0)
    side = Side(8, 16)
    nn.init.constant_(side.conv.weight, 1.0)
    network = nn.Sequential(side, nn.Linear(4, 2)).eval()
    nn.init.constant_(network[1].weight, 1.0)
    shown = torch.zeros(1, 3, 32, 32)
    shown[:, :, 20:22, 12:14] = 1
    (large,) = explain(network, shown, 0).upsampled().values()
    row, column = divmod(int(large[0].nan_to_num().argmax()), 32)
    assert abs(row - 20.5) <= 2
    assert abs(column - 12.5) <= 2


def test_preprocessing_says_what_part_it_keeps():
    assert Preprocess((0.0,) * 3, (1.0,) * 3).window(10, 20) == WHOLE
    assert Preprocess((0.0,) * 3, (1.0,) * 3, 224, 256).window(100, 100) == (1 / 16, 1 / 16, 15 / 16, 15 / 16)
    assert Preprocess((0.0,) * 3, (1.0,) * 3, 8, 8, stretch=True).window(10, 40) == WHOLE
    step, spot = Preprocess((0.0,) * 3, (1.0,) * 3, 8, 16, "nearest"), torch.zeros(1, 3, 64, 128)
    top, left, bottom, right = step.window(64, 128)
    spot[..., round(top * 64) : round(bottom * 64), round(left * 128) : round(right * 128)] = 1
    assert (step(spot) == 1).all()
    assert int(spot[0, 0].sum()) == 32 * 32


@pytest.mark.parametrize("method", METHODS)
def test_methods_of_captum_look_at_pixels(images, method):
    network = suture.load(B)
    found = explain(network, images[:2], method=method)
    assert found.layers == ("pixels",)
    assert found.maps["pixels"].shape == (2, 32, 32)
    assert (found.maps["pixels"] >= 0).all()
    assert float(found.maps["pixels"].max()) > 0
    assert torch.allclose(found.logits, network(images[:2]), atol=1e-4)
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_saliency_is_the_gradient(images):
    network, x = suture.load(B), images[:2].clone().requires_grad_()
    gradient = torch.autograd.grad(network(x)[:, 4].sum(), [x])[0]
    found = explain(network, images[:2], 4, method="saliency")
    assert torch.allclose(found.maps["pixels"], gradient.abs().sum(1), atol=1e-4)


def test_a_network_without_maps_is_explained_by_its_pixels(images):
    with raises(PlanError, "no value with a grid", "--method saliency"):
        explain("zoo:dense@none", images)
    assert explain("zoo:dense@none", images, method="saliency").maps["pixels"].shape == (6, 32, 32)


def test_every_method_has_its_name_in_the_spec():
    assert ("grad-cam", *METHODS) == EXPLANATIONS


def test_without_captum_its_methods_say_what_to_install(images, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with raises(UsageError, "captum", "pip install 'suture[explain]'"):
        explain(A, images, method="saliency")
    assert explain(A, images).layers == ("relu8",)


def test_wrong_use_is_told(images):
    with raises(UsageError, "no method 'gradcam'", "--method grad-cam"):
        explain(A, images, method="gradcam")
    with raises(UsageError, "no use for layers"):
        explain(A, images, layers=["relu8"], method="saliency")
    with raises(DataError, "target 10 of a network of 10 classes", "from 0 to 9"):
        explain(A, images, 10)
    with raises(DataError, "target -1"):
        explain(A, images, -1)
    with raises(DataError, "targets of shape (2,)"):
        explain(A, images, [1, 2])
    for wrong in (images[0], (images * 255).byte(), images[:0], "cat.png"):
        with raises(DataError, "the images are"):
            explain(A, wrong)
    with raises(SourceError, "zoo"):
        explain("zoo:nothing", images)
    with raises(PlanError, "not one number a class"):
        explain(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)).eval(), images, layers=["0"])
    with raises(PlanError, "has no weights"):
        explain(nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), images)
