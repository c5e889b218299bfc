"""Grad-CAM against its definition and against captum."""

import pytest
import torch
import torchvision
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from suture.explanation import explain, grad_cam

IMAGES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([1, 5, 7])


def seeded(make, **options) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(**options).eval()


def test_a_linear_answer_is_its_own_map():
    """Where the logit is the sum of the cells weighed by w, the gradient is w everywhere and the map sums to it."""
    activation, w = torch.randn(2, 5, 4, 3), torch.randn(5)
    gradient = w[None, :, None, None].expand_as(activation)
    cam = grad_cam(activation, gradient, relu=False)
    assert cam.shape == (2, 4, 3)
    assert torch.allclose(cam.sum((1, 2)), (activation.sum((2, 3)) * w).sum(1), atol=1e-5)
    assert torch.equal(grad_cam(activation, gradient), cam.clamp(min=0))


def test_only_the_mean_of_the_gradient_counts_and_scale_goes_through():
    activation, gradient = torch.randn(2, 5, 4, 4), torch.randn(2, 5, 4, 4)
    shuffled = gradient.flatten(2)[:, :, torch.randperm(16)].unflatten(2, (4, 4))
    assert torch.allclose(grad_cam(activation, gradient), grad_cam(activation, shuffled), atol=1e-6)
    assert torch.allclose(grad_cam(3 * activation, 2 * gradient), 6 * grad_cam(activation, gradient), atol=1e-5)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    ("make", "module", "layers"),
    [
        (torchvision.models.resnet18, "layer4", None),
        (torchvision.models.resnet18, "layer3", ["layer3"]),
        (torchvision.models.densenet121, "features", None),
    ],
)
def test_captum_gives_the_same(make, module, layers, relu):
    network = seeded(make, weights=None)
    ours = explain(network, IMAGES, TARGETS, layers, relu=relu)
    theirs = LayerGradCam(network, network.get_submodule(module)).attribute(
        IMAGES, target=TARGETS, relu_attributions=relu
    )
    (cam,) = ours.maps.values()
    assert float(theirs.abs().max()) > 1e-3
    assert (cam - theirs[:, 0]).abs().max() <= 1e-5
    (large,) = ours.upsampled().values()
    assert (large - LayerAttribution.interpolate(theirs, (64, 64), "bilinear")[:, 0]).abs().max() <= 1e-5
    assert (ours.logits - network(IMAGES).detach()).abs().max() <= 1e-5


def test_a_value_that_is_no_modules_can_be_named():
    network = seeded(torchvision.models.densenet121, weights=None)
    ours = explain(network, IMAGES, TARGETS, ["relu"])
    twin = nn.Sequential(network.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.classifier)
    theirs = LayerGradCam(twin, twin[1]).attribute(IMAGES, target=TARGETS, relu_attributions=True)
    assert (ours.maps["relu"] - theirs[:, 0]).abs().max() <= 1e-5
