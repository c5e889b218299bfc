"""The first part of a network, which a stage leaves as it is, and the rest, which learns from what that gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from suture.graph import Traced, untouched
from suture.spec.cut import Cut
from suture.training import Moving

WORTH = 0.1  # of the network's multiply-accumulates: what runs once should be work that is worth a store


@dataclass(frozen=True, eq=False)
class Halves:
    """``tail(encoder(images))`` is the network, in the modes that a stage gives it; ``place`` says where it is cut."""

    place: str
    encoder: nn.Module
    tail: nn.Module


class _Tail(nn.Module):
    """``piece``, whose own mode is that of ``like``: it goes for what is no module in it, such as a functional dropout.

    A training puts no more than what moves in train mode.
    """

    def __init__(self, piece: nn.Module, like: nn.Module | None) -> None:
        super().__init__()
        self.piece = piece
        # In a tuple, as nn.Module would list it among its own modules.
        self._like = (like,)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        (like,) = self._like
        if like is not None:  # which may be a container that the piece does not have
            like.train(mode)
        return self

    def forward(self, x: Tensor) -> Any:
        (like,) = self._like
        if like is not None:
            self.piece.training = like.training
        return self.piece(x)


def halves(model: nn.Module, moves: Moving, traced: Traced, images: Tensor) -> Halves | None:
    """Cut ``model``, which ``traced`` followed, at the last place before everything that moves.

    None where hardly anything comes before, or where the halves give other answers on ``images`` than the whole does
    with what moves in train mode: some code decides by the mode of what is no layer.
    """
    cuts = traced.cuts(fine=True)
    cut = _last_before(cuts, traced, moves)
    if cut is None or cut.macs_before < WORTH * traced.macs:
        return None
    encoder, rest = traced.split(cut.name)
    for like in (None, moves.modules[0]):
        tail = _Tail(rest, like)
        if _same(model, Halves(cut.name, encoder, tail), moves, images):
            return Halves(cut.name, encoder, tail)
    return None


def _last_before(cuts: Sequence[Cut], traced: Traced, moves: Moving) -> Cut | None:
    """Encoders hold more and more, so that halving finds the last one that holds nothing that moves."""
    moving = {id(tensor) for tensor in moves.tensors().values()}
    low, high = 0, len(cuts)
    while low < high:
        middle = (low + high) // 2
        encoder, _ = traced.split(cuts[middle].name)
        held = encoder.state_dict(keep_vars=True).values()
        low, high = (low, middle) if any(id(tensor) in moving for tensor in held) else (middle + 1, high)
    return cuts[low - 1] if low else None


@torch.no_grad()
def _same(model: nn.Module, found: Halves, moves: Moving, images: Tensor) -> bool:
    parameter = next(model.parameters())
    images = images.to(device=parameter.device, dtype=parameter.dtype)

    def learning() -> None:
        torch.manual_seed(0)
        for module in (found.encoder, found.tail, model):
            module.eval()
        for module in moves.modules:
            module.train()

    with untouched(model):
        try:
            learning()
            whole = model(images)
            learning()
            return torch.allclose(found.tail(found.encoder(images)), whole, rtol=1e-3, atol=1e-4)
        except (RuntimeError, ValueError):  # such as a BatchNorm over a single cell
            return False
