"""Blocks put around layers, or in their place, with every name of the network kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from suture.graph.shadow import Shadow

Where = Literal["before", "after", "instead"]


@dataclass(frozen=True)
class Added:
    """A block by its name in the layer; ``both`` is one that takes the layer's input and its output."""

    name: str
    where: Where
    both: bool = False


class Patched(Shadow):
    """A layer with blocks as further submodules: ``layer3`` has ``layer3.se`` beside ``layer3.0`` and ``layer3.1``.

    Runs the blocks before the layer, the layer or what stands in its place, and the blocks after it, each in the order
    in which they were added. The layer itself does not see them, whatever it does with its submodules.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.cover(layer)
        self.added: tuple[Added, ...] = ()
        self._modules = dict(layer._modules)
        self._hidden: set[str] = set()
        # nn.TransformerEncoderLayer computes past its layers, unless one of them has a hook.
        self.register_forward_hook(_nothing)
        layer.__dict__["_modules"] = _Without(self._modules, self._hidden)

    def add(self, block: nn.Module, added: Added) -> None:
        self.add_module(added.name, block)
        self._hidden.add(added.name)
        self.added = (*self.added, added)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        name = None if args else next(iter(kwargs))
        x = args[0] if name is None else kwargs[name]
        blocks = self._modules
        for one in self.added:
            if one.where == "before":
                x = blocks[one.name](x)  # type: ignore[misc]
        instead = [one for one in self.added if one.where == "instead"]
        if instead:
            y = blocks[instead[-1].name](x)  # type: ignore[misc]
        else:
            # A layer of several operations may write to its input, which a block is still to see.
            own = any(one.both for one in self.added) and (
                len(self.covered._modules) or hasattr(self.covered, "inplace")
            )
            mine = x.clone() if own else x
            y = self.run(mine, *args[1:], **kwargs) if name is None else self.run(**{**kwargs, name: mine})
        for one in self.added:
            if one.where == "after":
                y = blocks[one.name](x, y) if one.both else blocks[one.name](y)  # type: ignore[misc]
        return y

    def __len__(self) -> int:
        return len(self.covered)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.covered)  # type: ignore[call-overload, no-any-return]

    def __getitem__(self, index: Any) -> Any:
        return self.covered[index]  # type: ignore[index]

    def __bool__(self) -> bool:
        return True


def _nothing(*_: Any) -> None:
    """A hook that changes nothing."""


class _Without(Mapping[str, Any]):
    """A live view of a dict that leaves out some names."""

    def __init__(self, whole: dict[str, Any], hidden: set[str]) -> None:
        self.whole, self.hidden = whole, hidden

    def __getitem__(self, name: str) -> Any:
        if name in self.hidden:
            raise KeyError(name)
        return self.whole[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.whole if name not in self.hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Any]:
        return dict(self)


def free_name(layer: nn.Module, name: str) -> str:
    """``name``, or the first of ``name2``, ``name3``, ... that the layer has nothing under."""
    number = 1
    while hasattr(layer, name if number == 1 else f"{name}{number}"):
        number += 1
    return name if number == 1 else f"{name}{number}"


def add(network: nn.Module, target: str, block: nn.Module, added: Added) -> None:
    """Put ``block`` before or after the named layer of ``network``, or in its place; wherever else that layer is used.

    The layer of a plain network becomes ``Patched``.
    """
    layer = network.get_submodule(target)
    if not isinstance(layer, Patched):
        patched = Patched(layer)
        for module in list(network.modules()):
            for name, child in list(module._modules.items()):
                if child is layer:
                    module._modules[name] = patched
        layer = patched
    if added.where == "instead":
        for name in list(layer.covered._modules):
            del layer._modules[name]
        for side in (layer, layer.covered):
            side._parameters, side._buffers = {}, {}
    layer.add(block, added)


def blocks_of(network: nn.Module) -> tuple[str, ...]:
    """The names of all blocks that were added, in the order of the network's modules."""
    return tuple(
        f"{name}.{one.name}"
        for name, module in network.named_modules()
        if isinstance(module, Patched)
        for one in module.added
    )


@contextmanager
def unpatched(network: nn.Module) -> Iterator[None]:
    """Take the blocks before and after layers out of ``network`` for a while; what stands in a layer's place stays."""
    patched = {
        module: (module.added, dict(module._modules)) for module in network.modules() if isinstance(module, Patched)
    }
    try:
        for module, (added, _) in patched.items():
            module.added = tuple(one for one in added if one.where == "instead")
            for one in added:
                if one.where != "instead":
                    del module._modules[one.name]
        yield
    finally:
        for module, (added, modules) in patched.items():
            module.added = added
            module._modules.clear()
            module._modules.update(modules)
