"""The stitched network: an encoder, an adapter, a decoder; as a chain more parts with an adapter between each two."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from suture.adapters import Adapter
from suture.errors import PlanError, listed
from suture.spec.plan import Plan


class Hybrid(nn.Module):
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
        super().__init__()
        encoder, *middles, decoder = parts
        self.encoder = encoder
        for number, (adapter, middle) in enumerate(zip(adapters, middles, strict=False), 1):
            self.add_module(f"adapter{number}", adapter)
            self.add_module(f"middle{number}", middle)
        self.add_module(f"adapter{len(adapters)}" if middles else "adapter", adapters[-1])
        self.decoder = decoder
        self.plan = plan
        self.frozen: frozenset[str] = frozenset()
        self.input_size: int | None = None
        self.decode_size: int | None = None
        self.classes: tuple[str, ...] | None = None

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for part in self.children():
            x = part(x)
        return x

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of everything it is made of, in the order in which it runs."""
        return tuple(name for name, _ in self.named_children())

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

    def named(self, part: str) -> tuple[str, ...]:
        """The names that ``part`` stands for: its own, or those that add a number to it. Raises PlanError."""
        found = tuple(name for name in self.parts if part in (name, name.rstrip("0123456789")))
        if not found:
            raise PlanError(
                f"this hybrid has no part {part!r}",
                expected=f"some of {listed(self.parts)}",
                instead='hybrid.thaw("decoder")',
            )
        return found

    def freeze(self, *parts: str) -> Self:
        return self._set(parts, frozen=True)

    def thaw(self, *parts: str) -> Self:
        return self._set(parts, frozen=False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.frozen:
            self.get_submodule(part).eval()
        return self

    def _set(self, parts: tuple[str, ...], *, frozen: bool) -> Self:
        names = {name for part in parts for name in self.named(part)}
        self.frozen = self.frozen | names if frozen else self.frozen - names
        for name in names:
            self.get_submodule(name).requires_grad_(not frozen)
        return self.train(self.training)
