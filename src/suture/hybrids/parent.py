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

    def part(self, cut: Cut) -> Part:
        return Part(self.origin, self.digest, cut.name)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The block cuts; all legal cuts of a network that has no blocks."""
        return self.traced.cuts() or self.traced.cuts(fine=True)

    def middle(self) -> Cut:
        """The middle block cut, by count: where *cut in half* cuts."""
        return self.cuts[len(self.cuts) // 2]


def parent(network: str | nn.Module | Parent, example: Tensor | None = None, **options: Any) -> Parent:
    """From a source string, a loaded network, or any ``nn.Module`` with an example batch of its input."""
    if isinstance(network, Parent):
        return network
    return Parent(load(network, **options) if isinstance(network, str) else network, example)
