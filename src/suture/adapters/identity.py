"""Nothing at all: the activation goes over as it is."""

import torch
from torch import Tensor

from suture.adapters.adapter import Adapter, register
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


@register("identity")
class Identity(Adapter):
    """Between cuts of equal layout and shape; with ``resample="none"`` the grids or token counts may differ.

    Raises AdapterError for any other pair.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        any_grid = spec.resample == "none" and source.channels == target.channels
        if source.layout is not target.layout or not (any_grid or source.shape == target.shape):
            raise AdapterError(
                f"the identity does not lead from {source} to {target}",
                expected="equal layouts and shapes",
                instead="kind='linear', or a cut of the same shape with --at",
            )

    def forward(self, x: Tensor) -> Tensor:
        return x
