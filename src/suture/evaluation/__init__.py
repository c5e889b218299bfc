"""Numbers that say how good a classifier is."""

from suture.evaluation.accuracy import Scores, evaluate, predict, score

__all__ = ["Scores", "evaluate", "predict", "score"]
