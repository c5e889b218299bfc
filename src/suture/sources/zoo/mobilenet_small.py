"""A small MobileNetV2 for 32x32 images: depthwise convolutions between linear bottlenecks.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (arXiv 1801.04381), table 2, with
fewer strides and blocks, and a narrower head.
"""

from torch import Tensor, nn

from suture.sources.zoo.initial import he

STEM = 16
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 40, 2, 2), (6, 64, 3, 1))
HEAD = 256


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, 3x3 of each channel alone, 1x1 back; added where the shape allows."""

    def __init__(self, width_in: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width_in * expansion
        self.expand = _conv(width_in, inner, 1) if expansion > 1 else None
        self.depthwise = _conv(inner, inner, 3, stride, groups=inner)
        self.project = nn.Conv2d(inner, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.residual = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else self.expand(x)
        out: Tensor = self.bn(self.project(self.depthwise(wide)))
        return x + out if self.residual else out


class MobileNetSmall(nn.Module):
    """(N, 3, 32, 32) to (N, num_classes); layers stem block1.0 block2.0 block2.1 ... block4.2 head fc."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = _conv(3, STEM, 3)
        width_in = STEM
        for number, (expansion, width, repeats, stride) in enumerate(BLOCKS, 1):
            widths = [width_in] + [width] * (repeats - 1)
            strides = [stride] + [1] * (repeats - 1)
            blocks = [InvertedResidual(w, width, s, expansion) for w, s in zip(widths, strides, strict=True)]
            self.add_module(f"block{number}", nn.Sequential(*blocks))
            width_in = width
        self.head = _conv(width_in, HEAD, 1)
        self.fc = nn.Linear(HEAD, num_classes)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, len(BLOCKS) + 1):
            x = self.get_submodule(f"block{number}")(x)
        logits: Tensor = self.fc(self.head(x).mean((2, 3)))
        return logits


def _conv(width_in: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
    )
