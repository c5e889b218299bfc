"""Least-squares fits of every source cut to every target cut in one pass over the images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from suture.adapters.adapter import KINDS, Adapter, build, nothing_to_fit
from suture.adapters.layouts import Frame, to_rows
from suture.adapters.lstsq import Spectrum, Sums, decompose, empty, pick, solve, update
from suture.adapters.route import Route, fitting_route
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut

CHUNK_BYTES = 2**22  # of rows in float64, so that they stay in a processor's cache


@dataclass(frozen=True)
class FitReport:
    """``n`` rows (images times positions), ``residual`` 1 − R² in [0, 1], ``rank`` of the source's rows."""

    n: int
    residual: float
    rank: int


@dataclass
class _Group:
    """Sources and targets that meet on one frame: each source is moved, and has its Gram, once for all."""

    routes: dict[int, Route] = field(default_factory=dict)
    targets: list[int] = field(default_factory=list)
    sums: Sums | None = None
    spectra: dict[int, Spectrum] = field(default_factory=dict)


class PairFits:
    """Maps between all ``pairs`` (i, j) of a source and a target cut that a route joins.

    Feed batches to :meth:`update`, then read :meth:`solve` or :meth:`adapter` of any pair, at any time.
    Memory is O(Σp² + Σp · Σq) in the channels for every frame among the targets, whatever the number of
    images.

    Raises AdapterError for a kind that has nothing to fit.
    """

    def __init__(self, sources: Sequence[Cut], targets: Sequence[Cut], spec: AdapterSpec | None = None) -> None:
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self.spec = spec or AdapterSpec()
        if not KINDS[self.spec.kind].fittable:
            raise nothing_to_fit(self.spec)
        self._groups: dict[Frame, _Group] = {}
        pairs = []
        for i, source in enumerate(self.sources):
            for j, target in enumerate(self.targets):
                try:
                    route = fitting_route(source, target, self.spec.resample)
                except AdapterError:
                    continue
                pairs.append((i, j))
                group = self._groups.setdefault(route.target_frame, _Group())
                group.routes[i] = route
                if j not in group.targets:
                    group.targets.append(j)
        self.pairs = tuple(pairs)

    @torch.no_grad()
    def update(self, xs: Sequence[Tensor], ys: Sequence[Tensor]) -> None:
        """Add a batch: the activations of the same images at every source and every target, in their order.

        Raises AdapterError, and adds nothing, when one is not finite or has another number of images.
        """
        xs = [_checked(x, cut, len(xs[0])) for x, cut in zip(xs, self.sources, strict=True)]
        ys = [_checked(y, cut, len(xs[0])) for y, cut in zip(ys, self.targets, strict=True)]
        for frame, group in self._groups.items():
            widths = [self.sources[i].channels for i in group.routes]
            width = sum(self.targets[j].channels for j in group.targets)
            sums = group.sums or empty(widths, width, xs[0].device)
            images = max(1, CHUNK_BYTES // (8 * frame.positions * (sum(widths) + width)))
            for start in range(0, len(xs[0]), images):
                chunk = slice(start, start + images)
                x = [route.rows(xs[i][chunk]) for i, route in group.routes.items()]
                y = [to_rows(ys[j][chunk], self.targets[j].layout) for j in group.targets]
                sums = update(sums, torch.cat(x, 1), torch.cat(y, 1))
            group.sums = sums
            group.spectra.clear()

    def solve(self, i: int, j: int) -> tuple[Tensor, Tensor, FitReport]:
        """Weight (target channels, source channels) and bias (target channels,) in float64, and the report.

        Raises AdapterError for a pair that no route joins, and before any image was seen.
        """
        route = fitting_route(self.sources[i], self.targets[j], self.spec.resample)
        group = self._groups[route.target_frame]
        if group.sums is None or group.sums.n == 0:
            raise AdapterError(
                f"no images to fit from {self.sources[i]} to {self.targets[j]}",
                expected="at least one batch with at least one image",
                instead="--fit-images 1024, or another data set with --data",
            )
        before = sum(self.targets[other].channels for other in group.targets[: group.targets.index(j)])
        columns = slice(before, before + self.targets[j].channels)
        sums = pick(group.sums, list(group.routes).index(i), columns)
        if i not in group.spectra:
            group.spectra[i] = decompose(sums)
        weight, bias, residual = solve(sums, self.spec.ridge, group.spectra[i])
        return weight, bias, FitReport(sums.n, residual, group.spectra[i].rank)

    def adapter(self, i: int, j: int) -> Adapter:
        """A new adapter of the pair with the fitted map, in float32 on the CPU."""
        weight, bias, _report = self.solve(i, j)
        adapter = build(self.spec, self.sources[i], self.targets[j])
        adapter.set_map(weight, bias)
        return adapter


def _checked(x: Tensor, cut: Cut, images: int) -> Tensor:
    if len(x) != images:
        raise AdapterError(
            f"the batch at {cut} has {len(x)} images, the first has {images}",
            expected="activations of the same images at every cut",
            instead="the same batch through both networks",
        )
    if not torch.isfinite(x).all():
        raise AdapterError(
            f"the activations at {cut} are not finite",
            expected="finite numbers",
            instead="weights and preprocessing that fit each other, --precision float32, or an earlier cut",
        )
    x = x.cpu() if x.device.type == "mps" else x  # which has no float64
    return x if x.dtype == torch.float64 else x.float()
