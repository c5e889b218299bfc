"""Grad-CAM: how much each cell of a map speaks for a class.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
arXiv 1610.02391, equations 1 and 2.
"""

from torch import Tensor


def grad_cam(activation: Tensor, gradient: Tensor, relu: bool = True) -> Tensor:
    """(n, h, w) from an activation (n, C, h, w) and the gradient of one logit of each image with respect to it.

    A channel weighs as much as its gradient is on average over the cells; the map is the weighted sum of the channels,
    without ``relu`` also where it speaks against the class. Not rescaled: maps of two images, or of two classes, can
    be held against each other. It says where, not why: a channel with gradients of both signs may cancel out.
    """
    weights = gradient.mean((2, 3), keepdim=True)
    cam = (weights * activation).sum(1)
    return cam.relu() if relu else cam
