"""Inception v1 (GoogLeNet) with BatchNorm after each convolution, without the auxiliary heads.

Szegedy et al. 2014, "Going Deeper with Convolutions" (arXiv 1409.4842), table 1; BatchNorm as in Ioffe & Szegedy 2015
(arXiv 1502.03167), which makes the auxiliary heads unnecessary.
"""

import torch
from torch import Tensor, nn

from suture.sources.zoo.initial import he

# Channels of the four branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; 1x1 after pooling.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches on the same grid, side by side in the channels."""

    def __init__(self, width: int, one: int, three_in: int, three: int, five_in: int, five: int, pooled: int) -> None:
        super().__init__()
        self.branch1 = _conv(width, one, 1)
        self.branch2 = nn.Sequential(_conv(width, three_in, 1), _conv(three_in, three, 3))
        self.branch3 = nn.Sequential(_conv(width, five_in, 1), _conv(five_in, five, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(width, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionV1(nn.Module):
    """(N, 3, H, W) to (N, num_classes), H and W from 32 up, made for 224.

    Layers conv1 pool1 conv2 conv3 pool2 inception3a inception3b pool3 inception4a ... pool4 inception5a inception5b
    dropout fc.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 7, stride=2)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = _conv(64, 64, 1)
        self.conv3 = _conv(64, 192, 3)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        width = 192
        for name, channels in MODULES.items():
            self.add_module(f"inception{name}", Inception(width, *channels))
            width = channels[0] + channels[2] + channels[4] + channels[5]
            if name in ("3b", "4e"):
                self.add_module(f"pool{name[0]}", nn.MaxPool2d(3, 2, ceil_mode=True))
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(width, num_classes)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            if name == "dropout":
                x = x.mean((2, 3))
            x = module(x)
        return x


def _conv(width_in: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
