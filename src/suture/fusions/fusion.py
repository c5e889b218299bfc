"""The head of a fusion and the registry of its kinds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


class Head(nn.Module, ABC):
    """Features of every backbone, in order, to logits (N, classes).

    The features are the values at ``cuts``, pooled to vectors (N, channels), or, where a kind says so with ``maps``,
    as maps (N, channels, H, W). A kind is a subclass with this constructor; it may draw from torch's random state, and
    nowhere else.
    """

    maps: ClassVar[bool] = False

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.widths = tuple(cut.channels for cut in cuts)

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """One tensor for each backbone to (N, classes)."""

    def begin(self, layers: Sequence[nn.Linear | None]) -> None:
        """Start from the backbones' own last layers, where a kind can; None stands for one of other classes."""
        del layers

    def extra_repr(self) -> str:
        return f"{', '.join(map(str, self.widths))} -> {self.spec.classes}"


KINDS: dict[str, type[Head]] = {}

H = TypeVar("H", bound=type[Head])


def register(name: str) -> Callable[[H], H]:
    """Register a kind: ``name`` is in ``suture.spec.names.FUSIONS`` and names the file the class is in."""

    def keep(kind: H) -> H:
        KINDS[name] = kind
        return kind

    return keep


def build(spec: FusionSpec, cuts: Sequence[Cut], seed: int = 0) -> Head:
    """The head of ``spec`` over the features at ``cuts``, random, in float32 on the CPU.

    ``seed`` decides it; the caller's random state is left alone. Raises PlanError where this kind cannot take the
    features at one of the cuts.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return KINDS[spec.method](cuts, spec)
