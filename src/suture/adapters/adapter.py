"""The adapter and the registry of its kinds."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


class Adapter(nn.Module, ABC):
    """A module from the activation at ``source`` to what ``target``'s decoder expects.

    A kind is a subclass with this constructor; it raises AdapterError for cuts it cannot join, and draws
    random numbers from ``generator`` only. A ``fittable`` kind is a :class:`~suture.adapters.mapped.Mapped`.
    """

    fittable: ClassVar[bool] = False

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        del generator  # for the kinds that draw from it
        super().__init__()
        self.spec = spec
        self.source = source
        self.target = target

    @property
    def wants_fit(self) -> bool:
        """Whether this adapter is of no use before ``fit``: its start or its mask is found from activations."""
        return self.fittable and self.spec.wants_fit

    @property
    def matrix(self) -> Tensor | None:
        """The map's weight (target channels, columns) as it acts, differentiable; None where there is no one matrix."""
        return None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of its maps for one image; moving between layouts and grids is left out."""
        return 0

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(N, *source.shape) to (N, *target.shape), but for the grid with ``resample="none"``."""

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        """Become the affine map of the channels ``weight`` (target, source) and ``bias`` (target,), in place."""
        del weight, bias
        raise nothing_to_fit(self.spec)

    def extra_repr(self) -> str:
        return f"{self.source} -> {self.target}, resample={self.spec.resample}, start={self.spec.start}"


KINDS: dict[str, type[Adapter]] = {}

A = TypeVar("A", bound=type[Adapter])


def register(name: str) -> Callable[[A], A]:
    """Register a kind: ``name`` is in ``suture.spec.names.ADAPTERS`` and names the file the class is in."""

    def keep(kind: A) -> A:
        KINDS[name] = kind
        return kind

    return keep


def build(spec: AdapterSpec, source: Cut, target: Cut, seed: int = 0) -> Adapter:
    """The adapter of ``spec`` between two cuts, in float32 on the CPU.

    ``seed`` decides a random start; the global random state is neither read nor moved. A start that is fitted has
    a zero map until ``fit`` writes it, a mask that is fitted lets everything through.

    Raises AdapterError when this kind or start cannot join the two cuts.
    """
    return KINDS[spec.kind](spec, source, target, torch.Generator().manual_seed(seed))


def nothing_to_fit(spec: AdapterSpec) -> AdapterError:
    return AdapterError(
        f"an adapter of kind {spec.kind!r} has nothing to fit",
        expected="a kind with a channel map",
        instead="kind='linear', or no fit",
    )
