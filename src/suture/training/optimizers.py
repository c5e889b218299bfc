"""The optimizer of a stage."""

import torch

from suture.spec.stage import Stage
from suture.training.moving import Moving


def optimizer_of(stage: Stage, moving: Moving) -> torch.optim.Optimizer:
    """Sgd comes with Nesterov's momentum, adamw with decay apart from the gradient."""
    groups = moving.groups(stage.lr)
    if stage.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            stage.lr,
            momentum=stage.momentum,
            nesterov=stage.momentum > 0,
            weight_decay=stage.weight_decay,
        )
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    # One pass over memory, a tenth of the time on a CPU. It reads tensors as they lie, so that all must lie alike.
    fused = all(p.device.type == "cpu" and p.is_contiguous() for p in moving.parameters()) or None
    return kinds[stage.optimizer](groups, stage.lr, weight_decay=stage.weight_decay, fused=fused)
