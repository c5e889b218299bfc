"""Stages of training: what may move, the loop, and the state to go on from."""

from suture.training.loop import Epoch, Examples, Hooks, Moving, train

__all__ = ["Epoch", "Examples", "Hooks", "Moving", "train"]
