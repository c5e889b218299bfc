"""Run or trace a network and leave no sign of it."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from suture.graph.shadow import Shadow

SEED = 0


@contextmanager
def untouched(network: nn.Module, training: bool | None = None) -> Iterator[None]:
    """Put ``network`` in eval or train mode (None: as it is); give everything back, also on error.

    Given back: the attributes, flags and hooks of every module, the values of all buffers, the random states
    of torch and Python (both seeded inside), and the switch of the fast path of attention. Not covered:
    parameters that a forward pass overwrites in place, and whatever a network keeps outside itself.
    """
    modules = list(network.modules())
    attributes = [_copied(module) for module in modules]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    fast_path, python_state = torch.backends.mha.get_fastpath_enabled(), random.getstate()
    try:
        with torch.random.fork_rng(_cuda_devices(network)):
            torch.manual_seed(SEED)
            random.seed(SEED)
            torch.backends.mha.set_fastpath_enabled(False)
            if training is not None:
                network.train(training)
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        random.setstate(python_state)
        for module, saved in zip(modules, attributes, strict=True):
            _give_back(module, saved)
        for module in modules:
            if isinstance(module, Shadow):
                module.settle()
        with torch.no_grad():
            for buffer, value in buffers:
                # By value: the kernels of BatchNorm change running statistics without a new version.
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


@contextmanager
def drawing_nothing() -> Iterator[None]:
    """Raises RuntimeError where random numbers were drawn: a trace would keep them for ever."""
    before = torch.get_rng_state(), random.getstate()
    yield
    if not torch.equal(before[0], torch.get_rng_state()) or before[1] != random.getstate():
        raise RuntimeError("the network draws random numbers outside of its graph")


def _copied(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    """Every attribute, and a copy of those that are plain collections (parameters, buffers, hooks, logs)."""
    return {
        key: (value, copy.copy(value) if isinstance(value, (dict, list, set)) else None)
        for key, value in module.__dict__.items()
    }


def _give_back(module: nn.Module, saved: dict[str, tuple[Any, Any]]) -> None:
    module.__dict__.clear()
    for key, (value, contents) in saved.items():
        if contents is not None:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(contents)
        module.__dict__[key] = value


def _cuda_devices(network: nn.Module) -> list[int]:
    tensors = (*network.parameters(), *network.buffers())
    return sorted({tensor.device.index or 0 for tensor in tensors if tensor.is_cuda})
