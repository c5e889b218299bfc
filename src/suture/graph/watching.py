"""Run a network and keep values on the way, so that gradients with respect to them can be asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from suture.graph.inventory import Inventory
from suture.graph.untouched import untouched


def kept(value: Tensor) -> Tensor:
    """``value`` as something with a gradient, which nothing that runs later writes to."""
    if value.requires_grad:
        return value.clone()
    return value.detach().clone().requires_grad_()


@final
class ChainWatch(nn.Module):
    """The network's own Python, its named modules watched: (output, what each returned in its last call)."""

    def __init__(self, inventory: Inventory, names: Mapping[str, str], calls: Mapping[str, int]) -> None:
        super().__init__()
        self.training = inventory.network.training
        self.network = inventory.network
        self._watched = tuple((name, inventory.modules[path], calls[path]) for name, path in names.items())

    def forward(self, x: Tensor) -> tuple[Any, dict[str, Tensor]]:
        found: dict[str, Tensor] = {}

        def keep(name: str, calls: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
            left = calls

            def hook(_module: nn.Module, _args: Any, result: Tensor) -> Tensor | None:
                nonlocal left
                left -= 1
                if left:
                    return None
                found[name] = kept(result)
                return found[name].clone()

            return hook

        with ExitStack() as stack:
            for name, module, calls in self._watched:
                stack.callback(module.register_forward_hook(keep(name, calls)).remove)
            return self.network(x), found


@contextmanager
def differentiable(network: nn.Module) -> Iterator[None]:
    """Eval mode with gradients, whatever the caller switched off; the network is given back as it was."""
    with torch.inference_mode(False), torch.enable_grad(), untouched(network, False):
        yield
