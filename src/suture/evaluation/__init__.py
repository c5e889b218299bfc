"""Numbers that say how good a classifier is."""

from suture.evaluation.accuracy import Scores, evaluate, predict, score
from suture.evaluation.attributes import Attribute
from suture.evaluation.overlap import Overlap, overlap
from suture.evaluation.paired import Paired, mcnemar

__all__ = [
    "Attribute",
    "Overlap",
    "Paired",
    "Scores",
    "evaluate",
    "mcnemar",
    "overlap",
    "predict",
    "score",
]
