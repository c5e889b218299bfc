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
    x, y = _matrix(X, "X"), _matrix(Y, "Y").to(X.device if isinstance(X, Tensor) else "cpu")
    if len(x) != len(y):
        raise MeasureError(
            f"X has {len(x)} rows, Y has {len(y)}",
            expected="one row of each for every sample, in the same order",
            instead=f"compute({name!r}, X[:{min(len(x), len(y))}], Y[:{min(len(x), len(y))}]) if the first rows match",
        )
    refusal = measure.refusal(len(x), tuple(x.shape[1:]), tuple(y.shape[1:]))
    if refusal is not None:
        raise refusal
    return float(measure.compare(measure.prepared(x), measure.prepared(y)))


def _matrix(given: Any, what: str) -> Tensor:
    try:
        matrix = given.detach() if isinstance(given, Tensor) else torch.as_tensor(np.asarray(given))
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
            instead=f"{what}.reshape(len({what}), -1), which flattens all but the samples",
        )
    return matrix if matrix.is_floating_point() else matrix.double()
