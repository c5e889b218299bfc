"""One measure of two matrices, for programs and notebooks."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.measures.measure import find


@torch.no_grad()
def compute(name: str, X: Any, Y: Any) -> float:
    """The measure ``name`` of X (n, p) and Y (n, q), arrays or tensors of numbers whose rows are the same n samples.

    Computed in float64. Raises MeasureError for an unknown name, and for matrices that it cannot compare.
    """
    measure = find(name)
    x, y = _matrix(X, f"X of {measure.name}"), _matrix(Y, f"Y of {measure.name}")
    y = y.to(x.device)
    if len(x) != len(y):
        raise MeasureError(
            f"X of {measure.name} has {len(x)} rows, Y has {len(y)}",
            expected="one row of each for every sample, in the same order",
            instead=f"compute({name!r}, X[:{min(len(x), len(y))}], Y[:{min(len(x), len(y))}]) if the first rows match",
        )
    refusal = measure.refusal(len(x), tuple(x.shape[1:]), tuple(y.shape[1:]))
    if refusal is not None:
        raise refusal
    sides = []
    for what, matrix in (("X", x), ("Y", y)):
        try:
            sides.append(measure.prepared(matrix))
        except MeasureError as error:
            raise error.of(f"{what} of {measure.name}") from error
    try:
        return float(measure.value(*sides))
    except MeasureError as error:
        raise error.of(f"{measure.name} of X and Y") from error


def _matrix(given: Any, what: str) -> Tensor:
    try:
        matrix = given.detach() if isinstance(given, Tensor) else _tensor(np.asarray(given))
    except (TypeError, ValueError) as error:
        raise MeasureError(
            f"{what} is no matrix of numbers: {error}",
            expected="a numpy array or a tensor of shape (samples, features)",
            instead="numpy.asarray(rows, dtype=float)",
        ) from error
    if matrix.dim() != 2 or matrix.shape[1] == 0 or matrix.is_complex():
        raise MeasureError(
            f"{what} is of shape {tuple(matrix.shape)} and type {str(matrix.dtype).removeprefix('torch.')}",
            expected="real numbers, of shape (samples, features)",
            instead=f"{what[0]}.reshape(len({what[0]}), -1), which flattens all but the samples",
        )
    return matrix if matrix.is_floating_point() else matrix.double()


def _tensor(array: np.ndarray) -> Tensor:
    """A copy: torch reads no array backwards or of the other byte order, and warns of those that are read-only."""
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("="), order="C"))
