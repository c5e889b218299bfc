"""A linear map of the channels, the same at every position.

Lenc & Vedaldi 2015, "Understanding image representations by measuring their equivariance and equivalence",
and Bansal et al. 2021, "Revisiting Model Stitching to Compare Neural Representations".
"""

import torch
from torch import Tensor

from suture.adapters.adapter import register
from suture.adapters.channels import act_with, channel_map, write
from suture.adapters.mapped import Mapped
from suture.adapters.masks import random_permutation
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


@register("linear")
class Linear(Mapped):
    """``map.weight`` (out, in), or (out, in, 1, 1) where the map acts on NCHW, and ``map.bias`` (out,).

    Starts: ``random`` as nn.Conv2d and nn.Linear draw theirs; ``eye``, and ``perm``, a random permutation, for equal
    widths; ``ones-zeros``, weights one and biases zero; ``least-squares`` and ``orthogonal`` zero until fitted.

    ``mask`` (out, in), bool, is there where ``spec.mask`` is one: the map acts as ``weight * mask``, so that no
    gradient leaves it, and zeros stand outside. Everything is allowed until a mask that is fitted is. A random mask
    is the same for every start.

    Raises AdapterError for ``eye`` and ``perm`` between unequal widths, and for a one-to-one mask to more channels.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        width_in, width_out = self.widths
        self.map = channel_map(self.layout, width_in, width_out)
        if spec.mask == "random-permutation":
            self.mask = random_permutation(width_in, width_out, generator)
        elif spec.mask != "identity":
            self.mask = torch.ones(width_out, width_in, dtype=torch.bool)
        self.begin(generator)
        self._confine()

    def act(self, x: Tensor) -> Tensor:
        if self.mask is None:
            mapped: Tensor = self.map(x)
            return mapped
        return act_with(self.map, self.affine[0], x)

    @property
    def affine(self) -> tuple[Tensor, Tensor]:
        weight = self.map.weight.flatten(1)
        assert self.map.bias is not None
        return weight if self.mask is None else weight * self.mask, self.map.bias

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        write(self.map, weight, bias)
        self._confine()

    @torch.no_grad()
    def _confine(self) -> None:
        """Zero outside the mask."""
        if self.mask is not None:
            self.map.weight.mul_(self.mask.view_as(self.map.weight))
