"""Several processes that train one network together: who they are, and what they tell each other.

Each has the network whole and takes its share of every batch. Where torchrun started none but this process, all of it
is nothing: no sum changes, and nobody waits.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from suture.runs import processes

Told = TypeVar("Told")


@contextmanager
def joined(device: str = "cpu") -> Iterator[None]:
    """Within, the processes that torchrun started know each other: over gloo, tensors of CUDA devices over nccl."""
    if processes.world() == 1 or dist.is_initialized():
        yield
        return
    if cuda := device.startswith("cuda"):
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    """Wait until all are here."""
    told(None)


def told(value: Told) -> Told:
    """What the first process says, on all of them."""
    if world() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def total(*numbers: float) -> list[float]:
    """Each of the numbers, summed over all processes."""
    if world() == 1:
        return list(numbers)
    summed = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(summed)
    return summed.tolist()


@torch.no_grad()
def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give each parameter the sum of its gradients; one that has a gradient nowhere keeps none."""
    if world() == 1 or not parameters:
        return
    sizes = [parameter.numel() for parameter in parameters]
    parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten().float() for p in parameters]
    has = parts[0].new_tensor([parameter.grad is not None for parameter in parameters])
    flat = torch.cat([*parts, has])
    dist.all_reduce(flat)
    *parts, has = flat.split([*sizes, len(sizes)])
    for parameter, part, anywhere in zip(parameters, parts, has.tolist(), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype) if anywhere else None


@torch.no_grad()
def settle(tensors: Iterable[Tensor]) -> None:
    """Make parameters and buffers the same everywhere: those of the first process, running statistics the mean."""
    if world() == 1:
        return
    for tensor in tensors:
        same = tensor.detach().clone(memory_format=torch.contiguous_format)
        if tensor.is_floating_point() and not isinstance(tensor, nn.Parameter):
            dist.all_reduce(same)
            same /= world()
        dist.broadcast(same, 0)
        tensor.copy_(same)
