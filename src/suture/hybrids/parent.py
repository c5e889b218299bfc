"""A network that gives a part to a hybrid: traced once, cut as often as wanted."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from suture.graph import Network, Traced, trace
from suture.sources import digest, load
from suture.spec.cut import Cut
from suture.spec.plan import Part


@dataclass(eq=False)
class Parent:
    """A network with its trace and the digest of its weights, each computed when first wanted."""

    network: nn.Module
    example: Tensor | None = None

    @cached_property
    def traced(self) -> Traced:
        return trace(self.network, self.example)

    @cached_property
    def digest(self) -> str:
        return digest(self.network.state_dict())

    @property
    def origin(self) -> str:
        if isinstance(self.network, Network):
            return self.network.origin
        return f"module:{type(self.network).__name__}"

    def part(self, cut: Cut, end: Cut | None = None) -> Part:
        return Part(self.origin, self.digest, cut.name, end.name if end else None)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.network,)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The block cuts; all legal cuts of a network that has no blocks."""
        return self.traced.cuts() or self.traced.cuts(fine=True)

    @property
    def macs(self) -> int:
        return self.traced.macs

    def share(self, done: int, of: int) -> Cut:
        """The block cut after ``done`` of ``of`` equal parts, by count: of halves, where *cut in half* cuts."""
        return self.cuts[len(self.cuts) * done // of]

    def later(self, cut: Cut) -> tuple[str, ...]:
        """The names of all legal cuts after one of them, in order."""
        names = [other.name for other in self.traced.cuts(fine=True)]
        return tuple(names[names.index(cut.name) + 1 :])

    def counted(self, cut: Cut) -> Cut:
        """The cut with the cost of what runs before it, which for a network is told already."""
        return cut

    def pieces(self, cut: Cut) -> list[nn.Module]:
        """What leads from images to the cut, to be run in order."""
        return [self.traced.split(cut.name)[0]]

    def tap(self) -> nn.Module:
        """Images to a dict of the activations at all ``cuts``, by name."""
        return self.traced.tap([cut.name for cut in self.cuts])


def parent(network: str | nn.Module | Parent, example: Tensor | None = None, **options: Any) -> Parent:
    """From a source string, a loaded network, or any ``nn.Module`` with an example batch of its input."""
    if isinstance(network, Parent):
        return network
    return Parent(load(network, **options) if isinstance(network, str) else network, example)
