"""Everything a training needs to go on where it stopped, in one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from suture.errors import RunError
from suture.runs import replacing
from suture.training.moving import Moving
from suture.training.progress import Progress

MOVING, BEST, OPTIMIZER = "moving.", "best.", "optimizer."


def save_state(path: Path, moving: Moving, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write what moves, as it is and as it was at its best, the optimizer and the history.

    The file changes in one step, never half. What does not move is not in it: the weights that it had are where they
    came from.
    """
    tensors = {MOVING + name: tensor for name, tensor in moving.tensors().items()}
    tensors |= {BEST + name: tensor for name, tensor in progress.best.items()}
    numbers: dict[str, Any] = {}
    for index, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}{index}.{slot}"] = value
            else:
                numbers[f"{index}.{slot}"] = value
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    told = {"history": progress.history, "start": progress.start, "numbers": numbers}
    with replacing(path) as part:
        save_file(copies, part, {"told": json.dumps(told)})


def load_state(path: Path, moving: Moving, optimizer: torch.optim.Optimizer) -> Progress:
    """Put a saved state back; returns how far it had come, which is nowhere where there is no file.

    Raises RunError for a file of another training.
    """
    if not path.exists():
        return Progress()
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            told = json.loads(file.metadata()["told"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _other(path) from error
    saved = _under(MOVING, tensors)
    own = {name: tensor.shape for name, tensor in moving.tensors().items()}
    if {name: tensor.shape for name, tensor in saved.items()} != own or "start" not in told:
        raise _other(path)
    moving.put(saved)
    slots: dict[int, dict[str, Any]] = {}
    for name, value in (_under(OPTIMIZER, tensors) | told["numbers"]).items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(told["history"], told["start"], _under(BEST, tensors))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _other(path: Path) -> RunError:
    return RunError(
        f"{path.name} in {path.parent} is no state of this training",
        expected="what the same recipe, with the same version of suture, left there",
        instead="--overwrite to start from nothing, or remove that file",
    )
