"""Numbers that say how good a classifier is."""

from suture.evaluation.accuracy import Scores, answers, evaluate, predict, score
from suture.evaluation.attributes import Attribute
from suture.evaluation.calibration import as_probabilities, fit_temperature
from suture.evaluation.overlap import Overlap, overlap
from suture.evaluation.paired import Paired, mcnemar
from suture.evaluation.report import Report, check_finite, report

__all__ = [
    "Attribute",
    "Overlap",
    "Paired",
    "Report",
    "Scores",
    "answers",
    "as_probabilities",
    "check_finite",
    "evaluate",
    "fit_temperature",
    "mcnemar",
    "overlap",
    "predict",
    "report",
    "score",
]
