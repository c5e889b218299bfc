"""The kinds that have a map of the channels: what a fit needs to know of one."""

from abc import abstractmethod

import torch
from torch import Tensor

from suture.adapters.adapter import Adapter
from suture.adapters.channels import draw
from suture.adapters.flat import check_size, ends
from suture.adapters.masks import check_mask
from suture.adapters.route import fitting_route, route
from suture.adapters.starts import check_start, first_map
from suture.graph.frames import to_rows
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


class Mapped(Adapter):
    """A map and a :class:`~suture.adapters.route.Route`, the map on the grid of fewer cells.

    With ``spec.flatten`` both sides are vectors of all their numbers, and nothing is routed. A kind builds its linear
    maps as direct children, to act in ``layout`` and ``frame`` and between ``widths``, calls :meth:`begin`, and
    writes :meth:`act` and ``set_map``, by which the fit makes it the best affine map of the channels. A kind
    that can be linear in more than the channels overrides :meth:`columns` and :meth:`rows`, one that cannot be
    of every rank :meth:`max_rank`, one that is a single affine map :meth:`affine`, one that keeps to a mask has a
    buffer for it.
    """

    fittable = True
    mask: Tensor | None

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        self.check(spec, source, target)
        self.register_buffer("mask", None)
        self.ends = ends(spec, source, target)
        self.route = route(*self.ends, spec.resample)
        after = self.route.reduces
        self.layout = self.ends[1 if after else 0].layout
        self.frame = self.route.target_frame if after else self.route.frame

    @abstractmethod
    def act(self, x: Tensor) -> Tensor:
        """The map alone: an activation in ``layout`` and ``frame``, its channels now the target's."""

    def forward(self, x: Tensor) -> Tensor:
        flat = self.spec.flatten
        x = x.flatten(1) if flat else x
        moved: Tensor = self.act(self.route(x)) if self.route.reduces else self.route(self.act(x))
        return moved.unflatten(1, self.target.shape) if flat else moved

    @property
    def macs(self) -> int:
        return self.frame.positions * sum(p.numel() for p in self.parameters() if p.dim() > 1)

    @property
    def widths(self) -> tuple[int, int]:
        """Source and target channels; all numbers of an activation where it is flattened."""
        return self.ends[0].channels, self.ends[1].channels

    @property
    def affine(self) -> tuple[Tensor, Tensor] | None:
        """Weight (target channels, columns) and bias (target channels,) as they act; None where there is no one map."""
        return None

    @property
    def matrix(self) -> Tensor | None:
        return self.affine[0] if self.affine is not None else None

    @classmethod
    def check(cls, spec: AdapterSpec, source: Cut, target: Cut) -> None:
        """Raise AdapterError for cuts that this kind, start or mask cannot join."""
        start, end = ends(spec, source, target)
        widths = start.channels, end.channels
        check_size(spec, source, target)
        check_start(spec.start, source, target, widths)
        check_mask(spec.mask, source, target, widths)
        cls.max_rank(spec, source, target)

    @classmethod
    def max_rank(cls, spec: AdapterSpec, source: Cut, target: Cut) -> int | None:
        """The greatest rank of a map of the channels that this kind can be; None for any.

        Raises AdapterError for cuts that this kind cannot join.
        """
        del spec, source, target
        return None

    @property
    def columns(self) -> int:
        """Of :meth:`rows`."""
        return self.widths[0]

    def rows(self, x: Tensor) -> Tensor:
        """What the map is linear in, (N · positions of the target, columns).

        ``set_map`` takes a weight (target channels, columns), besides one of (target, source) channels.
        """
        return fitting_route(*self.ends, self.spec.resample).rows(x.flatten(1) if self.spec.flatten else x)

    def target_rows(self, y: Tensor) -> Tensor:
        """What the map is to give, (N · positions of the target, target channels)."""
        return to_rows(y.flatten(1) if self.spec.flatten else y, self.ends[1].layout)

    def begin(self, generator: torch.Generator) -> None:
        """Draw all maps as torch does, then set what the start names: for one that is fitted zero, until it is."""
        for module in self.children():
            draw(module, generator)
        if self.spec.start != "random":
            width_in, width_out = self.widths
            self.set_map(first_map(self.spec.start, width_in, width_out, generator), torch.zeros(width_out))
