"""A linear map of the channels, the same at every position.

Lenc & Vedaldi 2015, "Understanding image representations by measuring their equivariance and equivalence",
and Bansal et al. 2021, "Revisiting Model Stitching to Compare Neural Representations".
"""

import torch
from torch import Tensor

from suture.adapters.adapter import register
from suture.adapters.channels import channel_map, write
from suture.adapters.mapped import Mapped
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


@register("linear")
class Linear(Mapped):
    """``map.weight`` (out, in), or (out, in, 1, 1) where the map acts on NCHW, and ``map.bias`` (out,).

    Starts: ``random`` as nn.Conv2d and nn.Linear draw theirs, ``eye`` for equal widths, ``least-squares``
    zero until fitted. Raises AdapterError for ``eye`` between unequal widths.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        self.map = channel_map(self.layout, source.channels, target.channels)
        self.begin(generator)

    def act(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.map(x)
        return mapped

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        write(self.map, weight, bias)
