"""A linear map of the channels, the same at every position.

Lenc & Vedaldi 2015, "Understanding image representations by measuring their equivariance and equivalence",
and Bansal et al. 2021, "Revisiting Model Stitching to Compare Neural Representations".
"""

import math

import torch
from torch import Tensor, nn

from suture.adapters.adapter import Adapter, register
from suture.adapters.route import route
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut, Layout


@register("linear")
class Linear(Adapter):
    """``map.weight`` (out, in), or (out, in, 1, 1) where the map acts on NCHW, and ``map.bias`` (out,).

    The map acts on the source's layout, or on the target's when that has fewer positions.

    Starts: ``random`` as nn.Conv2d and nn.Linear draw theirs, ``eye`` for equal widths, ``least-squares``
    zero until fitted. Raises AdapterError for ``eye`` between unequal widths, and where no route leads.
    """

    fittable = True

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        self.route = route(source, target, spec.resample)
        width_in, width_out = source.channels, target.channels
        layout = target.layout if self.route.reduces else source.layout
        self.map: nn.Conv2d | nn.Linear
        if layout is Layout.NCHW:
            self.map = nn.Conv2d(width_in, width_out, 1, device="meta")
        else:
            self.map = nn.Linear(width_in, width_out, device="meta")
        self.map.to_empty(device="cpu")  # built on meta, as a constructor draws from the global random state
        if spec.start == "random":
            self._start_random(generator)
        elif spec.start == "eye":
            self._start_eye()
        else:
            self.set_map(torch.zeros(width_out, width_in), torch.zeros(width_out))

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.map(self.route(x)) if self.route.reduces else self.route(self.map(x))
        return moved

    @torch.no_grad()
    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        self.map.weight.copy_(weight.reshape(self.map.weight.shape))
        self._bias.copy_(bias)

    @property
    def _bias(self) -> Tensor:
        bias = self.map.bias
        assert bias is not None  # built with one, which nn.Conv2d's type does not say
        return bias

    def _start_random(self, generator: torch.Generator) -> None:
        nn.init.kaiming_uniform_(self.map.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(self.source.channels)
        nn.init.uniform_(self._bias, -bound, bound, generator=generator)

    def _start_eye(self) -> None:
        width_in, width_out = self.source.channels, self.target.channels
        if width_in != width_out:
            raise AdapterError(
                f"an eye start from {self.source} to {self.target} has {width_in} channels on one side "
                f"and {width_out} on the other",
                expected="equal numbers of channels",
                instead="start='least-squares' or start='random' (--init least-squares, --init random)",
            )
        self.set_map(torch.eye(width_in), torch.zeros(width_in))
