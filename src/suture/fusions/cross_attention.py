"""Backbones as tokens that attend to each other.

Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762); norms first, as in Xiong et al. 2020 (2002.04745).
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from suture.fusions.fusion import Head, register
from suture.fusions.layers import Projections
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec

LAYERS: Final = 2
_HEADS: Final = 8


@register("cross-attention")
class CrossAttention(Head):
    """Projections as in ``add``, each with a learnt token of its backbone, through two transformer layers.

    The mean of the tokens goes through Dropout and Linear(width, classes). There are 8 attention heads, or the next
    smaller number that divides ``width``; ``hidden`` is the width of the layers' perceptrons.
    """

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.project = Projections(self.widths, spec)
        self.token = nn.Parameter(0.02 * torch.randn(len(self.widths), spec.width))
        heads = next(count for count in range(_HEADS, 0, -1) if spec.width % count == 0)
        layer = nn.TransformerEncoderLayer(spec.width, heads, spec.hidden, batch_first=True, norm_first=True)
        norm = nn.LayerNorm(spec.width)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, norm, enable_nested_tensor=False)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Linear(spec.width, spec.classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        tokens = self.encoder(self.project(features) + self.token)
        logits: Tensor = self.classifier(self.dropout(tokens.mean(1)))
        return logits
