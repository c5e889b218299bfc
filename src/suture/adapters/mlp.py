"""A linear map of the channels and a two-layer branch beside it, the same at every position.

The branch starts at zero, as the last layer of a residual block may (Goyal et al. 2017, arXiv 1706.02677,
section 5.1): training goes on from the linear map, in closed form or not.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.adapters.adapter import register
from suture.adapters.channels import channel_map, write
from suture.adapters.mapped import Mapped
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


@register("mlp")
class Mlp(Mapped):
    """``map(x) + last(gelu(hidden(x)))``, hidden twice the smaller width: 3 to 5 times a linear adapter's size.

    The branch does not commute with resampling; it acts where ``map`` does, on the grid of fewer cells. Starts as
    :class:`~suture.adapters.linear.Linear`, and so the same errors; ``last`` is zero then and after a fit.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        width_in, width_out = source.channels, target.channels
        width = 2 * min(width_in, width_out)
        self.map = channel_map(self.layout, width_in, width_out)
        self.hidden = channel_map(self.layout, width_in, width)
        self.last = channel_map(self.layout, width, width_out)
        self.begin(generator)
        self._silence()

    def act(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.map(x) + self.last(F.gelu(self.hidden(x)))
        return mapped

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        write(self.map, weight, bias)
        self._silence()

    def _silence(self) -> None:
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)
