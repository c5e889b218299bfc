"""Everything a training needs to go on where it stopped, in one safetensors file."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from suture.runs import replacing

MODEL, OPTIMIZER = "model.", "optimizer."


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, Any]]) -> None:
    """Write model, optimizer and history; the file changes in one step, never half."""
    tensors = {MODEL + name: tensor for name, tensor in model.state_dict().items()}
    numbers: dict[str, Any] = {}
    for index, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}{index}.{slot}"] = value
            else:
                numbers[f"{index}.{slot}"] = value
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as part:
        save_file(copies, part, {"told": json.dumps({"history": history, "numbers": numbers})})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Put a saved state back; returns the history, empty where there is no file."""
    if not path.exists():
        return []
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = json.loads(file.metadata()["told"])
    weights = model.state_dict()  # its own, as it carries the versions that some networks ask for
    weights.update({k.removeprefix(MODEL): v for k, v in tensors.items() if k.startswith(MODEL)})
    model.load_state_dict(weights)
    slots: dict[int, dict[str, Any]] = {}
    kept = {k.removeprefix(OPTIMIZER): v for k, v in tensors.items() if k.startswith(OPTIMIZER)}
    for name, value in (kept | told["numbers"]).items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": slots, "param_groups": whole["param_groups"]})
    history: list[dict[str, Any]] = told["history"]
    return history
