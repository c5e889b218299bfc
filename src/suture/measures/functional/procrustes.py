"""Orthogonal Procrustes: how far apart two point clouds stay, rotated onto each other as well as can be."""

from torch import Tensor

from suture.measures.functional.spectrum import SPECTRUM, Cosines, Spectrum
from suture.measures.measure import register


@register("procrustes_normalised", SPECTRUM, higher_is_more_similar=False, streams="moments")
def distance(_x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """√(2 − 2 ‖XᵀY‖∗) of X (n, p) and Y (n, q), centred and of Frobenius norm 1; ‖·‖∗ sums the singular values.

    A metric, in [0, √2], 0 for the same up to the invariances: translation, isotropic scaling, orthogonal maps (the
    narrower is padded with zero columns). Ding, Denain & Steinhardt 2021, "Grounding Representation Similarity with
    Statistical Testing" (arXiv 2108.01661), whose distance is its square. Limits: values below about 1e-7 are rounding.
    O(n p min(n, p)) to prepare, O(n r² + r³) a pair of rank r.
    """
    return (2 - 2 * common.alignment).sqrt()


@register(
    "procrustes_size_shape",
    SPECTRUM,
    higher_is_more_similar=False,
    invariances=("translation", "orthogonal"),
    streams="moments",
)
def size_and_shape_distance(x: Spectrum, y: Spectrum, common: Cosines) -> Tensor:
    """√(‖X‖² + ‖Y‖² − 2 ‖XᵀY‖∗) of X (n, p) and Y (n, q), centred: min ‖X − YQ‖ over orthogonal Q.

    A metric, in [0, ∞), in units of the activations, 0 for the same up to the invariances: translation, orthogonal
    maps (the narrower is padded with zero columns). Williams et al. 2021, "Generalized Shape Metrics on Neural
    Representations" (arXiv 2110.14739), without scaling. Limits: it grows with √n, and where the sizes differ it tells
    of little else; values below about 1e-7 of the norms are rounding. Cost: as of ``procrustes_normalised``.
    """
    larger = x.norm.maximum(y.norm)
    a, b = x.norm / larger, y.norm / larger
    return larger * ((a - b).square() + 2 * a * b * (1 - common.alignment)).sqrt()


@register("angular_shape", SPECTRUM, higher_is_more_similar=False, streams="moments")
def angle(_x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """arccos ‖XᵀY‖∗ of X (n, p) and Y (n, q), centred and of Frobenius norm 1, in radians.

    A metric, in [0, π/2], 0 for the same up to the invariances: translation, isotropic scaling, orthogonal maps.
    Williams et al. 2021 (arXiv 2110.14739), the angular shape metric. Limits: with fewer samples than features
    unrelated matrices come near each other; values below about 1e-7 are rounding. Cost: as of
    ``procrustes_normalised``, of which it is a function.
    """
    return common.alignment.arccos()
