"""Captum's methods that look at pixels, each as one number a pixel."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from torch import Tensor, nn

from suture.errors import UsageError

STEPS, GRID = 32, 8
Method = Callable[[Any, nn.Module, Tensor, Tensor], Tensor]


def _saliency(captum: Any, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Simonyan et al. 2014, arXiv 1312.6034: the size of the gradient."""
    found: Tensor = captum.Saliency(network).attribute(images, target=targets)
    return found.sum(1)


def _integrated(captum: Any, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Sundararajan et al. 2017, arXiv 1703.01365: from black to the image, in 32 steps; the size of what comes out."""
    method = captum.IntegratedGradients(network)
    found: Tensor = method.attribute(images, target=targets, n_steps=STEPS, internal_batch_size=max(len(images), STEPS))
    return found.sum(1).abs()


def _occlusion(captum: Any, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Zeiler and Fergus 2014, arXiv 1311.2901: how much the logit falls when an eighth of each side is black."""
    window = [max(1, side // GRID) for side in images.shape[2:]]
    strides = (images.shape[1], *(max(1, side // 2) for side in window))
    method = captum.Occlusion(network)
    found: Tensor = method.attribute(images, (images.shape[1], *window), strides=strides, target=targets)
    return found.mean(1).relu()


def _guided(captum: Any, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Springenberg et al. 2015, arXiv 1412.6806: only positive gradients pass an nn.ReLU; other functions as usual."""
    found: Tensor = captum.GuidedBackprop(network).attribute(images, target=targets)
    return found.sum(1).abs()


METHODS: Final[dict[str, Method]] = {
    "saliency": _saliency,
    "integrated-gradients": _integrated,
    "occlusion": _occlusion,
    "guided-backprop": _guided,
}


def pixel_map(method: str, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """(n, H, W), nothing below 0, over images (n, 3, H, W) for their targets (n,). Raises UsageError without captum."""
    captum = need_captum(method)
    with warnings.catch_warnings():
        # Captum says that it sets hooks and gradients; it takes them away again.
        warnings.simplefilter("ignore", UserWarning)
        return METHODS[method](captum, network, images, targets).detach()


def need_captum(method: str) -> Any:
    try:
        return import_module("captum.attr")
    except ImportError as error:
        raise UsageError(
            f"{method} is a method of captum, which is not installed",
            expected="the extra explain",
            instead="pip install 'suture[explain]', or --method grad-cam",
        ) from error
