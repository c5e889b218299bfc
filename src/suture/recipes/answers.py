"""What a run's network answered, kept so that two runs can be compared image by image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from suture.runs import replacing

ANSWERS = "answers.safetensors"


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits (n, classes) and labels, (n,) or (n, k), of one split, in file order."""

    logits: Tensor
    labels: Tensor


def save_answers(answers: Mapping[str, Answers], folder: Path) -> None:
    """Write the answers on each split, by its name."""
    tensors = {
        f"{split}.{what}": getattr(told, what).contiguous()
        for split, told in answers.items()
        for what in ("logits", "labels")
    }
    with replacing(folder / ANSWERS) as part:
        save_file(tensors, part)


def load_answers(folder: Path, split: str) -> Answers:
    tensors = load_file(folder / ANSWERS)
    return Answers(tensors[f"{split}.logits"], tensors[f"{split}.labels"])
