"""From the activation at any cut to the features that the head of a fusion takes."""

import torch.nn.functional as F
from torch import Tensor, nn

from suture.errors import PlanError
from suture.graph.frames import frame_of, to_grid
from suture.spec.cut import Cut, Layout


class _Vector(nn.Module):
    """The mean over all cells, without class and register tokens, as (N, channels)."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self.layout, self.frame = cut.layout, frame_of(cut, cut)

    def forward(self, x: Tensor) -> Tensor:
        return to_grid(x, self.layout, self.frame)[0].mean((2, 3))


class _Map(nn.Module):
    """All cells in their grid, without class and register tokens, as (N, channels, H, W).

    The grid is that of the cut, to which maps of other images are pooled.
    """

    def __init__(self, cut: Cut, grid: tuple[int, int]) -> None:
        super().__init__()
        self.layout, self.frame, self.grid = cut.layout, frame_of(cut, cut), grid

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(to_grid(x, self.layout, self.frame)[0], self.grid).contiguous()


def to_vector(cut: Cut) -> nn.Module:
    """The activation at ``cut`` to vectors (N, channels): maps and tokens by the mean over their cells."""
    return nn.Identity() if cut.layout is Layout.NC else _Vector(cut)


def to_map(cut: Cut) -> nn.Module:
    """The activation at ``cut`` to maps (N, channels, H, W). Raises PlanError where its value has no known grid."""
    if cut.grid is None:
        raise PlanError(
            f"the value at {cut} has no height and width",
            expected="a map, or tokens whose grid the network shows, for the fusion maps",
            instead="an earlier cut, or method='concat'",
        )
    return _Map(cut, cut.grid)
