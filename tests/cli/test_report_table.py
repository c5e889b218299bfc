"""The report for people: what is absent is named, and many classes are the worst of them."""

import io

import torch
from rich.console import Console, Group

from suture.cli.reports import report_parts
from suture.evaluation import report


def told(k: int, only: int, **options) -> str:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, only, (300,), generator=generator)
    logits = torch.randn(300, k, generator=generator)
    logits[torch.arange(300), labels] += 2
    logits[:, 0] -= 50
    found = report(logits, labels, [f"kind{number}." for number in range(k)], **options)
    written = io.StringIO()
    Console(width=120, file=written).print(Group(*report_parts(found.as_dict())))
    return " ".join(written.getvalue().split())


def test_what_is_absent_or_never_predicted_is_named():
    text = told(4, 2, temperature=1.5)
    assert "no images of kind2., kind3.: left out of the means" in text
    assert "never predicted: kind0." in text
    assert "with temperature 1.500, fitted on validation: ECE" in text


def test_one_class_alone_has_no_auc_and_no_temperature_is_none():
    text = told(3, 1)
    assert "all images are of one class: no AUC" in text
    assert "macro AUC" not in text
    assert "with temperature" not in text


def test_of_many_classes_the_worst_are_shown():
    text = told(40, 38)
    assert "the 15 worst of 40 classes, by F1" in text
    assert text.index("kind0.") == text.index("kind")
    assert sum(f"kind{number}. │" in text for number in range(40)) == 15
    whole = told(30, 30)
    assert sum(f"kind{number}. │" in whole for number in range(30)) == 30
