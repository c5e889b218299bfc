"""Two networks and two layers in, one network out."""

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from suture.adapters import Adapter, AdapterSpec, FitReport, build, fit
from suture.errors import PlanError
from suture.graph import untouched
from suture.hybrids.heads import new_head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.parent import Parent, parent
from suture.spec.cut import Cut
from suture.spec.plan import stitch_plan

BATCH = 256


def stitch(
    a: str | nn.Module | Parent,
    b: str | nn.Module | Parent,
    at: tuple[str, str],
    *,
    adapter: AdapterSpec | str | None = None,
    images: Tensor | Iterable[Tensor] | None = None,
    classes: int | None = None,
    seed: int = 0,
    example: Tensor | None = None,
    trust_code: bool = False,
) -> Hybrid:
    """Join ``a`` up to ``at[0]`` to ``b`` after ``at[1]`` through a small adapter.

    ``a`` and ``b`` are source strings, loaded networks, or any ``nn.Module`` with an ``example`` batch of its input;
    neither is changed, and the hybrid owns copies of the parts it takes. ``adapter`` is an AdapterSpec or a kind.
    ``images`` (N, 3, H, W), or batches of them, are what a least-squares adapter is fitted on; without images the
    start is ``random``. ``classes`` asks for a new, untrained head. Encoder and decoder come frozen, in eval mode.

    Raises SourceError, CutError, AdapterError, PlanError.
    """
    spec = AdapterSpec(kind=adapter) if isinstance(adapter, str) else adapter or AdapterSpec()
    if images is None and spec.start == "least-squares":
        spec = replace(spec, start="random")
    first = parent(a, example, trust_code=trust_code)
    second = parent(b, example, trust_code=trust_code)
    if len(at) != 2 or isinstance(at, str):
        raise PlanError(
            f"at={at!r} does not name two layers",
            expected="(last layer of the encoder, layer whose output the adapter replaces)",
            instead='at=("relu5", "layer2.2")',
        )
    cuts = first.traced.find(at[0]), second.traced.find(at[1])
    module = build(spec, *cuts, seed=seed)
    if images is not None and module.wants_fit:
        batches = images.split(BATCH) if isinstance(images, Tensor) else images
        fit_adapter(module, first, second, cuts, batches)
    return join(first, second, cuts, module, classes=classes, seed=seed)


def join(
    a: Parent,
    b: Parent,
    cuts: tuple[Cut, Cut],
    adapter: Adapter,
    *,
    classes: int | None = None,
    seed: int = 0,
) -> Hybrid:
    """The hybrid of two parents and an adapter that is ready; it owns copies of the halves, frozen, in eval mode."""
    plan = stitch_plan(a.part(cuts[0]), b.part(cuts[1]), adapter.spec, classes)
    encoder, decoder = a.traced.split(cuts[0].name)[0], b.traced.split(cuts[1].name)[1]
    hybrid = Hybrid(copy.deepcopy(encoder), adapter, copy.deepcopy(decoder), plan)
    hybrid.input_size = getattr(a.network, "input_size", None)
    sizes = [getattr(side.network, "decode_size", None) for side in (a, b)]
    hybrid.decode_size = max((size for size in sizes if size), default=None)
    hybrid.classes = getattr(b.network, "classes", None) if classes is None else None
    hybrid.freeze("encoder", "decoder").eval()
    if classes is not None:
        new_head(hybrid.decoder, classes, seed)
    return hybrid


@torch.no_grad()
def fit_adapter(
    adapter: Adapter,
    a: Parent,
    b: Parent,
    cuts: tuple[Cut, Cut],
    batches: Iterable[Tensor],
    device: Any = None,
) -> FitReport:
    """Fit an adapter in closed form to what both networks make of the same images in eval mode, in one pass.

    The networks are moved to ``device`` first (None leaves them); nothing else about them changes.
    """
    for side in (a, b):
        side.network.to(device)
    with untouched(a.network, False), untouched(b.network, False):
        taps = [side.traced.tap([cut.name]) for side, cut in zip((a, b), cuts, strict=True)]

        def activations() -> Iterable[tuple[Tensor, Tensor]]:
            for images in batches:
                images = images.to(device)
                x, y = (tap(images)[cut.name] for tap, cut in zip(taps, cuts, strict=True))
                yield x, y

        return fit(adapter, activations())
