"""The stitched network: an encoder, an adapter, a decoder; as a chain more parts with an adapter between each two."""

from collections.abc import Sequence

from torch import Tensor, nn

from suture.adapters import Adapter
from suture.hybrids.parts import Parts
from suture.spec.plan import Plan


class Hybrid(Parts):
    """``decoder(adapter(encoder(images)))``: the first part of one network and the last part of another.

    A chain of more networks is made of ``encoder``, ``adapter1``, ``middle1``, ``adapter2``, ..., ``decoder``. Takes
    what the first network takes and gives what the last one gives; nothing else of any runs. ``plan`` describes it.
    ``frozen`` parts neither learn nor leave eval mode; ``freeze`` and ``thaw`` change them, and take ``adapter`` and
    ``middle`` for all of a chain's.
    """

    encoder: nn.Module
    adapter: Adapter
    decoder: nn.Module

    def __init__(self, parts: Sequence[nn.Module], adapters: Sequence[Adapter], plan: Plan) -> None:
        super().__init__(plan)
        encoder, *middles, decoder = parts
        self.encoder = encoder
        for number, (adapter, middle) in enumerate(zip(adapters, middles, strict=False), 1):
            self.add_module(f"adapter{number}", adapter)
            self.add_module(f"middle{number}", middle)
        self.add_module(f"adapter{len(adapters)}" if middles else "adapter", adapters[-1])
        self.decoder = decoder

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for part in self.children():
            x = part(x)
        return x

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The names of the parts that were cut out of networks."""
        return tuple(name for name, part in self.named_children() if not isinstance(part, Adapter))

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        return tuple(part for part in self.children() if isinstance(part, Adapter))

    @property
    def tail(self) -> nn.Sequential:
        """What runs after the first cut, sharing this hybrid's modules."""
        return nn.Sequential(*list(self.children())[1:])
