"""Every cut of one network, or of a chain so far, against every cut of another, scored without training.

The closed-form stitch of each pair is fitted on training images and asked to classify held-out ones: its accuracy
ranks pairs better than similarity of the activations does (functional against geometric similarity: Csiszarik et
al. 2021, arXiv 2110.14633, section 5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.adapters import Adapter, AdapterSpec, PairFits, build
from suture.data.cache import cache_activations
from suture.data.dataset import Split
from suture.errors import AdapterError
from suture.hybrids import Front, Parent, ready
from suture.spec.cut import Cut

BATCH = 256
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class PairScore:
    """One pair of cuts and its untrained stitch: held-out accuracy and cross-entropy, and what the hybrid costs.

    ``residual`` is this pair's fit's 1 − R² (None where nothing was fitted). The rest is the whole hybrid's.
    """

    a: str
    b: str
    accuracy: float
    cross_entropy: float
    residual: float | None
    params: int
    macs: int


@dataclass(frozen=True)
class Grid:
    """What ``score_pairs`` found: all pairs that an adapter joins, and the cost in FPE.

    One FPE is one image through every network of the search, forwards. ``a`` and ``b`` are the cuts in order.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    pairs: tuple[PairScore, ...]
    cost_fpe: float


def score_pairs(
    a: Front,
    b: Parent,
    spec: AdapterSpec,
    fit_split: Split,
    score_split: Split,
    *,
    seed: int = 0,
    device: Any = "cpu",
    unit: int | None = None,
    tell: Tell = lambda _label, _done: None,
) -> Grid:
    """Fit all pairs of block cuts in one pass over ``fit_split`` and score each on ``score_split``.

    ``unit`` is the MACs of one FPE, those of both networks unless given; ``tell`` hears how many pairs are done.
    Memory: the sums of the fits, and the activations of one cut of ``a`` on ``score_split`` at a time.
    """
    with ready(a, b, device=device):
        return _grid(a, b, spec, fit_split, score_split, seed, device, unit or a.macs + b.macs, tell)


def _grid(
    a: Front,
    b: Parent,
    spec: AdapterSpec,
    fit_split: Split,
    score_split: Split,
    seed: int,
    device: Any,
    unit: int,
    tell: Tell,
) -> Grid:
    cuts_a, cuts_b = a.cuts, b.cuts
    adapters = _adapters(a, b, spec, fit_split, seed, device)
    fitted = any(residual is not None for _, residual in adapters.values())
    cost = len(fit_split) * (a.macs + b.macs) / unit if fitted else 0.0
    decoders = {cut.name: b.traced.split(cut.name)[1] for cut in cuts_b}
    found: list[PairScore] = []
    for x in cuts_a:
        encoder = nn.Sequential(*a.pieces(x)).eval()
        kept = cache_activations(encoder, score_split, device=device)
        cost += len(score_split) * x.macs_before / unit
        for y in cuts_b:
            joined = adapters.get((x.name, y.name))
            if joined is None:
                continue
            adapter, residual = joined
            batches = kept.batches(BATCH) if kept is not None else _through(encoder, score_split, device)
            accuracy, cross_entropy = _score(adapter.to(device).eval(), decoders[y.name], batches, device)
            own = sum(parameter.numel() for parameter in adapter.parameters())
            macs = x.macs_before + adapter.macs + y.macs_after
            params = x.params_before + own + y.params_after
            found.append(PairScore(x.name, y.name, accuracy, cross_entropy, residual, params, macs))
            cost += len(score_split) * (macs - x.macs_before) / unit
            tell(f"{x.name}:{y.name} {accuracy:.3f}", len(found))
    return Grid(tuple(c.name for c in cuts_a), tuple(c.name for c in cuts_b), tuple(found), cost)


@torch.no_grad()
def _adapters(
    a: Front, b: Parent, spec: AdapterSpec, split: Split, seed: int, device: Any
) -> dict[tuple[str, str], tuple[Adapter, float | None]]:
    """An adapter for every pair that one joins, with the residual of its fit."""
    cuts_a, cuts_b = a.cuts, b.cuts
    built = {(x.name, y.name): adapter for x in cuts_a for y in cuts_b if (adapter := _built(spec, x, y, seed))}
    if not any(adapter.wants_fit for adapter in built.values()):
        return {names: (adapter, None) for names, adapter in built.items()}
    fits = PairFits(cuts_a, cuts_b, spec, seed=seed)
    pairs = [(i, j, cuts_a[i], cuts_b[j]) for i, j in fits.pairs]
    tap_a, tap_b = a.tap().eval().to(device), b.tap()
    for images, _labels in split.batches(BATCH):
        images = images.to(device)
        xs, ys = tap_a(images), tap_b(images)
        fits.update([xs[cut.name] for cut in cuts_a], [ys[cut.name] for cut in cuts_b])
    return {(x.name, y.name): (fits.adapter(i, j), fits.solve(i, j)[2].residual) for i, j, x, y in pairs}


def _built(spec: AdapterSpec, x: Cut, y: Cut, seed: int) -> Adapter | None:
    """The adapter of a pair; None where this kind or start cannot join it."""
    try:
        return build(spec, x, y, seed)
    except AdapterError:
        return None


@torch.inference_mode()
def _score(adapter: nn.Module, decoder: nn.Module, batches: Any, device: Any) -> tuple[float, float]:
    logits, labels = [], []
    for activation, label in batches:
        logits.append(decoder(adapter(activation.to(device))).float().cpu())
        labels.append(label)
    answers, truth = torch.cat(logits), torch.cat(labels)
    if truth.ndim == 2:
        right = ((answers > 0) == (truth > 0.5)).double().mean().item()
        return right, F.binary_cross_entropy_with_logits(answers.double(), truth.double()).item()
    accuracy = (answers.argmax(1) == truth).double().mean().item()
    return accuracy, F.cross_entropy(answers.double(), truth).item()


def _through(encoder: nn.Module, split: Split, device: Any) -> Any:
    """Activations batch by batch, for cuts whose activations are too large to keep."""
    with torch.no_grad():
        for images, labels in split.batches(BATCH):
            activation: Tensor = encoder(images.to(device))
            yield activation, labels
