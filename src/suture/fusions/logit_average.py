"""Each backbone its own last layer; the mean of their logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from suture.fusions.fusion import Head, register
from suture.spec.cut import Cut
from suture.spec.fusion import FusionSpec


@register("logit-average")
class LogitAverage(Head):
    """Dropout and Linear(channels, classes) for each backbone, averaged.

    A backbone whose own last layer has as many classes starts with it: an untrained fusion of networks of the same
    classes gives the mean of their logits.
    """

    def __init__(self, cuts: Sequence[Cut], spec: FusionSpec) -> None:
        super().__init__(cuts, spec)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifiers = nn.ModuleList(nn.Linear(width, spec.classes) for width in self.widths)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        logits = [layer(self.dropout(x)) for layer, x in zip(self.classifiers, features, strict=True)]
        return torch.stack(logits).mean(0)

    @torch.no_grad()
    def begin(self, layers: Sequence[nn.Linear | None]) -> None:
        for own, layer in zip(self.classifiers, layers, strict=True):
            if layer is not None:
                assert isinstance(own, nn.Linear)
                own.weight.copy_(layer.weight)
                own.bias.copy_(torch.zeros_like(own.bias) if layer.bias is None else layer.bias)
