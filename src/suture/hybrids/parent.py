"""A network that gives a part to a hybrid: traced once, cut as often as wanted."""

import copy
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

    def middle(self) -> Cut:
        """The middle block cut, by count: where *cut in half* cuts."""
        cuts = self.traced.cuts()
        return cuts[len(cuts) // 2]

    def encoder(self, cut: Cut, *, own: bool = False) -> nn.Module:
        """All before the cut; with ``own`` a copy, so that training it leaves the network alone."""
        half = self.traced.split(cut.name)[0]
        return copy.deepcopy(half) if own else half

    def decoder(self, cut: Cut, *, own: bool = False) -> nn.Module:
        """All after the cut; with ``own`` a copy."""
        half = self.traced.split(cut.name)[1]
        return copy.deepcopy(half) if own else half


def parent(network: str | nn.Module | Parent, example: Tensor | None = None, **options: Any) -> Parent:
    """From a source string, a loaded network, or any ``nn.Module`` with an example batch of its input."""
    if isinstance(network, Parent):
        return network
    return Parent(load(network, **options) if isinstance(network, str) else network, example)
