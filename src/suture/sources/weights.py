"""Weight files in and out: safetensors, or .pth read without running any code."""

import argparse
import hashlib
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from suture.errors import WeightsError, listed

WRAPPERS = ("state_dict", "model", "model_state_dict")
PARALLEL, COMPILED = "module.", "_orig_mod"
COUNT = "num_batches_tracked"


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .pth, .pt or .bin file, by name.

    A pickled checkpoint is read with ``weights_only=True``: no code in it runs. ``state_dict`` and ``model``
    wrappers are taken off, and from names what DataParallel and torch.compile put there. Raises WeightsError.
    """
    if not path.is_file():
        raise WeightsError(
            f"there is no weight file {path}",
            expected="a .safetensors, .pth or .pt file",
            instead="@PATH with a file that exists, or @none for random weights",
        )
    try:
        safe = path.suffix.lower() == ".safetensors"
        # What timm's and many other training scripts keep beside the tensors is their options, plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            state = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on broken bytes the readers raise nearly anything
        raise WeightsError(
            f"{path} cannot be read as weights: {_reason(error)}",
            expected="a file of tensors only; nothing in it is executed",
            instead="save the network's state_dict() with safetensors.torch.save_file",
        ) from error
    return named_tensors(state, str(path))


def named_tensors(given: Any, what: str) -> dict[str, Tensor]:
    """The tensors of a state dict, or of a checkpoint around one, under ``bare_names``.

    A checkpoint has them under one of WRAPPERS, or under the only key with nothing but named tensors. Raises
    WeightsError.
    """
    state = given
    while isinstance(state, Mapping) and (inner := _inner(state)):
        state = inner[0]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(
            f"{what} holds {_told(state)}, not named tensors", expected="a state_dict", instead=_instead(state)
        )
    names = bare_names(map(str, state))
    return {names[str(name)]: tensor for name, tensor in state.items()}


def _inner(state: Mapping[Any, Any]) -> list[Any]:
    """What a checkpoint wraps."""
    known = [state[key] for key in WRAPPERS if isinstance(state.get(key), Mapping)]
    held = _held(state)
    return known or ([state[held[0]]] if len(held) == 1 else [])


def _held(state: Mapping[Any, Any]) -> list[Any]:
    """The keys of a mapping under which there are named tensors and nothing else."""
    return [
        key
        for key, value in state.items()
        if isinstance(value, Mapping) and value and all(isinstance(one, Tensor) for one in value.values())
    ]


def _told(state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"a {type(state).__name__}"
    other = [key for key, value in state.items() if not isinstance(value, Tensor)]
    return f"a {type(state[other[0]]).__name__} under {other[0]!r}"


def _instead(state: Any) -> str:
    if isinstance(state, nn.Module):
        return "its state_dict()"
    if isinstance(state, Mapping):
        if held := _held(state):
            return f"one of {listed(repr(key) for key in held)} of it"
        modules = [key for key, value in state.items() if isinstance(value, nn.Module)]
        if modules:
            return f"the state_dict() of what is under {modules[0]!r}"
        if any(isinstance(value, Tensor) for value in state.values()):
            return "the tensors alone, without what is beside them"
    return "save the network's state_dict() with safetensors.torch.save_file"


def bare_names(names: Iterable[str]) -> dict[str, str]:
    """Each name without the ``_orig_mod`` of torch.compile, and without the ``module.`` of DataParallel where all
    have it."""
    bare = {name: ".".join(part for part in name.split(".") if part != COMPILED) for name in names}
    while bare and all(name.startswith(PARALLEL) for name in bare.values()):
        bare = {name: short.removeprefix(PARALLEL) for name, short in bare.items()}
    return bare


def _reason(error: Exception) -> str:
    """The first line of what went wrong; of a refused pickle what it asked for, not how to allow it."""
    if isinstance(error, pickle.UnpicklingError):
        asked = re.search(r"GLOBAL (\S+)", str(error))
        return f"it holds more than tensors ({asked[1]})" if asked else "it holds more than tensors, or is damaged"
    return next(iter(str(error).splitlines()), type(error).__name__)


def load_weights(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Copy ``state`` into ``module``; every tensor must fit. Raises WeightsError naming the keys that do not."""
    own = module.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(COUNT)]
    extra = [key for key in state if key not in own and not key.endswith(COUNT)]
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{title} {listed(keys)}"
        for title, keys in (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise WeightsError(
            f"{what} is of another network: {'; '.join(problems)}",
            expected=f"the {len(own)} tensors of this {type(module).__name__}",
            instead="the source whose architecture made the file, or the file that fits this one",
        )
    # Into its own state dict, which carries the versions that some networks ask for (MNASNet).
    own.update({name: tensor for name, tensor in state.items() if name in own})
    module.load_state_dict(own)


def digest(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes, whatever the order."""
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return sha.hexdigest()
