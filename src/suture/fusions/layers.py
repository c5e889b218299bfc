"""What several kinds of fusion are made of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from suture.spec.fusion import FusionSpec


def classifier(width: int, spec: FusionSpec) -> nn.Sequential:
    """Linear, ReLU, Dropout, Linear: ``width`` to ``hidden`` to ``classes``."""
    return nn.Sequential(
        nn.Linear(width, spec.hidden),
        nn.ReLU(),
        nn.Dropout(spec.dropout),
        nn.Linear(spec.hidden, spec.classes),
    )


class Projections(nn.Module):
    """LayerNorm, Linear, ReLU for each backbone: vectors of any widths to (N, backbones, width).

    The norm, as the scales of their features may lie far apart.
    """

    def __init__(self, widths: Sequence[int], spec: FusionSpec) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, spec.width), nn.ReLU()) for width in widths
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return torch.stack([project(x) for project, x in zip(self.each, features, strict=True)], 1)
