"""Networks and the places where they meet to one hybrid."""

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from suture.adapters import Adapter, AdapterSpec, FitReport, fit
from suture.adapters.fit import Batch
from suture.adapters.weighting import weigher
from suture.errors import CutError, listed
from suture.hybrids.front import Front, Seam, fronts, ready
from suture.hybrids.heads import new_head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.parent import Parent
from suture.spec.at import At
from suture.spec.plan import Plan, chain_plan

Batches = Callable[[], Iterable[Tensor]]


def find_seams(sides: Sequence[Parent], at: At | None = None) -> tuple[Seam, ...]:
    """The cuts that ``at`` names; without it those that leave each network an equal share of its block cuts.

    Raises CutError, also where a network in the middle is left nothing to do.
    """
    if at is None:
        shares = enumerate(pairwise(sides), 1)
        at = tuple((a.share(k, len(sides)).name, b.share(k, len(sides)).name) for k, (a, b) in shares)
    seams = tuple((a.traced.find(x), b.traced.find(y)) for (a, b), (x, y) in zip(pairwise(sides), at, strict=True))
    for side, ((_, y), (x, _)) in zip(sides[1:-1], pairwise(seams), strict=True):
        later = side.later(y)
        if x.name not in later:
            raise CutError(
                f"in {side.origin}, {x.name} is not computed after {y.name}",
                expected=f"a part of it to run, from after {y.name} up to a later layer",
                instead=f"{listed(later)} in place of {x.name}" if later else f"an earlier layer than {y.name}",
            )
    return seams


def planned(
    sides: Sequence[Parent], seams: Sequence[Seam], specs: Iterable[AdapterSpec], classes: int | None = None
) -> Plan:
    """The plan of a hybrid that is not there yet."""
    first, *others, last = sides
    middles = [side.part(y, x) for side, ((_, y), (x, _)) in zip(others, pairwise(seams), strict=True)]
    return chain_plan([first.part(seams[0][0]), *middles, last.part(seams[-1][1])], specs, classes)


def join(
    sides: Sequence[Parent],
    seams: Sequence[Seam],
    adapters: Sequence[Adapter],
    *,
    classes: int | None = None,
    seed: int = 0,
) -> Hybrid:
    """The hybrid of networks and of adapters that are ready; it owns copies of the parts, frozen, in eval mode."""
    first, *others, last = sides
    encoder, decoder = first.traced.split(seams[0][0].name)[0], last.traced.split(seams[-1][1].name)[1]
    middles = [
        side.traced.between(y.name, x.name) for side, ((_, y), (x, _)) in zip(others, pairwise(seams), strict=True)
    ]
    plan = planned(sides, seams, [adapter.spec for adapter in adapters], classes)
    hybrid = Hybrid([copy.deepcopy(part) for part in (encoder, *middles, decoder)], adapters, plan)
    hybrid.input_size = getattr(first.network, "input_size", None)
    sizes = [getattr(side.network, "decode_size", None) for side in sides]
    hybrid.decode_size = max((size for size in sizes if size), default=None)
    hybrid.classes = getattr(last.network, "classes", None) if classes is None else None
    hybrid.freeze(*hybrid.pretrained).eval()
    if classes is not None:
        new_head(hybrid.decoder, classes, seed)
    return hybrid


def fit_adapters(
    adapters: Sequence[Adapter],
    sides: Sequence[Parent],
    seams: Sequence[Seam],
    batches: Batches,
    device: Any = None,
) -> list[FitReport | None]:
    """Fit the adapters that want it in closed form, in order: each to what the chain before it makes of the images.

    ``batches`` gives the images anew for each of them. The networks are moved to ``device`` first (None leaves them);
    nothing else about them changes. None stands for an adapter that was not fitted.
    """
    before = fronts(sides, seams, adapters)[:-1]
    return [
        fit_adapter(adapter, front, side, seam, batches(), device) if adapter.wants_fit else None
        for adapter, front, side, seam in zip(adapters, before, sides[1:], seams, strict=True)
    ]


@torch.no_grad()
def fit_adapter(
    adapter: Adapter, a: Front, b: Parent, seam: Seam, batches: Iterable[Tensor], device: Any = None
) -> FitReport:
    """Fit an adapter in closed form to what both sides make of the same images in eval mode, in one pass.

    Rows are weighted as its spec asks for, by the gradient through what is left of ``b`` where it says so.
    """
    with ready(a, b, device=device):
        source = nn.Sequential(*a.pieces(seam[0])).eval().to(device)
        target = b.pieces(seam[1])[0]

        weigh = weigher(adapter.spec, seam[1], lambda: b.traced.split(seam[1].name)[1].eval().to(device))

        def activations() -> Iterable[Batch]:
            for images in batches:
                images = images.to(device)
                x, y = source(images), target(images)
                yield (x, y) if weigh is None else (x, y, weigh(y))

        return fit(adapter, activations())
