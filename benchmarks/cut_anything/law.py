"""The law of cutting, tried on one network: ``decoder(encoder(x)) == network(x)``."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from suture.graph import Traced, trace
from suture.spec.cut import Cut

TOLERANCE = 1e-5
BLOCKS = 4


@dataclass
class Finding:
    """What one network showed. Gaps are the largest over all cuts tried, relative to the largest absolute output."""

    name: str
    family: str = ""
    side: int = 0
    parameters: int = 0
    tracer: str = ""
    why: str | None = None
    auxiliary: tuple[str, ...] = ()
    block_cuts: int = 0
    fine_cuts: int = 0
    tried: int = 0
    gap_eval: float = 0.0
    gap_train: float = 0.0
    worst_cut: str = ""
    untouched: bool = True
    names_kept: bool = True
    costs_add_up: bool = True
    seconds_to_trace: float = 0.0
    failure: str = ""

    @property
    def lawful(self) -> bool:
        within = max(self.gap_eval, self.gap_train) <= TOLERANCE
        return not self.failure and within and self.untouched and self.names_kept and self.costs_add_up

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"lawful": self.lawful}


def check(name: str, network: nn.Module, images: Tensor, fine: int | None = None) -> Finding:
    """Trace, split at every block cut and at ``fine`` others (None: all), and compare, in eval and in train mode.

    Dropout is switched off for good. Every pass starts from the same buffers and the same random state.
    """
    found = Finding(name, side=images.shape[-1], parameters=sum(p.numel() for p in network.parameters()))
    before = _state(without_dropout(network).eval())
    modes = [module.training for module in network.modules()]
    clock = time.perf_counter()
    traced = trace(network, images)
    blocks, cuts = traced.cuts(), traced.cuts(fine=True)
    found.seconds_to_trace = round(time.perf_counter() - clock, 3)
    found.tracer, found.why, found.auxiliary = traced.tracer, traced.why, traced.auxiliary
    found.block_cuts, found.fine_cuts = len(blocks), len(cuts)
    found.untouched = _same(before, network) and modes == [module.training for module in network.modules()]
    tried = [*blocks, *spread([cut for cut in cuts if not cut.block], fine)]
    found.tried = len(tried)
    found.costs_add_up = adds_up(traced, cuts)
    _compare(found, network, traced, tried, images)
    found.untouched &= _same(before, network.eval())
    return found


@torch.no_grad()
def _compare(found: Finding, network: nn.Module, traced: Traced, cuts: Iterable[Cut], images: Tensor) -> None:
    buffers = [buffer.clone() for buffer in network.buffers()]
    own = network.state_dict()
    wanted: dict[bool, Tensor] = {}
    for training in (False, True):
        wanted[training] = _run(network.train(training), images, buffers, network, wanted.get(False))
    for cut in cuts:
        encoder, decoder = traced.split(cut.name)
        halves = {**encoder.state_dict(), **decoder.state_dict()}
        found.names_kept &= all(name in own and halves[name].data_ptr() == own[name].data_ptr() for name in halves)
        whole = nn.Sequential(encoder, decoder)
        for training in (False, True):
            output = _run(whole.train(training), images, buffers, network, wanted[False])
            gap = float((output - wanted[training]).abs().max() / wanted[training].abs().max())
            gap = gap if gap == gap else float("inf")
            if gap > max(found.gap_eval, found.gap_train):
                found.worst_cut = cut.name
            if training:
                found.gap_train = max(found.gap_train, gap)
            else:
                found.gap_eval = max(found.gap_eval, gap)


def _run(module: nn.Module, images: Tensor, buffers: Sequence[Tensor], owner: nn.Module, like: Tensor | None) -> Tensor:
    torch.manual_seed(0)
    output = main_output(module(images.clone()), like).clone()
    for buffer, value in zip(owner.buffers(), buffers, strict=True):
        buffer.copy_(value)
    return output


def main_output(output: Any, like: Tensor | None = None) -> Tensor:
    """The logits; of a network that returns more in train mode, the first tensor of their shape."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output
    return next(v for v in values if isinstance(v, Tensor) and (like is None or v.shape == like.shape))


def without_dropout(network: nn.Module) -> nn.Module:
    """Whatever drops at random now drops nothing."""
    for module in network.modules():
        drops = any(word in type(module).__name__.lower() for word in ("drop", "stochastic"))
        for rate in ("p", "drop_prob") if drops else ("dropout",):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
    return network


def adds_up(traced: Traced, cuts: Iterable[Cut]) -> bool:
    """Whether parameters and MACs before and after every cut make the whole, parameters not in use left out."""
    whole = sum(p.numel() for p in traced.network.parameters())
    unused = sum(traced.network.get_parameter(name).numel() for name in traced.unused)
    return traced.parameters + unused == whole and all(
        cut.params_before + cut.params_after == traced.parameters and cut.macs_before + cut.macs_after == traced.macs
        for cut in cuts
    )


def spread(items: Sequence[Cut], count: int | None) -> list[Cut]:
    """``count`` of the items, evenly spread."""
    if count is None or count >= len(items):
        return list(items)
    return [items[k * len(items) // count] for k in range(count)]


def _state(network: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in (*network.parameters(), *network.buffers())]


def _same(before: list[Tensor], network: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, (*network.parameters(), *network.buffers()), strict=True))
