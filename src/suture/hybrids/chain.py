"""Networks in a row, and the layers where they meet, in; one network out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from suture.adapters import AdapterSpec, build
from suture.errors import PlanError
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.join import find_seams, fit_adapters, join
from suture.hybrids.parent import Parent, parent
from suture.spec.adapter import FITTED_MASKS
from suture.spec.at import Pair, read_at

BATCH = 256
Giver = str | nn.Module | Parent


def chain(
    *networks: Giver,
    at: str | Sequence[str | Pair],
    adapter: AdapterSpec | str | Sequence[AdapterSpec | str] | None = None,
    images: Tensor | Iterable[Tensor] | None = None,
    classes: int | None = None,
    seed: int = 0,
    example: Tensor | Sequence[Tensor | None] | None = None,
    trust_code: bool = False,
) -> Hybrid:
    """Join two networks or more in a row, each to the next through a small adapter.

    ``chain(a, b, c, at=[("x1", "y1"), ("x2", "y2")])`` runs ``a`` up to x1, ``b`` from after y1 up to x2, and ``c``
    after y2; ``at="x1:y1,x2:y2"`` says the same. Networks are source strings, loaded networks, or any ``nn.Module``
    with an ``example`` batch of its input (one for all, or one each); none is changed, and the hybrid owns copies of
    the parts it takes. ``adapter`` is an AdapterSpec or a kind, one for all joins or one each.

    ``images`` (N, 3, H, W), or batches of them that can be read again, are what least-squares adapters are fitted on,
    one after the other: each to what the chain before it makes of them. Without images a fitted start is ``random``.
    ``classes`` asks for a new, untrained head. ``seed`` draws what is random, ``@none`` networks among it. Everything
    but the adapters comes frozen, in eval mode.

    Raises SourceError, CutError, AdapterError, PlanError.
    """
    if len(networks) < 2:
        raise PlanError(
            f"a chain of {len(networks)}",
            expected="two networks or more",
            instead='chain(a, b, c, at=[("x1", "y1"), ("x2", "y2")])',
        )
    names = read_at(at, len(networks))
    specs = [_spec(spec, fits=images is not None) for spec in each(adapter, len(names), "adapter")]
    if images is not None and not isinstance(images, Tensor) and len(names) > 1 and iter(images) is images:
        raise PlanError(
            f"images that can be read once only, and {len(names)} adapters that want to see them",
            expected="a tensor, a list of batches, or a DataLoader",
            instead="images=list(images)",
        )
    examples = each(example, len(networks), "example")
    options = {"trust_code": trust_code, "seed": seed}
    sides = [parent(network, shown, **options) for network, shown in zip(networks, examples, strict=True)]
    seams = find_seams(sides, names)
    adapters = [build(spec, *seam, seed=seed) for spec, seam in zip(specs, seams, strict=True)]
    if images is not None:
        batches = images.split(BATCH) if isinstance(images, Tensor) else images
        fit_adapters(adapters, sides, seams, lambda: batches)
    return join(sides, seams, adapters, classes=classes, seed=seed)


def each(given: Any, count: int, what: str) -> list[Any]:
    """One for all, or a sequence of one each."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [given] * count
    if len(given) != count:
        raise PlanError(
            f"{len(given)} times {what} where {count} are needed",
            expected=f"one {what} for all, or {count}",
            instead=f"{what}=[{', '.join(f'{what}{k}' for k in range(1, count + 1))}]",
        )
    return list(given)


def _spec(given: AdapterSpec | str | None, *, fits: bool) -> AdapterSpec:
    spec = AdapterSpec(kind=given) if isinstance(given, str) else given or AdapterSpec()
    if fits or not spec.wants_fit:
        return spec
    if spec.mask in FITTED_MASKS:
        raise PlanError(
            f"a {spec.mask} mask, and no images to find it from",
            expected="images, of which the activations say which channels match",
            instead="images=..., a tensor (N, 3, H, W), or mask='random-permutation'",
        )
    return replace(spec, start="random", weighting="none")
