"""ResNet-20 for 32x32 images, with projection shortcuts, of any width.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2; a 1x1 convolution
and BatchNorm where the shape changes (option B). Wider ones as in Zagoruyko & Komodakis 2016 (arXiv 1605.07146).
"""

import torch
from torch import Tensor, nn

from suture.sources.zoo.initial import he


class Block(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = (
            nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride != 1 or width_in != width
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet20(nn.Module):
    """(N, 3, 32, 32) to (N, num_classes); layers conv1 bn1 layer1.0 ... layer3.2 fc.

    ``factor`` multiplies the widths 16, 32, 64 of the three stages.
    """

    def __init__(self, num_classes: int = 10, factor: int = 1) -> None:
        super().__init__()
        first, second, third = (factor * width for width in (16, 32, 64))
        self.conv1 = nn.Conv2d(3, first, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.layer1 = nn.Sequential(Block(first, first, 1), Block(first, first, 1), Block(first, first, 1))
        self.layer2 = nn.Sequential(Block(first, second, 2), Block(second, second, 1), Block(second, second, 1))
        self.layer3 = nn.Sequential(Block(second, third, 2), Block(third, third, 1), Block(third, third, 1))
        self.fc = nn.Linear(third, num_classes)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
