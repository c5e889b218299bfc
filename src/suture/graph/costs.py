"""What one pass over a graph shows: shapes, multiply-accumulates, and values that are overwritten later."""

import copy
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from suture.graph.program import Program, operation
from suture.graph.untouched import untouched


@final
@dataclass(frozen=True)
class Fact:
    """One value: its shape (None for anything but one tensor), or the plain Python ``value`` it is, and its cost.

    A plain value is a number, None, or a list of these. ``steady`` says that shapes decide it, and that a batch of
    another size gives the same; ``batched`` that axis 0 is the batch.
    ``macs`` are multiply-accumulates for the whole batch. ``overwritten`` says that a later node changes it in place,
    itself or through a view.
    """

    shape: tuple[int, ...] | None = None
    dtype: torch.dtype | None = None
    floating: bool = False
    batched: bool = False
    plain: bool = False
    value: object = None
    steady: bool = False
    macs: int = 0
    overwritten: bool = False

    @property
    def is_activation(self) -> bool:
        return self.floating and self.batched and len(self.shape or ()) >= 2

    def has_length(self, size: int) -> bool:
        return self.shape is not None and self.shape[:1] == (size,)


Facts = dict[fx.Node, Fact]
_KEEPS_AXES: Final = ("add", "mul", "relu", "flatten", "mean", "cat", "adaptive_avg_pool2d", "dropout", "relu6", "iadd")


def observe(program: Program, whole: nn.Module, example: Tensor, training: bool) -> Facts:
    """The facts of all nodes of ``program``, from one pass of ``example`` through the modules of ``whole``.

    On the meta device, where nothing is computed, so that shapes alone can have decided a number; for real where the
    network asks for values or holds tensors that are neither parameters nor buffers. MACs are counted in eval mode.
    Leaves the network as it is.
    """
    with untouched(program.inventory.network, training), torch.no_grad():
        whole.train(training)
        try:
            owner, shapes = _on_meta(whole), example.to("meta")
            facts = _observed(program, owner, shapes, counted=not training)
            if not any(fact.plain for fact in facts.values()) and not any(map(_moves_axes, facts)):
                return {node: _compared(fact, None, len(example)) for node, fact in facts.items()}
            more = _observed(program, owner, torch.cat([shapes, shapes[:1]]), counted=False)
            return {node: _compared(fact, more[node], len(example)) for node, fact in facts.items()}
        except Exception:
            # Whatever the network's own code raises where there are no values to be had.
            torch.manual_seed(0)
            facts = _observed(program, whole, example.clone(), counted=not training)
            return {node: _compared(fact, None, len(example)) for node, fact in facts.items()}


def _compared(fact: Fact, other: Fact | None, batch: int) -> Fact:
    """What stays and what grows with a batch of one image more, where there is such an ``other`` pass."""
    batched = fact.has_length(batch) and (other is None or other.has_length(batch + 1))
    steady = other is not None and fact.plain and other.plain and fact.value == other.value
    return replace(fact, steady=steady, batched=batched)


def _moves_axes(node: fx.Node) -> bool:
    """Whether axis 0 may become another than the batch."""
    return node.op in ("call_function", "call_method") and operation(node) not in _KEEPS_AXES


def _observed(program: Program, owner: nn.Module, example: Tensor, counted: bool) -> Facts:
    watcher = _Watcher(owner, program.graph)
    with FlopCounterMode(display=False) if counted else nullcontext() as watcher.counter:
        watcher.run(example)
    return watcher.facts()


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have shapes but neither values nor gradients."""
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        shape = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(shape, requires_grad=False) if isinstance(tensor, nn.Parameter) else shape
    return copy.deepcopy(module, memo)


@final
class _Watcher(fx.Interpreter):
    counter: FlopCounterMode | None

    def __init__(self, owner: nn.Module, graph: fx.Graph) -> None:
        super().__init__(owner, garbage_collect_values=False, graph=graph)
        self._values: dict[fx.Node, tuple[Any, int | None, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        before = self._flops()
        value = super().run_node(n)
        macs = (self._flops() - before) // 2
        version = value._version if isinstance(value, Tensor) else None
        self._values[n] = (value, version, macs)
        return value

    def _flops(self) -> int:
        return self.counter.get_total_flops() if self.counter else 0

    def facts(self) -> dict[fx.Node, Fact]:
        """A tensor that was written to since it was made shows it in its version, which views share."""
        return {
            node: _fact(value, macs, version is not None and value._version != version)
            for node, (value, version, macs) in self._values.items()
        }


def _fact(value: Any, macs: int, overwritten: bool) -> Fact:
    if isinstance(value, Tensor):
        return Fact(tuple(value.shape), value.dtype, value.is_floating_point(), macs=macs, overwritten=overwritten)
    plain = _is_plain(value)
    return Fact(plain=plain, value=value if plain else None, macs=macs, overwritten=overwritten)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (int, float))
