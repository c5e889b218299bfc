"""Linear regression: how much of one matrix another one explains."""

from torch import Tensor

from suture.measures.functional.compact import Compact, compact
from suture.measures.measure import CENTRED, LINEAR, register


@register(
    "linreg_r2_x_to_y",
    compact,
    higher_is_more_similar=True,
    symmetric=False,
    invariances=LINEAR,
    invariances_y=CENTRED,
    narrow=("x",),
)
def explained(x: Compact, y: Compact) -> Tensor:
    """R² = 1 − ‖Y − XB‖² / ‖Y‖² of Y (n, q) by least squares on X (n, p), both centred: ‖QₓᵀY‖² / ‖Y‖².

    Directed, X to Y. Range [0, 1] on the samples it is fitted on, 1 where X determines Y linearly. Invariances:
    translation and any invertible linear map of X; translation, isotropic scaling and orthogonal maps of Y. Kornblith
    et al. 2019 (arXiv 1905.00414), section 4, R²_LR. Limits: unrelated matrices reach p / (n − 1); n ≥ p + 2.
    """
    return (x.basis.T @ y.rows).square().sum()
