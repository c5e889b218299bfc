"""Tiny10 without BatchNorm.

One of the networks of Csiszarik et al. 2021, "Similarity and Matching of Neural Network Representations"
(arXiv 2110.14633), for 32x32 images. Without BatchNorm it needs He's initial weights to learn at all.
"""

from torch import Tensor, nn

from suture.sources.zoo.initial import he
from suture.sources.zoo.tiny10 import LAYERS


class NbnTiny10(nn.Module):
    """(N, 3, 32, 32) to (N, num_classes); layers conv1 relu1 ... conv8 relu8 fc."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        width = 3
        for number, (channels, kernel, stride) in enumerate(LAYERS, 1):
            self.add_module(f"conv{number}", nn.Conv2d(width, channels, kernel, stride))
            self.add_module(f"relu{number}", nn.ReLU())
            width = channels
        self.fc = nn.Linear(width, num_classes)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, len(LAYERS) + 1):
            for kind in ("conv", "relu"):
                x = self.get_submodule(f"{kind}{number}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
