"""A DenseNet-BC for 32x32 images, of depth 40 and growth 16.

Huang et al. 2017, "Densely Connected Convolutional Networks" (arXiv 1608.06993), section 3: bottleneck layers, and
transitions that halve the channels. Where the paper's networks for CIFAR have equal stages, this one has its layers
where the grid is small.
"""

import torch
from torch import Tensor, nn

from suture.sources.zoo.initial import he

GROWTH = 16
LAYERS = (3, 6, 9)


class Layer(nn.Module):
    """Gives its input with ``GROWTH`` new channels behind it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, 4 * GROWTH, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * GROWTH)
        self.conv2 = nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(torch.relu(self.bn1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.bn2(new)))], 1)


class Transition(nn.Module):
    """Half the channels on half the grid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(self.conv(torch.relu(self.bn(x))))
        return out


class DenseNetSmall(nn.Module):
    """(N, 3, 32, 32) to (N, num_classes); layers conv1 dense1.0 ... transition1 ... dense3.8 bn relu fc."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        width = 2 * GROWTH
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        for stage, count in enumerate(LAYERS, 1):
            self.add_module(f"dense{stage}", nn.Sequential(*(Layer(width + k * GROWTH) for k in range(count))))
            width += count * GROWTH
            if stage < len(LAYERS):
                self.add_module(f"transition{stage}", Transition(width))
                width //= 2
        self.bn = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(width, num_classes)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for name in ("dense1", "transition1", "dense2", "transition2", "dense3"):
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(self.relu(self.bn(x)).mean((2, 3)))
        return logits
