"""Two networks and two layers in, one network out: the shortest chain."""

from collections.abc import Iterable

from torch import Tensor

from suture.adapters import AdapterSpec
from suture.hybrids.chain import Giver, chain
from suture.hybrids.hybrid import Hybrid
from suture.spec.at import Pair


def stitch(
    a: Giver,
    b: Giver,
    at: Pair | str,
    *,
    adapter: AdapterSpec | str | None = None,
    images: Tensor | Iterable[Tensor] | None = None,
    classes: int | None = None,
    seed: int = 0,
    example: Tensor | None = None,
    trust_code: bool = False,
) -> Hybrid:
    """Join ``a`` up to x to ``b`` after y through a small adapter; ``at`` is (x, y), or "x:y".

    ``a`` and ``b`` are source strings, loaded networks, or any ``nn.Module`` with an ``example`` batch of its input;
    neither is changed, and the hybrid owns copies of the parts it takes. ``adapter`` is an AdapterSpec or a kind.
    ``images`` (N, 3, H, W), or batches of them, are what a least-squares adapter is fitted on; without images the
    start is ``random``. ``classes`` asks for a new, untrained head. Encoder and decoder come frozen, in eval mode.

    Raises SourceError, CutError, AdapterError, PlanError.
    """
    return chain(
        a,
        b,
        at=at if isinstance(at, str) else [at],
        adapter=adapter,
        images=images,
        classes=classes,
        seed=seed,
        example=example,
        trust_code=trust_code,
    )
