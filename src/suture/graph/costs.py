"""What one pass over a graph shows: shapes, multiply-accumulates, and values that are overwritten later."""

from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from suture.graph.program import Program


@final
@dataclass(frozen=True)
class Fact:
    """One value: its shape (None for anything but one tensor), or the number it is, and what making it took.

    ``macs`` are multiply-accumulates for the whole batch. ``overwritten`` says that a later node changes it
    in place, itself or through a view.
    """

    shape: tuple[int, ...] | None = None
    floating: bool = False
    number: int | None = None
    macs: int = 0
    overwritten: bool = False

    def is_batch(self, size: int) -> bool:
        return self.shape is not None and len(self.shape) >= 1 and self.shape[0] == size

    def is_activation(self, size: int) -> bool:
        return self.floating and self.is_batch(size) and len(self.shape or ()) >= 2


def observe(program: Program, owner: nn.Module, example: Tensor) -> tuple[dict[fx.Node, Fact], Any]:
    """Run ``program`` on ``example`` with the modules of ``owner``; the facts of all nodes, and the output.

    To be called inside ``untouched`` and without gradients.
    """
    watcher = _Watcher(owner, program.graph)
    with FlopCounterMode(display=False) as counter:
        watcher.counter = counter
        output = watcher.run(example.clone())
    return watcher.facts(), output


@final
class _Watcher(fx.Interpreter):
    counter: FlopCounterMode

    def __init__(self, owner: nn.Module, graph: fx.Graph) -> None:
        super().__init__(owner, garbage_collect_values=False, graph=graph)
        self._values: dict[fx.Node, tuple[Any, int | None, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        before = self.counter.get_total_flops()
        value = super().run_node(n)
        macs = (self.counter.get_total_flops() - before) // 2
        version = value._version if isinstance(value, Tensor) else None
        self._values[n] = (value, version, macs)
        return value

    def facts(self) -> dict[fx.Node, Fact]:
        """A tensor that was written to since it was made shows it in its version, which views share."""
        return {
            node: _fact(value, macs, version is not None and value._version != version)
            for node, (value, version, macs) in self._values.items()
        }


def _fact(value: Any, macs: int, overwritten: bool) -> Fact:
    if isinstance(value, Tensor):
        return Fact(tuple(value.shape), value.is_floating_point(), None, macs, overwritten)
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    return Fact(None, False, number, macs, overwritten)
