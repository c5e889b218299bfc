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
    return kinds[stage.optimizer](groups, stage.lr, weight_decay=stage.weight_decay)
