"""Each backbone's features projected to one width first, so that none outweighs the others by its width."""

from collections.abc import Sequence

from torch import Tensor

from suture.fusions.fusion import Head, register
from suture.fusions.layers import Projections, classifier
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


@register("bottleneck")
class Bottleneck(Head):
    """LayerNorm, Linear(channels, width) and ReLU for each backbone, then the head of ``concat`` over all."""

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.project = Projections(self.widths, spec)
        self.classifier = classifier(spec.width * len(self.widths), spec)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(self.project(features).flatten(1))
        return logits
