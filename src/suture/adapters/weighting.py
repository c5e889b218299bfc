"""What the rows of a fit count: positions of an image where the target is strong, or where its network is sensitive.

Weighted least squares of arXiv 2110.14633 (Csiszárik et al. 2021), whose published code weights by gradients.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from suture.errors import AdapterError
from suture.graph.frames import to_rows
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut

Weigh = Callable[[Tensor], Tensor]


def by_activation(y: Tensor, cut: Cut, *, flat: bool = False) -> Tensor:
    """The mean over the channels of the squared activation, (N, positions), extra tokens before the grid.

    ``flat`` takes the whole activation for one position.
    """
    rows = to_rows(y, cut.layout)
    wide = rows.float() if y.device.type == "mps" else rows.double()  # squares of float32 may overflow
    strength = wide.square().mean(1).view(len(y), -1)
    return strength.mean(1, keepdim=True) if flat else strength


def by_gradient(y: Tensor, cut: Cut, decoder: nn.Module, *, flat: bool = False) -> Tensor:
    """The same of the gradient of the decoder's greatest logit with respect to the activation.

    ``decoder`` leads from activations to logits (N, …) and treats every image by itself, as in eval mode.
    """
    with torch.inference_mode(False), torch.enable_grad():
        y = y.detach().clone().requires_grad_()
        logits = decoder(y.clone())  # as the decoder may write to its input
        gradient = torch.zeros_like(y)
        if logits.requires_grad:
            (found,) = torch.autograd.grad(logits.flatten(1).amax(1).sum(), y, allow_unused=True)
            gradient = gradient if found is None else found
    return by_activation(gradient, cut, flat=flat)


def weigher(spec: AdapterSpec, target: Cut, decoder: Callable[[], nn.Module]) -> Weigh | None:
    """From activations at ``target`` to the weights that ``spec`` asks for; None for none."""
    if spec.weighting == "activation":
        return lambda y: by_activation(y, target, flat=spec.flatten)
    if spec.weighting == "gradient":
        module = decoder()
        return lambda y: by_gradient(y, target, module, flat=spec.flatten)
    return None


def checked_weights(weights: Sequence[Tensor], spec: AdapterSpec, target: Cut, images: int) -> Tensor | None:
    """The weights of a batch, if it has any.

    Raises AdapterError where ``spec`` wants some and there are none, and where one is negative, not finite, or missing.
    """
    if not weights:
        if spec.weighting == "none":
            return None
        raise AdapterError(
            f"rows weighted by {spec.weighting}, and activations at {target} without weights",
            expected="triples of source, target and weights, as suture.stitch gives",
            instead="weighting='none', or fit(adapter, [(x, y, w)])",
        )
    (found,) = weights
    wanted = (images, 1 if spec.flatten else target.positions)
    sound = bool(torch.isfinite(found).all()) and not bool((found < 0).any())
    if tuple(found.shape) != wanted or not sound:
        raise AdapterError(
            f"weights of the rows at {target} of shape {tuple(found.shape)}"
            + ("" if sound else ", some of them negative or not finite"),
            expected=f"numbers of shape {wanted}, finite, 0 or more",
            instead="one weight for every position of every image",
        )
    return found


def no_weight(target: Cut) -> AdapterError:
    return AdapterError(
        f"the weights of all rows at {target} are zero",
        expected="a row that counts: where the network answers to its activation",
        instead="weighting='none' (no --weight), or an earlier cut",
    )
