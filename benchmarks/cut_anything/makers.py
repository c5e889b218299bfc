"""Random networks by name, wide awake: nothing in them is zero or one, so nothing can be left out unnoticed."""

from dataclasses import dataclass

import timm
import torch
from timm.models import _registry as registry
from torch import Tensor, nn
from torchvision import models

SIDES = (32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 331, 384, 448, 480, 512, 1024)
BATCH = 2


@dataclass(frozen=True)
class Ready:
    """A network and a batch of the smallest square images that it takes in eval and in train mode."""

    network: nn.Module
    images: Tensor


def family(name: str) -> str:
    """The file of its library that defines the network."""
    library, _, model = name.partition(":")
    if library == "torchvision":
        return f"torchvision.{models.get_model_builder(model).__module__.rpartition('.')[2]}"
    module = registry._model_to_module[model]
    return f"{library}.{module.rpartition('.')[2]}"


def ready(name: str, seed: int = 0) -> Ready:
    """``torchvision:NAME`` or ``timm:NAME``, with random weights. Raises RuntimeError where no size fits.

    A network made for one size of image is asked to be made for each size, smallest first.
    """
    plain: nn.Module | None = None
    reason: Exception | None = None
    for side in SIDES:
        torch.manual_seed(seed)
        network = _sized(name, side)
        if network is None:
            network = plain = plain if plain is not None else _make(name)
        images = torch.rand(BATCH, 3, side, side)
        try:
            _try(network, images)
        except Exception as error:
            # Whatever a network raises for images that are too small for it.
            reason = error
            continue
        return Ready(awake(network, seed), images)
    raise RuntimeError(f"{name} takes no square image of {SIDES[0]} to {SIDES[-1]} pixels: {reason}")


def _make(name: str, **options: int) -> nn.Module:
    library, _, model = name.partition(":")
    network: nn.Module
    if library == "torchvision":
        extra = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
        network = models.get_model(model, weights=None, **extra, **options)
    else:
        network = timm.create_model(model, **options)
    return network


def _sized(name: str, side: int) -> nn.Module | None:
    option = "image_size" if name.startswith("torchvision:") else "img_size"
    try:
        return _make(name, **{option: side})
    except Exception:
        # A network for images of any size knows no such option.
        return None


def _try(network: nn.Module, images: Tensor) -> None:
    before = [buffer.clone() for buffer in network.buffers()]
    with torch.no_grad():
        for training in (True, False):
            network.train(training)(images)
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)


@torch.no_grad()
def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Move parameters that are constant or tiny, and the statistics of BatchNorm, off their first values."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        if parameter.is_floating_point() and (parameter.numel() < 2 or parameter.std() < 1e-2):
            parameter.add_(0.05 * torch.randn_like(parameter))
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()
