"""The kinds that have a map of the channels: what a least-squares fit needs to know of one."""

from abc import abstractmethod

import torch
from torch import Tensor

from suture.adapters.adapter import Adapter
from suture.adapters.channels import draw
from suture.adapters.route import fitting_route, route
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


class Mapped(Adapter):
    """A map and a :class:`~suture.adapters.route.Route`, the map on the grid of fewer cells.

    A kind builds its linear maps as direct children, to act in ``layout`` and ``frame``, calls :meth:`begin`, and
    writes :meth:`act` and ``set_map``, by which the fit makes it the best affine map of the channels. A kind
    that can be linear in more than the channels overrides :meth:`columns` and :meth:`rows`, one that cannot be
    of every rank :meth:`max_rank`.
    """

    fittable = True

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        self.route = route(source, target, spec.resample)
        after = self.route.reduces
        self.layout = target.layout if after else source.layout
        self.frame = self.route.target_frame if after else self.route.frame

    @abstractmethod
    def act(self, x: Tensor) -> Tensor:
        """The map alone: an activation in ``layout`` and ``frame``, its channels now the target's."""

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.act(self.route(x)) if self.route.reduces else self.route(self.act(x))
        return moved

    @property
    def macs(self) -> int:
        return self.frame.positions * sum(p.numel() for p in self.parameters() if p.dim() > 1)

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
        return self.source.channels

    def rows(self, x: Tensor) -> Tensor:
        """What the map is linear in, (N · positions of the target, columns).

        ``set_map`` takes a weight (target channels, columns), besides one of (target, source) channels.
        """
        return fitting_route(self.source, self.target, self.spec.resample).rows(x)

    def begin(self, generator: torch.Generator) -> None:
        """Draw all maps as torch does, then for ``eye`` set the identity, for ``least-squares`` zero, until fitted.

        Raises AdapterError for ``eye`` between unequal widths.
        """
        for module in self.children():
            draw(module, generator)
        width_in, width_out = self.source.channels, self.target.channels
        if self.spec.start == "eye":
            if width_in != width_out:
                raise AdapterError(
                    f"an eye start from {self.source} to {self.target} has {width_in} channels on one side "
                    f"and {width_out} on the other",
                    expected="equal numbers of channels",
                    instead="start='least-squares' or start='random' (--init least-squares, --init random)",
                )
            self.set_map(torch.eye(width_in), torch.zeros(width_in))
        elif self.spec.start == "least-squares":
            self.set_map(torch.zeros(width_out, width_in), torch.zeros(width_out))
