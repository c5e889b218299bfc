"""Closed-form fits of every source cut to every target cut in one pass over the images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from suture.adapters.adapter import KINDS, Adapter, build, nothing_to_fit
from suture.adapters.batches import checked, chunks, no_images
from suture.adapters.lstsq import Spectrum, decompose
from suture.adapters.mapped import Mapped
from suture.adapters.route import Route, fitting_route
from suture.adapters.solution import FitReport, Solution, become, find
from suture.adapters.sums import Sums, empty, pick, update
from suture.errors import AdapterError
from suture.graph.frames import Frame, to_rows
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut

Column = tuple[int, Frame]  # a source, and how its tokens lie, which may depend on the target


@dataclass
class _Group:
    """Sources and targets that meet on one frame: each source is moved, and has its Gram, once for all."""

    routes: dict[Column, Route] = field(default_factory=dict)
    targets: list[int] = field(default_factory=list)
    sums: Sums | None = None
    spectra: dict[Column, Spectrum] = field(default_factory=dict)


class PairFits:
    """Maps of the channels between all ``pairs`` (i, j) of a source and a target cut that the kind can join.

    Feed batches to :meth:`update`, then read :meth:`solve` or :meth:`adapter` of any pair, at any time.
    Memory is O(Σp² + Σp · Σq) in the channels for every frame among the targets, whatever the number of
    images. A kind that is linear in more than the channels (conv3x3) gets the best map of the channels alone.
    ``seed`` decides what is random: a mask, or a start under a mask that is fitted.

    Raises AdapterError for a kind that has nothing to fit, for flattened activations and for weighted rows.
    """

    def __init__(
        self, sources: Sequence[Cut], targets: Sequence[Cut], spec: AdapterSpec | None = None, *, seed: int = 0
    ) -> None:
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self.spec = spec or AdapterSpec()
        kind = KINDS[self.spec.kind]
        if not issubclass(kind, Mapped):
            raise nothing_to_fit(self.spec)
        _check_shared(self.spec)
        self.seed = seed
        self._groups: dict[Frame, _Group] = {}
        pairs = []
        for i, source in enumerate(self.sources):
            for j, target in enumerate(self.targets):
                try:
                    kind.check(self.spec, source, target)
                except AdapterError:
                    continue
                pairs.append((i, j))
                route = fitting_route(source, target, self.spec.resample)
                group = self._groups.setdefault(route.target_frame, _Group())
                group.routes[i, route.frame] = route
                if j not in group.targets:
                    group.targets.append(j)
        self.pairs = tuple(pairs)

    @torch.no_grad()
    def update(self, xs: Sequence[Tensor], ys: Sequence[Tensor]) -> None:
        """Add a batch: the activations of the same images at every source and every target, in their order.

        Raises AdapterError, and adds nothing, when one is not finite or has another number of images.
        """
        xs = [checked(x, cut, len(xs[0])) for x, cut in zip(xs, self.sources, strict=True)]
        ys = [checked(y, cut, len(xs[0])) for y, cut in zip(ys, self.targets, strict=True)]
        for frame, group in self._groups.items():
            widths = [self.sources[i].channels for i, _ in group.routes]
            width = sum(self.targets[j].channels for j in group.targets)
            sums = group.sums or empty(widths, width, xs[0].device)
            for chunk in chunks(len(xs[0]), frame.positions, sum(widths) + width):
                x = [route.rows(xs[i][chunk]) for (i, _), route in group.routes.items()]
                y = [to_rows(ys[j][chunk], self.targets[j].layout) for j in group.targets]
                sums = update(sums, torch.cat(x, 1), torch.cat(y, 1))
            group.sums = sums
            group.spectra.clear()

    def solve(self, i: int, j: int) -> tuple[Tensor, Tensor, FitReport]:
        """Weight (target channels, source channels) and bias (target channels,) in float64, and the report.

        Raises AdapterError for a pair that the kind cannot join, and before any image was seen.
        """
        _, solution = self._solution(i, j)
        return solution.weight, solution.bias, solution.report

    def adapter(self, i: int, j: int) -> Adapter:
        """A new adapter of the pair with the fitted map, in float32 on the CPU."""
        adapter, solution = self._solution(i, j)
        become(adapter, solution)
        return adapter

    def _solution(self, i: int, j: int) -> tuple[Mapped, Solution]:
        source, target = self.sources[i], self.targets[j]
        adapter = build(self.spec, source, target, self.seed)
        assert isinstance(adapter, Mapped)
        route = fitting_route(source, target, self.spec.resample)
        group, column = self._groups[route.target_frame], (i, route.frame)
        if group.sums is None or group.sums.n == 0:
            raise no_images(source, target)
        before = sum(self.targets[other].channels for other in group.targets[: group.targets.index(j)])
        columns = slice(before, before + target.channels)
        sums = pick(group.sums, list(group.routes).index(column), columns)
        if column not in group.spectra:
            group.spectra[column] = decompose(sums)
        return adapter, find(adapter, sums, group.spectra[column], adapter.max_rank(self.spec, source, target))


def _check_shared(spec: AdapterSpec) -> None:
    """Raise AdapterError for what cannot be fitted from sums that many pairs share."""
    if spec.flatten:
        raise AdapterError(
            "all pairs, and maps of flattened activations",
            expected="maps of the channels, as memory for all numbers of every cut would be their square",
            instead="score pairs with flatten=False, then stitch the best with --flatten",
        )
    if spec.weighting != "none":
        raise AdapterError(
            f"all pairs, and rows weighted by {spec.weighting}, which differs from cut to cut",
            expected="rows that count the same for every pair",
            instead="score pairs with weighting='none', then stitch the best with --weight",
        )
