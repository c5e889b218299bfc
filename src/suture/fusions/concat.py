"""All features side by side, and two layers over them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from suture.fusions.fusion import Head, register
from suture.fusions.layers import classifier
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


@register("concat")
class Concat(Head):
    """Linear(sum of widths, hidden), ReLU, Dropout, Linear(hidden, classes). The features come as they are."""

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.classifier = classifier(sum(self.widths), spec)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(torch.cat(list(features), 1))
        return logits
