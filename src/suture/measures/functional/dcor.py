"""Distance correlation: dependence of any kind between two matrices."""

from torch import Tensor

from suture.measures.functional.kernels import cosine_of, double_centred, normed, squared_distances, value
from suture.measures.measure import nothing_varies, register


def prepare(X: Tensor) -> Tensor:
    """The doubly centred distances of X (n, d) over their norm. Raises MeasureError where all rows are the same."""
    distances = squared_distances(X).sqrt()
    if not distances.any():
        raise nothing_varies()
    return normed(double_centred(distances), distances)


@register("distance_correlation_sq", cosine_of(prepare), higher_is_more_similar=True, estimator="biased")
def distance_correlation(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """dCov²(X, Y) / √(dVar²(X) dVar²(Y)) of X (n, p) and Y (n, q): ⟨HDH, HEH⟩ / (‖HDH‖ ‖HEH‖).

    D and E are Euclidean distances of all pairs of rows. The square of the distance correlation, by its biased
    estimate. Range [0, 1], 1 for the same up to the invariances: translation, isotropic scaling, orthogonal maps.
    Székely, Rizzo & Bakirov 2007, "Measuring and testing dependence by correlation of distances" (arXiv 0803.4101),
    definitions 4 and 5; for networks Zhen et al. 2022 (arXiv 2207.09684). Limits: with more features than samples it
    comes near 1 for any two matrices, also unrelated ones. O(n² p) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)
