"""The modules, parameters and buffers of a network under the names of its state dict."""

from typing import Final, final

import torch
from torch import Tensor, nn

from suture.graph.network import Network

BODY: Final = "body"
PREPROCESS: Final = "preprocess"


@final
class Inventory:
    """Looks names up both ways.

    For a ``Network`` the ``body.`` in front of every path is dropped, as its state dict does, and the
    preprocessing keeps its name unless the body has a child of that name. A shared module or tensor is listed
    under each of its names. Constants that only a trace knows are added under names of their own.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._bodied = isinstance(network, Network)
        self.front = PREPROCESS
        if isinstance(network, Network):
            while hasattr(network.body, self.front):
                self.front += "_"
        self.modules: dict[str, nn.Module] = {
            self.public(path): module for path, module in network.named_modules(remove_duplicate=False)
        }
        self.tensors: dict[str, Tensor] = {}
        self._fleeting: set[str] = set()
        for path, module in self.modules.items():
            own = {**module._parameters, **module._buffers} if self.modules[path] is module else {}
            for name, tensor in own.items():
                if tensor is not None:
                    self.tensors[joined(path, name)] = tensor
                    if name in module._non_persistent_buffers_set:
                        self._fleeting.add(joined(path, name))
        self._names: dict[int, list[str]] = {}
        for name, member in (*self.modules.items(), *self.tensors.items()):
            self._names.setdefault(id(member), []).append(name)

    def public(self, path: str) -> str:
        """The name that goes with a path of ``named_modules`` or ``named_parameters``."""
        if not self._bodied or not path:
            return path
        head, _, rest = path.partition(".")
        if head == BODY:
            return rest
        return joined(self.front, rest)

    def member(self, name: str) -> nn.Module | Tensor:
        return self.tensors[name] if name in self.tensors else self.modules[name]

    def names(self, name: str) -> list[str]:
        """All names of what ``name`` names."""
        return self._names.get(id(self.member(name)), [name])

    def persistent(self, name: str) -> bool:
        return name not in self._fleeting

    def constant(self, value: Tensor) -> str:
        """The name of a tensor that is not part of the network; equal constants share one."""
        for name in self._fleeting:
            if name.startswith("constant_") and _same(self.tensors[name], value):
                return name
        number = sum(name.startswith("constant_") for name in self.tensors)
        name = f"constant_{number}"
        while name in self.modules or name in self.tensors:
            number += 1
            name = f"constant_{number}"
        self.tensors[name] = value
        self._fleeting.add(name)
        return name

    def is_container(self, path: str) -> bool:
        """Whether the module only holds others, as ``Sequential`` does."""
        return type(self.modules[path]) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def joined(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.device == b.device and bool(torch.equal(a, b)))
