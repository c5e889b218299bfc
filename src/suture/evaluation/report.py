"""All that the answers to a labelled split tell of a classifier."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from suture.errors import DataError
from suture.evaluation.bootstrap import Intervals, intervals
from suture.evaluation.calibration import Calibration, as_probabilities, calibration
from suture.evaluation.curves import Curves, ranked
from suture.evaluation.mistakes import Mistake, mistakes
from suture.evaluation.per_class import Averages, ClassScores, Ints, averages, per_class


@dataclass(frozen=True)
class Report:
    """Shares and areas from 0 to 1; ``kappa`` (Cohen's) and ``mcc`` (Matthews') up to 1, None where undefined.

    ``confusion`` counts images, truth in rows. Classes without an image in the split are ``absent``: named, and left
    out of every mean (``macro``: each class alike, ``weighted``: by images). ``never_predicted`` are those that have
    images. ``micro`` pools all (image, class) pairs: its precision, recall and F1 are the accuracy. ``intervals`` are
    95 % ones. ``calibrated`` is the calibration of the logits divided by ``temperature``. ``worst`` are the most
    confident mistakes. None stands wherever there is nothing to tell, never NaN.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    kappa: float | None
    mcc: float | None
    macro: Averages
    weighted: Averages
    micro: Averages
    intervals: Intervals
    per_class: tuple[ClassScores, ...]
    absent: tuple[str, ...]
    never_predicted: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    temperature: float | None
    calibrated: Calibration | None
    worst: tuple[Mistake, ...]
    roc: Curves
    precision_recall: Curves

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as JSON gives it back."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return told


def report(
    logits: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    temperature: float | None = None,
) -> Report:
    """From logits (n, k) and labels (n,) of one class an image; ``seed`` draws the resamples of the intervals.

    ``names`` are those of the images; ``temperature`` is what ``fit_temperature`` found on other images. The answer of
    a tie is the first class. Raises DataError where these do not go together, or where a logit is not a finite number.
    """
    from sklearn.metrics import confusion_matrix

    _check(logits, labels, classes, names)
    logits = logits.detach().cpu()
    labels = labels.cpu()
    probabilities, truth = as_probabilities(logits), labels.numpy()
    answers = logits.argmax(1).numpy()
    counts = confusion_matrix(truth, answers, labels=range(len(classes)))
    told = ranked(probabilities, truth)
    scores = per_class(counts, classes, told.aucs, told.average_precisions)
    accuracy, macro = float((answers == truth).mean()), averages(scores)
    assert macro.recall is not None
    kappa, mcc = _chance_corrected(truth, answers)
    return Report(
        n=len(labels),
        accuracy=accuracy,
        balanced_accuracy=macro.recall,
        kappa=kappa,
        mcc=mcc,
        macro=macro,
        weighted=averages(scores, weighted=True),
        micro=Averages(accuracy, accuracy, accuracy, told.micro_auc, told.micro_average_precision),
        intervals=intervals(probabilities, truth, counts, seed),
        per_class=scores,
        absent=tuple(one.name for one in scores if not one.support),
        never_predicted=tuple(one.name for one in scores if one.support and not one.predicted),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        calibration=calibration(logits, labels),
        temperature=temperature,
        calibrated=calibration(logits.double() / temperature, labels) if temperature else None,
        worst=mistakes(probabilities, answers, truth, classes, names),
        roc=told.roc,
        precision_recall=told.precision_recall,
    )


def _chance_corrected(truth: Ints, answers: Ints) -> tuple[float | None, float | None]:
    """Cohen's kappa and Matthews' correlation coefficient; None of images that are all of one class."""
    from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

    if (truth == truth[0]).all():
        return None, None
    return float(cohen_kappa_score(truth, answers)), float(matthews_corrcoef(truth, answers))


def _check(logits: Tensor, labels: Tensor, classes: Sequence[str], names: Sequence[str] | None) -> None:
    if labels.ndim != 1 or logits.shape != (len(labels), len(classes)) or not len(labels):
        raise DataError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} for {len(classes)} classes",
            expected="logits (n, classes) and labels (n,), one class an image, of one image or more",
            instead="suture.evaluation.predict(network, split.batches(256)), and the classes of the data",
        )
    if names is not None and len(names) != len(labels):
        raise DataError(
            f"{len(names)} names for {len(labels)} images", expected="one name an image", instead="names=None"
        )
    if not bool(((labels >= 0) & (labels < len(classes))).all()):
        raise DataError(
            f"labels from {int(labels.min())} to {int(labels.max())} for {len(classes)} classes",
            expected=f"class numbers from 0 to {len(classes) - 1}",
            instead="the labels and the classes of one data set",
        )
    check_finite(logits)


def check_finite(logits: Tensor) -> None:
    """Raises DataError where a logit (n, k) is NaN or infinite."""
    if not bool(logits.isfinite().all()):
        raise DataError(
            f"the answers to {int((~logits.isfinite()).any(1).sum())} of {len(logits)} images are not finite numbers",
            expected="a finite logit for every class",
            instead="a network whose training did not diverge: a lower --lr, or the weights of an earlier epoch",
        )
