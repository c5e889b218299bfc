"""Projected features, summed: as wide as one backbone, whatever their number."""

from collections.abc import Sequence

from torch import Tensor

from suture.fusions.fusion import Head, register
from suture.fusions.layers import Projections, classifier
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


@register("add")
class Add(Head):
    """LayerNorm, Linear(channels, width) and ReLU for each backbone, their sum, then two layers."""

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.project = Projections(self.widths, spec)
        self.classifier = classifier(spec.width, spec)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(self.project(features).sum(1))
        return logits
