"""Per image, a weight for each backbone, from the features of all.

Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion" (arXiv 1702.01992), with a softmax over any number
of backbones in place of the sigmoid between two.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from suture.fusions.fusion import Head, register
from suture.fusions.layers import Projections, classifier
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


class Gate(nn.Module):
    """(N, backbones, width) to the sum over the backbones (N, width), by ``weights``. All weigh alike at the start."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(count * width, count)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, projected: Tensor) -> Tensor:
        return (self.weights(projected)[:, :, None] * projected).sum(1)

    def weights(self, projected: Tensor) -> Tensor:
        weights: Tensor = self.score(projected.flatten(1)).softmax(1)
        return weights


@register("gated")
class Gated(Head):
    """Projections as in ``add``, their sum weighted per image, then two layers."""

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.project = Projections(self.widths, spec)
        self.gate = Gate(len(self.widths), spec.width)
        self.classifier = classifier(spec.width, spec)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(self.gate(self.project(features)))
        return logits

    def weights(self, features: Sequence[Tensor]) -> Tensor:
        """(N, backbones): what each backbone counts in each image; every row sums to 1."""
        return self.gate.weights(self.project(features))
