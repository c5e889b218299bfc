"""How close what a stitch feeds into its last network is to that network's own activations, there and further down.

A stitch that was trained on a task may be right for other reasons than that two representations are alike: its
activations drift away from all that the receiving network ever makes (Balogh & Jelasity, "How not to Stitch
Representations to Measure Similarity: Task Loss Matching versus Direct Matching", AAAI 2025).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from suture import measures
from suture.adapters.layouts import to_rows
from suture.adapters.lstsq import decompose
from suture.adapters.sums import empty, update
from suture.data.dataset import Split
from suture.errors import MeasureError
from suture.hybrids import Hybrid, Parent, ready
from suture.spec.cut import Cut

BATCH = 250
MOST = 2**27  # numbers of an activation that are held at once
FIT_IMAGES, LOOK_IMAGES = 1000, 1000
FLOOR = 1e-3
FAR = 0.99
WARN = 0.1


@dataclass(frozen=True)
class Own:
    """What is usual at a cut: the mean (C,) of its rows and what makes them white (C, C), from training images."""

    cut: Cut
    mean: Tensor
    whitener: Tensor

    def score(self, x: Tensor) -> Tensor:
        """Squared Mahalanobis distance per channel, the mean over an image's positions (n,): about 1 for its own.

        Directions in which B's own activations hardly vary count as if they had a thousandth of the mean variance.
        """
        rows = to_rows(x.cpu().double(), self.cut.layout) - self.mean
        return (rows @ self.whitener).square().mean(1).view(len(x), -1).mean(1)


@dataclass(frozen=True)
class Receiver:
    """The last network of a stitch after the cut where it takes over, and its own activations as a yardstick."""

    network: Parent
    own: tuple[Own, ...]

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return tuple(own.cut for own in self.own)

    def steps(self) -> tuple[nn.Module, ...]:
        """What leads from each cut to the next."""
        return tuple(self.network.traced.between(a.name, b.name).eval() for a, b in pairwise(self.cuts))


@torch.no_grad()
def receiver(network: Parent, cut: Cut, split: Split, device: Any, *, further: bool) -> Receiver:
    """Look at the first thousand images of ``split``; without ``further`` at the cut alone."""
    later = set(network.later(cut)) if further else set()
    cuts = (cut, *(other for other in network.cuts if other.name in later))
    tap = network.traced.tap([c.name for c in cuts]).eval()
    sums = [empty([c.channels], 0) for c in cuts]
    with ready(network, device=device):
        for images, _ in split.first(FIT_IMAGES).batches(BATCH):
            found = tap(images.to(device))
            for number, place in enumerate(cuts):
                rows = to_rows(found[place.name].cpu().float(), place.layout)
                sums[number] = update(sums[number], rows, rows[:, :0])
    return Receiver(network, tuple(_own(place, total) for place, total in zip(cuts, sums, strict=True)))


def _own(cut: Cut, sums: Any) -> Own:
    spectrum = decompose(sums)
    variances = spectrum.values / sums.n
    floored = variances.clamp(min=max(float(FLOOR * variances.mean()), torch.finfo(torch.float32).tiny))
    return Own(cut, sums.x_shift + sums.x_total / sums.n, spectrum.vectors / floored.sqrt())


@torch.no_grad()
def closeness(hybrid: Hybrid, to: Receiver, split: Split, device: Any) -> dict[str, Any]:
    """At the cut ``cka_linear_biased`` and ``l2`` between stitched and own, and at every cut looked at:

    ``distance``, the squared distance of stitched from own over own from its mean (0 the same, 1 as far as the mean
    is), and ``outside``, the share of images that lie further out than 99 % of the network's own images do.
    """
    cut = to.own[0].cut
    looked = split.first(min(LOOK_IMAGES, max(2, MOST // torch.Size(cut.shape).numel())))
    pairs: list[tuple[Tensor, Tensor]] = []
    tallies = [_Tally(own) for own in to.own]
    front = nn.Sequential(*list(hybrid.children())[:-1])
    steps = to.steps()
    with ready(to.network, device=device):
        encoder = to.network.traced.split(cut.name)[0].eval()
        hybrid.to(device)
        for images, _ in looked.batches(BATCH):
            images = images.to(device)
            both = [front(images), encoder(images)]
            same = both[0].shape == both[1].shape
            if same:
                pairs.append((both[0].cpu().flatten(1), both[1].cpu().flatten(1)))
            for tally, (stitched, own) in zip(tallies, _down(both, steps), strict=same):
                tally.add(stitched, own)
                if not same:
                    break
    return {"n": len(looked), **_similar(pairs), "layers": [tally.told() for tally in tallies if tally.own_scores]}


def _down(both: Sequence[Tensor], steps: Sequence[nn.Module]) -> Iterator[Sequence[Tensor]]:
    """A pair of values at the cut, and what the network makes of them at each later one."""
    yield both
    for step in steps:
        both = [step(value.clone()) for value in both]
        yield both


class _Tally:
    """Sums over batches, at one cut."""

    def __init__(self, own: Own) -> None:
        self.own = own
        self.own_scores: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.apart = 0.0
        self.spread = 0.0

    def add(self, stitched: Tensor, own: Tensor) -> None:
        self.own_scores.append(self.own.score(own))
        self.scores.append(self.own.score(stitched))
        if stitched.shape == own.shape:
            layout = self.own.cut.layout
            self.apart += (stitched - own).double().square().sum().item()
            self.spread += (to_rows(own.cpu().double(), layout) - self.own.mean).square().sum().item()

    def told(self) -> dict[str, Any]:
        limit = torch.cat(self.own_scores).quantile(FAR)
        return {
            "layer": self.own.cut.name,
            "distance": self.apart / self.spread if self.spread else None,
            "outside": (torch.cat(self.scores) > limit).double().mean().item(),
        }


def _similar(pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float | None]:
    """The two measures of the paper; None where they cannot say anything, such as of a constant."""
    found: dict[str, float | None] = {"cka_linear_biased": None, "l2": None}
    if pairs:
        stitched, own = (torch.cat(side) for side in zip(*pairs, strict=True))
        for name in found:
            try:
                found[name] = measures.compute(name, stitched, own)
            except MeasureError:
                continue
    return found


def warnings(found: Mapping[str, Any], origin: str) -> list[str]:
    """What is to be said of a trained stitch that drifted: where most, and how far."""
    worst = max(found["layers"], key=lambda layer: layer["outside"])
    if worst["outside"] <= WARN:
        return []
    return [
        f"out of distribution: at {worst['layer']} of {origin}, {worst['outside']:.0%} of the images lie further out "
        "than 99 % of its own do, so the accuracy of this stitch says little about how alike the networks are "
        "(Balogh & Jelasity, AAAI 2025)"
    ]
