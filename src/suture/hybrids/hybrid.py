"""The stitched network: an encoder, an adapter, a decoder."""

from typing import Self

from torch import Tensor, nn

from suture.adapters import Adapter
from suture.errors import PlanError, listed
from suture.spec.plan import Plan


class Hybrid(nn.Module):
    """``decoder(adapter(encoder(images)))``: the first part of one network and the last part of another.

    Takes what the encoder's network takes and gives what the decoder's gives; nothing else of either runs.
    ``plan`` describes it. ``frozen`` parts neither learn nor leave eval mode; ``freeze`` and ``thaw`` change them.
    """

    PARTS = ("encoder", "adapter", "decoder")

    def __init__(self, encoder: nn.Module, adapter: Adapter, decoder: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.encoder = encoder
        self.adapter = adapter
        self.decoder = decoder
        self.plan = plan
        self.frozen: frozenset[str] = frozenset()
        self.input_size: int | None = None
        self.decode_size: int | None = None
        self.classes: tuple[str, ...] | None = None

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.adapter(self.encoder(images)))
        return logits

    @property
    def tail(self) -> nn.Sequential:
        """What runs after the cut: adapter and decoder, sharing this hybrid's modules."""
        return nn.Sequential(self.adapter, self.decoder)

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
        for part in parts:
            if part not in self.PARTS:
                raise PlanError(
                    f"a stitched network has no part {part!r}",
                    expected=f"some of {listed(self.PARTS)}",
                    instead='hybrid.thaw("decoder")',
                )
        self.frozen = self.frozen | set(parts) if frozen else self.frozen - set(parts)
        for part in parts:
            self.get_submodule(part).requires_grad_(not frozen)
        return self.train(self.training)
