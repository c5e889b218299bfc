"""Small networks, each with one thing that makes cutting hard."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.data.preprocess import Preprocess
from suture.graph import Network


class Tiny(nn.Module):
    """Convolution, BatchNorm, ReLU, several times; mean; fc."""

    def __init__(self, widths: tuple[int, ...] = (4, 4, 8, 8, 8, 12, 12, 12)) -> None:
        super().__init__()
        width_in = 3
        self.depth = len(widths)
        for number, width in enumerate(widths, 1):
            stride = 2 if number in (3, 6) else 1
            self.add_module(f"conv{number}", nn.Conv2d(width_in, width, 1 if number == 8 else 3, stride))
            self.add_module(f"bn{number}", nn.BatchNorm2d(width))
            self.add_module(f"relu{number}", nn.ReLU())
            width_in = width
        self.fc = nn.Linear(width_in, 10)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, self.depth + 1):
            for kind in ("conv", "bn", "relu"):
                x = self.get_submodule(f"{kind}{number}")(x)
        return self.fc(x.mean((2, 3)))


class Pad(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.width - x.shape[1]))


class Block(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Identity() if stride == 1 else Pad(width)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet20(nn.Module):
    """A CIFAR ResNet-20 of a quarter of the width, whose ReLUs are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 4, 1), Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 8, 2), Block(8, 8, 1), Block(8, 8, 1))
        self.layer3 = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1), Block(16, 16, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class InPlace(nn.Module):
    """ReLU in place, also through a view, after values that are cuts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.relu1(self.conv1(x)))
        x = x.flatten(2)
        x.relu_()
        return self.fc(x.mean(2))


class Moody(nn.Module):
    """Takes another way in train mode, with operations of the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.calm = nn.Conv2d(4, 4, 1)
        self.wild = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(torch.relu(self.wild(x)) + x) if self.training else self.calm(x)
        return self.head(torch.relu(x).mean((2, 3)))


class Tied(nn.Module):
    """One convolution under two names, called twice, and a weight that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.shared
        self.act = nn.ReLU()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(x))
        x = self.act(self.shared(x))
        x = self.act(self.again(x))
        return self.b(self.act(self.a(x.mean((2, 3)))))


class Loose(nn.Module):
    """Parameters, buffers and constants outside of any layer; numbers from the batch size across cuts."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.register_buffer("scale", torch.full((4,), 2.0))
        self.register_buffer("steps", torch.zeros(()), persistent=False)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        self.steps.add_(1)
        x = self.conv(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(batch, -1, -1), x], 1)
        x = x * self.scale + torch.linspace(0, 1, 4)
        x = self.norm(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(x[:, 0].reshape(batch, -1))


class Shapely(nn.Module):
    """Decides by the shape of its input: torch.fx cannot follow, torch.export can."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.tail = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout())
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        if x.shape[2] > 4:
            x = self.bn1(self.conv1(x))
        x = self.tail(x)
        for _ in range(2):
            x = self.relu(self.conv2(x))
        return self.fc(x.mean((2, 3)).view(batch, -1))


class Decides(nn.Module):
    """Decides by the values of a tensor: only module order is left."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.bright = nn.Conv2d(4, 6, 1)
        self.dark = nn.Conv2d(4, 6, 1)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv2(self.stem(x)))
        x = self.bright(x) if x.mean().item() > 0.3 else self.dark(x)
        return self.fc(self.drop(x.mean((2, 3))))


def loaded(body: nn.Module, size: int = 32) -> Network:
    return Network(body, Preprocess((0.5, 0.5, 0.5), (0.25, 0.25, 0.25), size), input_size=size)
