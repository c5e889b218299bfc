"""What a network looked at, as maps, and where these lie in the images."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Window = tuple[float, float, float, float]
PIXELS = "pixels"
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of n images, one of each branch, for the logits ``targets`` (n,) of ``logits`` (n, classes); on the CPU.

    ``maps`` are (n, h, w) by the name of the layer they come from, as computed: not rescaled, not resized; of methods
    that look at pixels there is one, named ``pixels``. ``windows`` say which part of the images each one covers (top,
    left, bottom, right, as shares of the sides), as the network's preprocessing may have cropped them. ``size`` is
    that of the images (height, width).
    """

    method: str
    maps: Mapping[str, Tensor]
    windows: Mapping[str, Window]
    targets: Tensor
    logits: Tensor
    size: tuple[int, int]

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.maps)

    @property
    def branches(self) -> dict[str, str]:
        """The layers by branch: the first word of their names, where that tells them apart, else the whole name."""
        short = [name.partition(".")[0] for name in self.layers]
        distinct = len(short) > 1 and len(set(short)) == len(short)
        return dict(zip(short if distinct else self.layers, self.layers, strict=True))

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits (n, classes)."""
        return self.logits.softmax(1)

    def upsampled(self, size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """The maps over the whole images (n, H, W), of their own or another ``size``, enlarged bilinearly.

        Pixels that a branch has not seen are NaN.
        """
        height, width = size or self.size
        found = {}
        for name, cells in self.maps.items():
            top, left, bottom, right = self.windows[name]
            rows, columns = _span(top, bottom, height), _span(left, right, width)
            inside = (rows.stop - rows.start, columns.stop - columns.start)
            large = cells.new_full((len(cells), height, width), torch.nan)
            large[:, rows, columns] = F.interpolate(cells[:, None], inside, mode="bilinear", align_corners=False)[:, 0]
            found[name] = large
        return found

    def scaled(self, size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """``upsampled``, each map of each image divided by its largest value: [0, 1], what speaks against is 0."""
        return {name: _to_one(large) for name, large in self.upsampled(size).items()}

    def combined(self, size: tuple[int, int] | None = None) -> Tensor:
        """(n, H, W): the mean of the ``scaled`` maps of the branches that saw a pixel; NaN where none did.

        Every branch counts alike, however much it matters to the answer: see ``branch_shares``.
        """
        return torch.stack(list(self.scaled(size).values())).nanmean(0)


def _span(start: float, stop: float, side: int) -> slice:
    first = min(round(start * side), side - 1)
    return slice(first, max(round(stop * side), first + 1))


def _to_one(large: Tensor) -> Tensor:
    positive = large.clamp(min=0)
    highest = positive.nan_to_num().amax((1, 2), keepdim=True)
    return positive / highest.where(highest > 0, 1.0)
