"""What a stage may change: modules, the rates at which they learn, and all that their state is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Moving:
    """The modules that may change: their parameters get gradients, they alone are in train mode.

    ``rates`` are the learning rates of the modules, one each; None stands for that of the stage, for one module or for
    all. A parameter of several modules belongs to the first of them, so narrow ones stand before wide ones. ``spans``
    are modules, none inside another, that a stage with ``recompute`` runs again in the backward pass.
    """

    modules: Sequence[nn.Module] = ()
    rates: Sequence[float | None] | None = None
    spans: Sequence[nn.Module] = ()

    def parameters(self) -> list[nn.Parameter]:
        return list(dict.fromkeys(p for module in self.modules for p in module.parameters()))

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer, one a rate; ``initial_lr`` is what a schedule starts from."""
        rates = [None] * len(self.modules) if self.rates is None else self.rates
        found: dict[float, list[nn.Parameter]] = {}
        taken: set[nn.Parameter] = set()
        for module, rate in zip(self.modules, rates, strict=True):
            own = [parameter for parameter in dict.fromkeys(module.parameters()) if parameter not in taken]
            taken.update(own)
            found.setdefault(lr if rate is None else rate, []).extend(own)
        return [{"params": own, "lr": rate, "initial_lr": rate} for rate, own in found.items() if own]

    def tensors(self) -> dict[str, Tensor]:
        """All parameters and buffers, each once, by the number of the module and the name in it."""
        named = nn.ModuleList(self.modules).state_dict(keep_vars=True)
        once: dict[int, tuple[str, Tensor]] = {}
        for name, tensor in named.items():
            if isinstance(tensor, Tensor):
                once.setdefault(id(tensor), (name, tensor))
        return dict(once.values())

    def copies(self) -> dict[str, Tensor]:
        """``tensors`` as they are now."""
        return {name: tensor.detach().clone() for name, tensor in self.tensors().items()}

    @torch.no_grad()
    def put(self, copies: Mapping[str, Tensor]) -> None:
        """Set all ``tensors`` to what ``copies`` were."""
        for name, tensor in self.tensors().items():
            tensor.copy_(copies[name])
