"""Stages of training: what may move, the loop, and the state to go on from."""

from suture.training.loop import Examples, Hooks, train
from suture.training.losses import Criterion, hard
from suture.training.moving import Moving
from suture.training.objectives import criterion
from suture.training.progress import Epoch, Trained
from suture.training.recompute import spans

__all__ = ["Criterion", "Epoch", "Examples", "Hooks", "Moving", "Trained", "criterion", "hard", "spans", "train"]
