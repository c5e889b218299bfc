"""Fusion in the middle: maps brought to one grid and mixed there, before anything is pooled."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.fusions.fusion import Head, register
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


class Gathered(nn.Module):
    """A 1x1 convolution to ``width`` for each backbone, all resampled to one grid, side by side.

    Resampling behind the convolution gives the same as before it, for less.
    """

    def __init__(self, widths: Sequence[int], width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.each = nn.ModuleList(nn.Conv2d(channels, width, 1, bias=False) for channels in widths)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        projected = [project(x) for project, x in zip(self.each, features, strict=True)]
        return torch.cat([F.interpolate(x, self.grid, mode="bilinear", align_corners=False) for x in projected], 1)


@register("maps")
class Maps(Head):
    """Every map to ``width`` channels on the largest grid, bilinearly; side by side, another 1x1 convolution to
    ``hidden``. BatchNorm and ReLU follow both. Then the mean over the grid, Dropout and Linear(hidden, classes).
    """

    maps = True

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        grids = [cut.grid or (1, 1) for cut in cuts]
        grid = max(height for height, _ in grids), max(width for _, width in grids)
        self.project = Gathered(self.widths, spec.width, grid)
        both = spec.width * len(self.widths)
        self.mix = nn.Sequential(
            nn.BatchNorm2d(both),
            nn.ReLU(),
            nn.Conv2d(both, spec.hidden, 1, bias=False),
            nn.BatchNorm2d(spec.hidden),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Linear(spec.hidden, spec.classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        mixed = self.mix(self.project(features))
        logits: Tensor = self.classifier(self.dropout(mixed.mean((2, 3))))
        return logits
