"""Only operations that give the same bits every time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from suture.errors import SutureError, UsageError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic(wanted: bool = True) -> Iterator[None]:
    """Within, torch uses no operation whose bits differ from time to time; nothing happens where that is not wanted.

    Bits are still those of one machine, its number of threads and its versions. Settings are put back at the end.
    Raises UsageError where a network needs an operation that has no such implementation.
    """
    if not wanted:
        yield
        return
    cudnn, workspace = torch.backends.cudnn, os.environ.get(CUBLAS)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags = cudnn.deterministic, cudnn.benchmark
    os.environ.setdefault(CUBLAS, ":4096:8")
    cudnn.deterministic, cudnn.benchmark = True, False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except (RuntimeError, SutureError) as error:
        cause = str(error.__cause__ or error)  # a network is tried out before it is trained, and that may tell it first
        if "does not have a deterministic implementation" not in cause:
            raise
        raise UsageError(
            cause.partition(", but you set")[0],
            expected="operations that give the same bits every time",
            instead="no --deterministic, or --device cpu",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = flags
        if workspace is None:
            os.environ.pop(CUBLAS, None)
