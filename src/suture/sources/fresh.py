"""Kaiming's start for tensors that no checkpoint had."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from suture.graph.shadow import Shadow

_LAYERS = (nn.Linear, _ConvNd)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@torch.no_grad()
def kaiming(model: nn.Module, tensors: Mapping[str, Tensor], seed: int = 0) -> tuple[str, ...]:
    """Start those of ``tensors`` (the model's own, by name) that are of a plain layer; gives their names.

    Weights of linear layers and convolutions are drawn from Kaiming's normal distribution (He et al. 2015, fan out,
    ReLU) by ``seed``, their biases become 0; weights of norms 1, their biases 0. Everything else stays: parameters
    of other modules, buffers, weights that were built as zeros so that their layer begins with nothing, and all that
    is in a module whose class says ``keeps_start`` (LoRA).
    """
    generator = torch.Generator().manual_seed(seed)
    kept = {
        one for module in model.modules() if getattr(type(module), "keeps_start", False) for one in module.modules()
    }
    owners = {
        id(parameter): (_layer(module), leaf)
        for module in model.modules()
        if module not in kept
        for leaf, parameter in module._parameters.items()
        if parameter is not None
    }
    done = []
    for name, tensor in tensors.items():
        layer, leaf = owners.get(id(tensor), (None, ""))
        plain, norm = isinstance(layer, _LAYERS), isinstance(layer, _NORMS)
        if not (plain or norm) or leaf not in ("weight", "bias"):
            continue
        if leaf == "bias":
            tensor.zero_()
        elif not tensor.any():
            continue
        elif norm:
            tensor.fill_(1)
        else:
            drawn = torch.empty(tensor.shape)
            tensor.copy_(nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=generator))
        done.append(name)
    return tuple(done)


def _layer(module: nn.Module) -> nn.Module:
    while isinstance(module, Shadow):
        module = module.covered
    return module
