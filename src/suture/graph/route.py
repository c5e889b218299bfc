"""What each rung of the ladder offers: named places of a network, and how to cut or read there."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import nn

from suture.graph.piece import Read
from suture.graph.spatial import Spatial
from suture.spec.cut import Cut


@final
@dataclass(frozen=True)
class Place:
    """A value that has a name.

    ``cut`` is None where the network cannot be cut; ``reason`` then says why, as a sentence.
    """

    number: int
    name: str
    aliases: tuple[str, ...]
    cut: Cut | None
    reason: str = ""
    readable: bool = True


class Route(ABC):
    """A network that a rung followed from input to output."""

    @property
    @abstractmethod
    def places(self) -> tuple[Place, ...]:
        """All named values, in the order in which the network computes them."""

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """The modules whose outputs only train mode returns, switched off by cutting."""
        return ()

    @property
    def unused(self) -> tuple[str, ...]:
        """The parameters that are in no half: nothing that reaches the output reads them."""
        return ()

    @property
    @abstractmethod
    def parameters(self) -> int:
        """The number of parameters in use, each counted once."""

    @property
    @abstractmethod
    def macs(self) -> int:
        """Multiply-accumulates for one image."""

    @abstractmethod
    def halves(self, place: Place) -> tuple[nn.Module, nn.Module]:
        """The part up to a legal ``place``, and the part after it."""

    @abstractmethod
    def between(self, start: Place, end: Place) -> nn.Module:
        """The part after one legal place and up to a later one."""

    @property
    @abstractmethod
    def spatial(self) -> tuple[Spatial, ...]:
        """The values with a grid that the output depends on, in the order in which they are computed."""

    @abstractmethod
    def watched(self, places: Mapping[str, Place]) -> nn.Module:
        """A module whose forward returns the output and a dict of the values at ``places``, in eval mode."""

    @abstractmethod
    def taps(self, places: Mapping[str, Place], read: Read | None = None) -> nn.Module:
        """A module whose forward returns a dict of the values at ``places``, or of what ``read`` makes of each."""
