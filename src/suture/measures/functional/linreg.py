"""Linear regression: how much of one matrix another one explains."""

from torch import Tensor

from suture.measures.functional.spectrum import SPECTRUM, Cosines, Spectrum
from suture.measures.measure import CENTRED, LINEAR, register


@register(
    "linreg_r2_x_to_y",
    SPECTRUM,
    higher_is_more_similar=True,
    symmetric=False,
    invariances=LINEAR,
    invariances_y=CENTRED,
    narrow=("x",),
    streams="moments",
)
def explained_y(_x: Spectrum, y: Spectrum, common: Cosines) -> Tensor:
    """R² = 1 − ‖Y − XB‖² / ‖Y‖² of Y (n, q) by least squares on X (n, p), both centred: ‖QₓᵀY‖² / ‖Y‖².

    Directed, X to Y. Range [0, 1] on the samples it is fitted on, 1 where X determines Y linearly. Invariances:
    translation and any invertible linear map of X; translation, isotropic scaling and orthogonal maps of Y. Kornblith
    et al. 2019 (arXiv 1905.00414), section 4, R²_LR. Limits: unrelated matrices reach p / (n − 1); n ≥ p + 2.
    O(n p² + n q min(n, q)) to prepare, O(n p q) a pair.
    """
    return (common.matrix * y.shape).square().sum()


@register(
    "linreg_r2_y_to_x",
    SPECTRUM,
    higher_is_more_similar=True,
    symmetric=False,
    invariances=CENTRED,
    invariances_y=LINEAR,
    narrow=("y",),
    streams="moments",
)
def explained_x(x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """``linreg_r2_x_to_y`` of Y (n, q) and X (n, p): how much of X is explained by Y.

    Range [0, 1], 1 where Y determines X linearly. Invariances: translation, isotropic scaling and orthogonal maps of X;
    translation and any invertible linear map of Y. Kornblith et al. 2019 (arXiv 1905.00414), section 4. Limits:
    unrelated matrices reach q / (n − 1); n ≥ q + 2. Cost: as of ``linreg_r2_x_to_y``.
    """
    return (x.shape[:, None] * common.matrix).square().sum()
