"""Numbers that say how good a classifier is."""

from suture.evaluation.accuracy import Scores, evaluate, predict, score
from suture.evaluation.paired import Paired, mcnemar

__all__ = ["Paired", "Scores", "evaluate", "mcnemar", "predict", "score"]
