"""Stages of training: what may move, the loop, and the state to go on from."""

from suture.training.loop import Epoch, Examples, Hooks, Moving, train
from suture.training.objectives import Criterion, criterion

__all__ = ["Criterion", "Epoch", "Examples", "Hooks", "Moving", "criterion", "train"]
