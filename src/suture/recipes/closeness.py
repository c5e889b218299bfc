"""How close what a stitch feeds into its last network is to that network's own activations, there and further down.

A stitch that was trained on a task may be right for other reasons than that two representations are alike: its
activations drift away from all that the receiving network ever makes (Balogh & Jelasity, "How not to Stitch
Representations to Measure Similarity: Task Loss Matching versus Direct Matching", AAAI 2025).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from suture import measures
from suture.data.dataset import Split
from suture.errors import MeasureError
from suture.graph.frames import to_rows
from suture.hybrids import Hybrid, Parent, ready
from suture.spec.cut import Cut

ROOM = 2**28  # bytes of the activations of one batch
MOST = 2**27  # numbers of an activation at the cut that are kept at once
FIT_IMAGES, LOOK_IMAGES, POSITIONS, WIDEST = 1000, 1000, 64, 1024
FLOOR = 1e-3
FAR = 0.99
WARN_OUTSIDE, WARN_DISTANCE = 0.1, 1.0


@dataclass(frozen=True)
class Own:
    """What is usual at some positions of a cut: the mean (C,) of their rows and what makes them white.

    Class and register tokens are held apart from the cells of a grid; of many positions 64 are looked at, evenly
    spread. ``whitener`` is (C, C), or (C,) where only each channel's own variance is known: above 1,024 channels.
    """

    cut: Cut
    span: slice
    mean: Tensor
    whitener: Tensor

    def score(self, rows: Tensor) -> Tensor:
        """Squared Mahalanobis distance per channel of rows (n, positions, C), the mean over positions (n,).

        About 1 for the network's own. Directions in which those hardly vary count as if they had a thousandth of the
        mean variance.
        """
        rows = rows - self.mean
        white = rows * self.whitener if self.whitener.ndim == 1 else rows @ self.whitener
        return white.square().mean((1, 2))


def spans(cut: Cut) -> tuple[slice, ...]:
    """The positions of a cut that are of one kind: extra tokens, and the rest."""
    return (slice(0, cut.extra), slice(cut.extra, None)) if cut.extra else (slice(None),)


def rows_of(x: Tensor, cut: Cut, span: slice) -> Tensor:
    """An activation at some positions of the span (n, positions, C), float64 on the CPU."""
    rows = to_rows(x, cut.layout).view(len(x), -1, cut.channels)[:, span]
    step = -(-rows.shape[1] // POSITIONS)
    return rows[:, ::step].cpu().double()


@dataclass(frozen=True)
class Receiver:
    """The last network of a stitch after the cut where it takes over, and its own activations as a yardstick."""

    network: Parent
    own: tuple[Own, ...]

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return tuple(dict.fromkeys(own.cut for own in self.own))

    def steps(self) -> tuple[nn.Module, ...]:
        """What leads from each cut to the next."""
        return tuple(self.network.traced.between(a.name, b.name).eval() for a, b in pairwise(self.cuts))


def batch_size(cuts: Iterable[Cut]) -> int:
    return max(1, min(250, ROOM // (4 * sum(math.prod(cut.shape) for cut in cuts))))


@torch.no_grad()
def receiver(network: Parent, cut: Cut, split: Split, device: Any, *, further: bool) -> Receiver:
    """Look at a thousand images spread over ``split``; without ``further`` at the cut alone."""
    later = set(network.later(cut)) if further else set()
    cuts = (cut, *(other for other in network.cuts if other.name in later))
    places = [(place, span) for place in cuts for span in spans(place)]
    tap = network.traced.tap([place.name for place in cuts]).eval()
    sums = [_Sums() for _ in places]
    images_seen = split.spread(FIT_IMAGES)
    with ready(network, device=device):
        for images, _ in images_seen.batches(batch_size(cuts)):
            found = tap(images.to(device))
            for total, (place, span) in zip(sums, places, strict=True):
                total.add(rows_of(found[place.name], place, span).flatten(0, 1))
    own = (total.own(*place, len(images_seen)) for total, place in zip(sums, places, strict=True))
    return Receiver(network, tuple(own))


class _Sums:
    """Of rows (n, C), about the first batch's mean, so that large means do not cancel."""

    def __init__(self) -> None:
        self.shift: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        if self.shift is None:
            channels = rows.shape[1]
            self.n, self.shift, self.total = 0, rows.mean(0), torch.zeros(channels).double()
            self.products = torch.zeros(channels, channels if channels <= WIDEST else 1).double()
        rows = rows - self.shift
        self.n += len(rows)
        self.total += rows.sum(0)
        wide = self.products.shape[1] == 1
        self.products += rows.square().sum(0)[:, None] if wide else rows.T @ rows

    def own(self, cut: Cut, span: slice, images: int) -> Own:
        """The covariance is shrunk towards its diagonal, the more the fewer images there are for its channels."""
        assert self.shift is not None
        mean = self.total / self.n
        if self.products.shape[1] == 1:
            variances = self.products[:, 0] / self.n - mean.square()
            return Own(cut, span, self.shift + mean, 1 / _floored(variances).sqrt())
        covariance = self.products / self.n - torch.outer(mean, mean)
        shrunk = torch.lerp(covariance, covariance.diag().diag(), len(mean) / (images + len(mean)))
        variances, vectors = torch.linalg.eigh(shrunk)
        return Own(cut, span, self.shift + mean, vectors / _floored(variances).sqrt())


def _floored(variances: Tensor) -> Tensor:
    return variances.clamp(min=max(float(FLOOR * variances.mean()), torch.finfo(torch.float32).tiny))


@torch.no_grad()
def closeness(hybrid: Hybrid, to: Receiver, split: Split, device: Any) -> dict[str, Any]:
    """At the cut ``cka_linear_biased`` and ``l2`` between stitched and own, and at every cut looked at:

    ``distance``, the squared distance of stitched from own over own from its mean (0 the same, 1 as far as the mean
    is), and ``outside``, the share of images that lie further out than 99 % of the network's own images do. Where
    extra tokens are held apart, the greater of each. Of up to a thousand images, spread over ``split``.
    """
    cut, *_ = to.cuts
    looked = split.spread(min(LOOK_IMAGES, max(2, MOST // math.prod(cut.shape))))
    pairs: list[tuple[Tensor, Tensor]] = []
    tallies = [_Tally(own) for own in to.own]
    front = nn.Sequential(*list(hybrid.children())[:-1])
    steps = to.steps()
    with ready(to.network, device=device):
        encoder = to.network.traced.split(cut.name)[0].eval()
        hybrid.to(device)
        for images, _ in looked.batches(batch_size(to.cuts)):
            images = images.to(device)
            both = [front(images), encoder(images)]
            same = both[0].shape == both[1].shape
            if same:
                pairs.append((both[0].cpu().flatten(1), both[1].cpu().flatten(1)))
            for place, (stitched, own) in zip(to.cuts, _down(both, steps), strict=same):
                for tally in tallies:
                    if tally.own.cut is place:
                        tally.add(stitched, own)
                if not same:
                    break
    layers = [_worst([tally for tally in tallies if tally.own.cut is place]) for place in to.cuts]
    return {"n": len(looked), **_similar(pairs), "layers": [layer for layer in layers if layer]}


def _down(both: Sequence[Tensor], steps: Sequence[nn.Module]) -> Iterator[Sequence[Tensor]]:
    """A pair of values at the cut, and what the network makes of them at each later one."""
    yield both
    for step in steps:
        both = [step(value.clone()) for value in both]
        yield both


class _Tally:
    """Sums over batches, at one kind of positions of one cut."""

    def __init__(self, own: Own) -> None:
        self.own = own
        self.own_scores: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.apart = 0.0
        self.spread = 0.0

    def add(self, stitched: Tensor, own: Tensor) -> None:
        cut, span = self.own.cut, self.own.span
        same = stitched.shape == own.shape
        theirs = rows_of(own, cut, span)
        mine = rows_of(stitched, cut, span if same else slice(None))
        self.own_scores.append(self.own.score(theirs))
        self.scores.append(self.own.score(mine))
        if same:
            self.apart += (mine - theirs).square().sum().item()
            self.spread += (theirs - self.own.mean).square().sum().item()

    @property
    def distance(self) -> float | None:
        """None where there is nothing to measure it by, or where it is not finite."""
        found = self.apart / self.spread if self.spread else math.inf
        return found if math.isfinite(found) else None

    @property
    def outside(self) -> float:
        limit = torch.cat(self.own_scores).quantile(FAR)
        return 1 - (torch.cat(self.scores) <= limit).double().mean().item()


def _worst(tallies: Sequence[_Tally]) -> dict[str, Any] | None:
    """What is told of one cut; None of one that was not reached."""
    if not tallies[0].scores:
        return None
    distances = [tally.distance for tally in tallies if tally.distance is not None]
    return {
        "layer": tallies[0].own.cut.name,
        "distance": max(distances, default=None),
        "outside": max(tally.outside for tally in tallies),
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
    outside = max(found["layers"], key=lambda layer: layer["outside"])
    distant = max(found["layers"], key=lambda layer: layer["distance"] or 0)
    if outside["outside"] > WARN_OUTSIDE:
        said = f"at {outside['layer']} of {origin}, {outside['outside']:.0%} of the images lie further out than 99% of"
        said += " its own do"
    elif (distant["distance"] or 0) >= WARN_DISTANCE:
        said = f"at {distant['layer']} of {origin}, what arrives is no closer to its own activations than their mean is"
    else:
        return []
    return [
        f"out of distribution: {said}, so the accuracy of this stitch says little about how alike the networks are "
        "(Balogh & Jelasity, AAAI 2025)"
    ]
