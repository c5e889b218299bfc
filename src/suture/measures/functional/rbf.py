"""CKA with a Gaussian kernel: how alike the near neighbourhoods of samples are."""

from functools import cache, partial

import numpy as np
from torch import Tensor

from suture.measures.functional.kernels import cosine_of, double_centred, normed, squared_distances, value
from suture.measures.functional.minibatch import u_centred
from suture.measures.measure import Family, nothing_varies, register


def prepare(debiased: bool, t: float, X: Tensor) -> Tensor:
    """The centred kernel matrix of X (n, d) over its norm. Raises MeasureError where it says nothing."""
    squares = squared_distances(X)
    median = float(np.median(squares.numpy(force=True)))
    if not median > 0:
        raise nothing_varies("half of the pairs of samples or more are the same, so that the kernel has no width")
    exponent = squares / median / -2 / t / t
    # A constant does not matter to what is centred: exp keeps the digits of small entries, expm1 of those near 1.
    kernel = exponent.exp() if t < 1 else exponent.expm1()
    if not debiased:
        return normed(double_centred(kernel), kernel, "at this width of the kernel all samples are alike")
    kernel.fill_diagonal_(0)
    return normed(u_centred(kernel.clone()), kernel, "at this width of the kernel all samples are equally far apart")


@cache
def family(debiased: bool, t: float) -> Family:
    return cosine_of(partial(prepare, debiased, t))


@register("cka_rbf_t{}_biased", partial(family, False), higher_is_more_similar=True, estimator="biased")
def biased(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """⟨HKH, HLH⟩ / (‖HKH‖ ‖HLH‖) with Kᵢⱼ = exp(−dᵢⱼ² / (2 t² m)) of the distances dᵢⱼ in X (n, p), L in Y (n, q).

    m is the median of all n² squared distances, those of each sample to itself, 0, among them (the mean of the middle
    two, as numpy's): the width goes with the scale of each matrix. Range [0, 1], 1 for the same up to the invariances:
    translation, isotropic scaling, orthogonal maps. Kornblith et al. 2019 (arXiv 1905.00414), whose published code has
    this median. Limits: a narrow kernel finds any two matrices alike, as each sample is then near itself alone; a wide
    one tends to linear CKA; half the pairs may not be the same. O(n² p) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)


@register("cka_rbf_t{}_debiased", partial(family, True), higher_is_more_similar=True, least=4, estimator="debiased")
def debiased(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """HSICᵤ(K, L) / √(HSICᵤ(K, K) HSICᵤ(L, L)), K of X (n, p) and L of Y (n, q) as in ``cka_rbf_t{}_biased``, n ≥ 4.

    HSICᵤ is the unbiased estimate of Song et al. 2012, "Feature Selection via Dependence Maximization" (JMLR 13), eq.
    5, on the whole sample; the kernel is that of Kornblith et al. 2019 (arXiv 1905.00414). Range [−1, 1], below 0 as
    often as above for unrelated matrices; it is not cut off at 0. Invariances: translation, isotropic scaling,
    orthogonal maps. Limits: a ratio of unbiased estimates is not itself unbiased; of a narrow kernel a few near pairs
    decide. O(n² p) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)
