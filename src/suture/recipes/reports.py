"""The report of a classifier: as files in a run folder, and what of it a result holds."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

from torch import Tensor

from suture.data.dataset import DataSet
from suture.evaluation import Report, as_probabilities, report
from suture.evaluation.mistakes import Mistake
from suture.evaluation.per_class import ClassScores
from suture.reporting.classification import FIGURES
from suture.reporting.spreadsheet import csv_text
from suture.runs import RunFolder, write_json, write_text

CURVES = ("roc", "precision_recall")
MANY = 100


def write_report(
    folder: RunFolder,
    logits: Tensor,
    labels: Tensor,
    data: DataSet,
    *,
    names: Sequence[str] | None = None,
    temperature: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Report on logits (n, k) and labels (n,) in ``folder``, and return what its result holds, see ``summary``.

    Writes report.json, per_class.csv, confusion.csv, worst.csv, predictions.csv (a column of probabilities for each
    class, up to 100), and plots/confusion, roc, pr and reliability. Raises DataError as ``report`` does.
    """
    found = report(logits, labels, data.classes, names=names, seed=seed, temperature=temperature)
    told = found.as_dict()
    write_json(folder.path / "report.json", told)
    write_text(folder.path / "per_class.csv", _rows(ClassScores, found.per_class))
    write_text(folder.path / "worst.csv", _rows(Mistake, found.worst))
    counts = ([name, *row] for name, row in zip(data.classes, found.confusion, strict=True))
    write_text(folder.path / "confusion.csv", csv_text(["truth", *data.classes], counts))
    write_text(folder.path / "predictions.csv", _predictions(logits, labels, data.classes, names))
    for name, draw in FIGURES.items():
        draw(told, folder.plots / f"{name}.png")
    return summary(found)


def summary(found: Report) -> dict[str, Any]:
    """All of a report but its curves; of more than 100 classes without the counts of the confusion (None)."""
    told = {name: value for name, value in found.as_dict().items() if name not in CURVES}
    return told | ({"confusion": None} if len(found.per_class) > MANY else {})


def _rows(kind: Any, found: Sequence[Any]) -> str:
    return csv_text([field.name for field in fields(kind)], map(astuple, found))


def _predictions(logits: Tensor, labels: Tensor, classes: Sequence[str], names: Sequence[str] | None) -> str:
    """Truth and answer of every image, in file order; the confidence is the probability of the answer."""
    each = classes if len(classes) <= MANY else ()
    answers = logits.argmax(1).tolist()
    rows = (
        [
            names[i] if names is not None else str(i),
            classes[truth],
            classes[answer],
            f"{row[answer]:.6g}",
            *(f"{value:.6g}" for value in row[: len(each)]),
        ]
        for i, (truth, answer, row) in enumerate(zip(labels.tolist(), answers, as_probabilities(logits), strict=True))
    )
    return csv_text(["name", "truth", "answer", "confidence", *each], rows)
