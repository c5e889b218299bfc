"""Halves and taps that run the network's own Python, for the rung that knows no graph."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, final

from torch import Tensor, nn

from suture.graph.inventory import Inventory, joined
from suture.graph.piece import Read, fill


@final
class ChainEncoder(nn.Module):
    """Runs some modules of a chain, one after the other; ``clone`` keeps them from writing to what they are given."""

    def __init__(self, inventory: Inventory, paths: Sequence[str], clone: bool = False) -> None:
        super().__init__()
        self.training = inventory.network.training
        fill(self, inventory, paths)
        self._paths = tuple(paths)
        self._clone = clone

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone() if self._clone else x
        for path in self._paths:
            x = self.get_submodule(path)(x)
        return x


@final
class ChainDecoder(nn.Module):
    """Runs the whole network, its first modules put out of action: what is given here is what they return.

    ``calls`` says how often each module runs in one pass; one that runs again after the cut does so then. The
    modules put out of action are the network's own, for the time of a call: not for several threads at once.
    ``entry`` is the shape that the example had at the cut.
    """

    entry: tuple[int, ...] | None = None

    def __init__(self, inventory: Inventory, paths: Sequence[str], calls: Mapping[str, int], clone: bool) -> None:
        super().__init__()
        self.training = inventory.network.training
        used = Counter(paths)
        spent = {path for path, count in used.items() if calls[path] <= count}
        fill(self, inventory, _rest(inventory, spent))
        self._clone = clone
        # In tuples, as nn.Module would list what it holds directly among its own modules.
        self._network = (inventory.network,)
        self._bypassed = tuple((inventory.modules[path], count) for path, count in used.items())

    def forward(self, x: Tensor) -> Any:
        (network,) = self._network
        given = x.clone() if self._clone else x
        with ExitStack() as stack:
            stack.enter_context(_mode(network, self))
            for module, count in self._bypassed:
                stack.enter_context(_returning(module, given, count))
            return network(given)


@final
class ChainTap(nn.Module):
    """Runs the network up to the last of the named modules; a dict of what each returned in its last call.

    With ``read`` of what that makes of it.
    """

    def __init__(
        self,
        inventory: Inventory,
        names: Mapping[str, str],
        calls: Mapping[str, int],
        read: Read | None = None,
    ) -> None:
        super().__init__()
        self.training = inventory.network.training
        fill(self, inventory, _rest(inventory, set()))
        self._network = (inventory.network,)
        self._watched = tuple((inventory.modules[path], calls[path]) for path in set(names.values()))
        self._keys = tuple((name, inventory.modules[path]) for name, path in names.items())
        self._read = read

    def forward(self, x: Tensor) -> dict[str, Any]:
        (network,) = self._network
        waiting = dict(self._watched)
        done: set[nn.Module] = set()
        found: dict[str, Any] = {}

        def keep(module: nn.Module, _args: Any, result: Tensor) -> None:
            waiting[module] -= 1
            if waiting[module] == 0:
                done.add(module)
                for name in (name for name, other in self._keys if other is module):
                    # Whether something writes to it later is not known here.
                    found[name] = result.clone() if self._read is None else self._read(name, result)
                if len(done) == len(waiting):
                    raise _Enough

        with ExitStack() as stack:
            stack.enter_context(_mode(network, self))
            for module in waiting:
                stack.callback(module.register_forward_hook(keep).remove)
            with suppress(_Enough):
                network(x)
        return {name: found[name] for name, _ in self._keys}


class _Enough(BaseException):
    """All that was asked for has been seen. Not an Exception, so that a network does not swallow it."""


def _rest(inventory: Inventory, spent: set[str]) -> list[str]:
    """The names of all modules and tensors that no module of ``spent`` holds."""

    def is_spent(path: str) -> bool:
        return any(path == own or path.startswith(f"{own}.") for own in spent)

    def holds_spent(path: str) -> bool:
        return path == "" or any(own.startswith(f"{path}.") for own in spent)

    modules = [path for path in inventory.modules if not is_spent(path) and not holds_spent(path)]
    open_paths = [path for path in inventory.modules if holds_spent(path)]
    loose = [
        joined(path, name)
        for path in open_paths
        for name in (*inventory.modules[path]._parameters, *inventory.modules[path]._buffers)
    ]
    return modules + [name for name in loose if name in inventory.tensors]


@contextmanager
def _mode(network: nn.Module, like: nn.Module) -> Iterator[None]:
    """Give the modules of ``network`` that ``like`` does not hold its mode for a while."""
    held = set(like.modules())
    before = [(module, module.training) for module in network.modules() if module not in held]
    try:
        for module, _ in before:
            module.training = like.training
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def _returning(module: nn.Module, value: Tensor, count: int) -> Iterator[None]:
    """Have the next ``count`` calls of a module return ``value``, and later ones what they always do."""
    own = module.__dict__.get("forward")
    usual: Callable[..., Any] = module.forward
    left = count

    def forward(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        return value if left >= 0 else usual(*args, **kwargs)

    object.__setattr__(module, "forward", forward)
    try:
        yield
    finally:
        if own is None:
            object.__delattr__(module, "forward")
        else:
            object.__setattr__(module, "forward", own)
