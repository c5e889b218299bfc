"""What is added up over batches, so that any number of samples fits the memory."""

from collections.abc import Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.linalg import vector_norm

from suture.errors import MeasureError
from suture.measures.functional import minibatch, moments
from suture.measures.functional.minibatch import Sums
from suture.measures.measure import not_finite, nothing_varies
from suture.measures.null import shuffled

Grams = list[tuple[Tensor, Tensor]]  # of each batch: a U-centred Gram matrix (m, m), and its square before centring
FAINT = 1e-4
STRIPS = 4
SLACK = 1e-6  # CKA of float32 Gram matrices is the same but for rounding


class Gramian:
    """Makes the Gram matrices of one network's layers, each in one unit that its first batch fixes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._shift: dict[str, Tensor] = {}
        self._scale: dict[str, float] = {}

    def __call__(self, name: str, X: Tensor) -> Grams:
        """Of the rows (n, d) of a layer, ``size`` of them at a time; up to 3 rows left over are not used."""
        if name not in self._shift:
            self._shift[name] = X.mean(0)
        shift, scale = self._shift[name], self._unit(name, X)
        X = torch.add(-scale * shift, X, alpha=scale)
        return [_gram(rows) for rows in X.split(self.size) if len(rows) >= minibatch.LEAST]

    def _unit(self, name: str, X: Tensor) -> float:
        """1 over what the norm of a row is like: activations of 1e-12 and of 1e12 then come to the same."""
        if name not in self._scale:
            shift = self._shift[name]
            spread, mean = (float(vector_norm(x, dtype=torch.float64)) for x in (X - shift, shift))
            size = max(spread / sqrt(len(X)), FAINT * mean)
            if not 0 < size < float("inf"):
                return 1.0  # nothing to see yet, or nothing finite
            self._scale[name] = 1 / size
        return self._scale[name]


def _gram(X: Tensor) -> tuple[Tensor, Tensor]:
    """Strip by strip on and above the diagonal, then mirrored: a product of all rows with all takes twice the work."""
    gram = X.new_empty(len(X), len(X))
    strip = -(-len(X) // STRIPS)
    for start in range(0, len(X), strip):
        end = start + strip
        torch.mm(X[start:end], X[start:].T, out=gram[start:end, start:])
        gram[end:, start:end] = gram[start:end, end:].T
    gram.fill_diagonal_(0)
    raw = gram.square().sum()
    return minibatch.u_centred(gram), raw


class BatchSums:
    """Minibatch CKA of all layers of A with all of B, and of ``permutations`` of the images of B within each batch.

    An image has so many ``points``, rows that stay together.
    """

    def __init__(self, permutations: int, seed: int, points: int = 1) -> None:
        self._points = points
        self._sums: Sums | None = None
        self._null: Tensor | None = None
        self._permutations = permutations
        self._generator = torch.Generator().manual_seed(seed)

    def update(self, a: Sequence[Grams], b: Sequence[Grams]) -> None:
        for batch in range(len(a[0])):
            x, y = (torch.stack([grams[batch][0] for grams in side]) for side in (a, b))
            dtype = torch.promote_types(x.dtype, y.dtype)  # of a network in float64 and one in float32
            x, y = x.to(dtype), y.to(dtype)
            raw = (torch.stack([grams[batch][1] for grams in side]) for side in (a, b))
            self._sums = minibatch.update(self._sums, x, y, *raw)
            if self._permutations:
                self._permute(x, y)

    def _permute(self, x: Tensor, y: Tensor) -> None:
        m = x.shape[-1]
        images = m // self._points
        orders = (shuffled(images, self._points, self._generator).to(y.device) for _ in range(self._permutations))
        flat = x.flatten(1)
        found = [flat @ y[:, order][:, :, order].flatten(1).T for order in orders]
        null = torch.stack(found).double().cpu() / (m - 3)
        self._null = null if self._null is None else self._null + null

    def values(self) -> Tensor:
        """(A, B); nan where a layer has a fault."""
        assert self._sums is not None
        return minibatch.compute(self._sums)

    def p_values(self) -> Tensor:
        """Of the permutations, and the samples as they are, the share that is as similar: (A, B)."""
        assert self._sums is not None
        assert self._null is not None
        slack = SLACK * (self._sums.xx[:, None] * self._sums.yy).sqrt()
        return (1 + (self._null >= self._sums.xy - slack).sum(0)).double() / (1 + self._permutations)

    def faults(self) -> tuple[list[MeasureError | None], list[MeasureError | None]]:
        """Why a layer of A, and of B, has no values; None where it has."""
        assert self._sums is not None
        sums = self._sums
        return _faults(sums.xx, sums.raw_x), _faults(sums.yy, sums.raw_y)


def _faults(square: Tensor, raw: Tensor) -> list[MeasureError | None]:
    finite, varying = square.isfinite().tolist(), minibatch.varies(square, raw, torch.float32).tolist()
    told = (None if good else nothing_varies() for good in varying)
    return [fault if whole else not_finite() for whole, fault in zip(finite, told, strict=True)]


class MomentSums:
    """Covariances of all layers of A with all of B."""

    def __init__(self) -> None:
        self._moments: moments.Moments | None = None

    def update(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> None:
        self._moments = moments.update(self._moments, a, b)

    def products(self) -> tuple[list[Tensor], list[Tensor], list[list[Tensor]]]:
        """XᵀX of each layer of A, YᵀY of each of B, XᵀY of every pair, of centred columns."""
        assert self._moments is not None
        return moments.compute(self._moments)


class EntrySums:
    """Squared differences of pairs of layers, entry by entry."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], float] = {}
        self._entries: dict[tuple[str, str], int] = {}

    def update(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], pairs: Sequence[tuple[str, str]]) -> None:
        for x, y in pairs:
            found = float((a[x].double() - b[y].double()).square().sum())
            self._sums[x, y] = self._sums.get((x, y), 0.0) + found
            self._entries[x, y] = self._entries.get((x, y), 0) + a[x].numel()

    def values(self) -> dict[tuple[str, str], float]:
        return {pair: total / self._entries[pair] for pair, total in self._sums.items()}
