"""A linear map of the channels through a bottleneck: two factors.

Fitted by reduced-rank regression (Izenman 1975, "Reduced-rank regression for the multivariate linear model").
"""

import torch
from torch import Tensor, nn

from suture.adapters.adapter import register
from suture.adapters.channels import channel_map, write
from suture.adapters.flat import ends
from suture.adapters.mapped import Mapped
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut


@register("lowrank")
class LowRank(Mapped):
    """``up(down(x))``, ``spec.rank`` channels between; None means a quarter of the smaller width, at least 1.

    Written from a map of greater rank, it becomes the nearest of its own (the leading singular directions), as
    do the starts ``eye``, ``perm`` and ``ones-zeros``. Until fitted the others but ``random`` have ``up`` zero and
    ``down`` random; ``reduced-rank`` is ``least-squares`` here, and of an ``orthogonal`` map the leading directions
    stay. Raises AdapterError for a rank above the smaller width, and for ``eye`` and ``perm`` between unequal widths.
    """

    def __init__(self, spec: AdapterSpec, source: Cut, target: Cut, generator: torch.Generator) -> None:
        super().__init__(spec, source, target, generator)
        rank = self.max_rank(spec, source, target)
        width_in, width_out = self.widths
        self.down = channel_map(self.layout, width_in, rank, bias=False)
        self.up = channel_map(self.layout, rank, width_out)
        self.begin(generator)

    @classmethod
    def max_rank(cls, spec: AdapterSpec, source: Cut, target: Cut) -> int:
        widest = min(end.channels for end in ends(spec, source, target))
        if spec.rank is not None and spec.rank > widest:
            raise AdapterError(
                f"no map from {source} to {target} has rank {spec.rank}",
                expected=f"a rank from 1 to {widest}, the smaller width",
                instead="rank=None for a quarter of it, or kind='linear' for the full rank",
            )
        return spec.rank or max(1, widest // 4)

    def act(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.up(self.down(x))
        return mapped

    @property
    def affine(self) -> tuple[Tensor, Tensor]:
        assert self.up.bias is not None
        return self.up.weight.flatten(1) @ self.down.weight.flatten(1), self.up.bias

    def set_map(self, weight: Tensor, bias: Tensor) -> None:
        if weight.any():
            left, scales, right = torch.linalg.svd(weight, full_matrices=False)
            rank = self.down.weight.shape[0]
            write(self.down, right[:rank])
            write(self.up, left[:, :rank] * scales[:rank], bias)
        else:  # which names no directions: the old ones stay, so that training can leave zero
            nn.init.zeros_(self.up.weight)
            write(self.up, self.up.weight, bias)
