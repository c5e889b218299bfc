"""What a network looks at, and what each of its branches is worth."""

from suture.explanation.ablation import branch_shares
from suture.explanation.explain import GRAD_CAM, check_method, explain, find_maps
from suture.explanation.explanation import Explanation
from suture.explanation.gradcam import grad_cam

__all__ = ["GRAD_CAM", "Explanation", "branch_shares", "check_method", "explain", "find_maps", "grad_cam"]
