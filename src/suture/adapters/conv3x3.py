"""A 3x3 convolution: a linear map of a position and its neighbours, the same at every position."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.adapters.adapter import register
from suture.adapters.channels import unset, write
from suture.adapters.mapped import Mapped
from suture.adapters.route import fitting_route
from suture.graph.frames import from_grid, to_grid, to_rows
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut

WIDEST = 2304  # columns of a full fit: 256 channels by 9 taps, a Gram matrix of 42 MB in float64


@register("conv3x3")
class Conv3x3(Mapped):
    """``map``, (out, in, 3, 3), zero-padded, stride 1, on the grid of fewer cells.

    There it is cheaper and sees more of the image. Side by side 3 cells, or 1 where the grid has but one: of a
    vector it is a linear map, of loose tokens it joins a token and its neighbours in the order. Extra tokens
    have no neighbours: they go through the centre tap.

    ``fit`` is least squares over all taps, with memory O((9 · in)²), where 9 · in is at most ``WIDEST``. Wider
    sources, and all pairs at once in :class:`~suture.adapters.pairs.PairFits`, get the best centre tap and
    zeros around it. A full fit has nine times the unknowns of a linear one, and overfits on few images without
    ridge. Starts as :class:`~suture.adapters.linear.Linear`; ``eye``, ``perm``, ``ones-zeros`` and ``orthogonal`` are
    maps of the channels, in the centre tap.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        height, width = (3 if side > 1 else 1 for side in self.frame.grid)
        self.kernel, self.padding = (height, width), (height // 2, width // 2)
        widths = source.channels, target.channels
        self.map = unset(nn.Conv2d(*widths, self.kernel, padding=self.padding, device="meta"))
        self.begin(generator)

    def act(self, x: Tensor) -> Tensor:
        grid, extra = to_grid(x, self.layout, self.frame)
        if extra is not None:
            centre = self.map.weight[:, :, self.padding[0], self.padding[1], None]
            extra = F.conv1d(extra, centre, self.map.bias)
        return from_grid(self.map(grid), extra, self.layout, self.frame)

    @property
    def affine(self) -> tuple[Tensor, Tensor]:
        assert self.map.bias is not None
        return self.map.weight.flatten(1), self.map.bias

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        if weight.shape[1] == self.source.channels:
            height, width = self.padding
            weight = F.pad(weight[:, :, None, None], (width, width, height, height))
        write(self.map, weight, bias)

    @property
    def macs(self) -> int:
        centre = self.source.channels * self.target.channels
        return self.frame.cells * self.map.weight.numel() + self.frame.extra * centre

    @property
    def columns(self) -> int:
        neighbourhood = self.source.channels * self.kernel[0] * self.kernel[1]
        full = neighbourhood <= WIDEST and self.spec.start != "orthogonal"
        return neighbourhood if full else self.source.channels

    def rows(self, x: Tensor) -> Tensor:
        moving = fitting_route(self.source, self.target, self.spec.resample)
        if self.columns == self.source.channels:
            return moving.rows(x)
        if self.route.reduces:
            return to_rows(self._neighbourhoods(moving(x)), self.layout)
        return moving.rows(self._neighbourhoods(x))

    def _neighbourhoods(self, x: Tensor) -> Tensor:
        """An activation in ``layout`` and ``frame``, with the taps of every channel in its place."""
        grid, extra = to_grid(x, self.layout, self.frame)
        taps = F.unfold(grid, self.kernel, padding=self.padding).unflatten(2, self.frame.grid)
        if extra is not None:
            count = self.kernel[0] * self.kernel[1]
            extra = F.pad(extra[:, :, None], (0, 0, count // 2, count // 2)).flatten(1, 2)
        return from_grid(taps, extra, self.layout, self.frame)
