"""An objective as a loss: what the labels, the parents' answers or B's own activations ask of a batch."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.adapters import Adapter
from suture.measures.functional.cka import cka_linear_biased
from suture.spec.objective import Objective
from suture.training.losses import Criterion


def criterion(
    objective: Objective, hard: Criterion, adapters: Sequence[Adapter], seen: Mapping[str, Tensor]
) -> Criterion:
    """The loss of ``objective`` for a hybrid; ``hard`` is that of the labels.

    ``seen`` is filled by each forward pass of the hybrid: with what its last adapter gave (``cut``) and with the input
    of the last layer (``penultimate``), as far as the objective looks at them. L1 is on the maps of all ``adapters``.
    """

    def loss(logits: Tensor, labels: Tensor, known: Mapping[str, Tensor]) -> Tensor:
        if objective.target == "hard":
            found = hard(logits, labels, known)
        elif objective.target == "match":
            found = F.mse_loss(seen[objective.match_at].float(), known[objective.match_at])
        else:
            taught = targets(objective, known)
            multiple = labels.ndim == 2
            found = torch.stack([soft(logits, t, objective.temperature, multiple) for t in taught]).mean()
        if objective.l1:
            maps = [matrix for adapter in adapters if (matrix := adapter.matrix) is not None]
            found = found + objective.l1 * torch.cat([matrix.flatten() for matrix in maps]).abs().mean()
        if objective.cka_reg:
            found = found + objective.cka_reg * (1 - cka_linear_biased(seen["cut"].float(), known["cut"]))
        return found

    return loss


def targets(objective: Objective, known: Mapping[str, Tensor]) -> list[Tensor]:
    """The logits (n, classes) that a soft objective learns from; the loss is the mean over them."""
    logits = [known[name] for name in objective.teachers]
    return [torch.stack(logits).mean(0)] if objective.target == "soft-a+b" else logits


def soft(logits: Tensor, target: Tensor, temperature: float = 1.0, multiple: bool = False) -> Tensor:
    """Cross-entropy of softmax(target / T) and softmax(logits / T), the mean over images in nats.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531), without their factor T²,
    as in the code of arXiv 2110.14633. With ``multiple`` labels an image: binary cross-entropy of the sigmoids.
    """
    logits, target = logits / temperature, target / temperature
    if multiple:
        return F.binary_cross_entropy_with_logits(logits, target.sigmoid())
    return F.cross_entropy(logits, target.softmax(1))
