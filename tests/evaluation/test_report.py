"""The report against scikit-learn, and what it says where there is nothing to say."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from raising import raises
from suture.errors import DataError
from suture.evaluation import report

NAMES = ("ant", "bee", "cat", "dog", "eel")


def drawn(n: int = 300, k: int = 5, seed: int = 0, only: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits right more often than not; labels below ``only``."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, only or k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator)
    logits[torch.arange(n), labels] += 1.5
    return logits, labels


def test_all_numbers_are_those_of_scikit_learn():
    logits, labels = drawn()
    found = report(logits, labels, NAMES)
    shares, answers, truth = logits.double().softmax(1).numpy(), logits.argmax(1).numpy(), labels.numpy()
    told = metrics.classification_report(truth, answers, target_names=NAMES, output_dict=True, zero_division=0)
    assert found.accuracy == pytest.approx(told["accuracy"])
    for one in found.per_class:
        same = told[one.name]
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            (same["precision"], same["recall"], same["f1-score"], same["support"])
        )
    for mean, name in ((found.macro, "macro avg"), (found.weighted, "weighted avg")):
        same = told[name]
        assert (mean.precision, mean.recall, mean.f1) == pytest.approx(
            (same["precision"], same["recall"], same["f1-score"])
        )
    assert np.array_equal(found.confusion, metrics.confusion_matrix(truth, answers))
    one_hot = np.eye(5)[truth]
    for mean, average in ((found.macro, "macro"), (found.weighted, "weighted"), (found.micro, "micro")):
        assert mean.auc == pytest.approx(metrics.roc_auc_score(one_hot, shares, average=average, multi_class="ovr"))
        assert mean.average_precision == pytest.approx(
            metrics.average_precision_score(one_hot, shares, average=average)
        )
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, answers))
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(truth, answers))
    assert found.mcc == pytest.approx(metrics.matthews_corrcoef(truth, answers))
    assert found.calibration.nll == pytest.approx(metrics.log_loss(truth, shares))
    for c, one in enumerate(found.per_class):
        assert one.specificity == pytest.approx(metrics.recall_score(truth != c, answers != c))
        assert one.predicted == (answers == c).sum()
    assert not found.absent
    assert not found.never_predicted


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(-2, 2), min_size=4, max_size=4)), min_size=1, max_size=25
    )
)
def test_whatever_is_answered_all_is_json_and_within_its_range(rows):
    labels = torch.tensor([label for label, _ in rows])
    logits = torch.tensor([values for _, values in rows], dtype=torch.float32)
    found = report(logits, labels, NAMES[:4], temperature=2.0)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    present = set(labels.tolist())
    assert set(found.absent) == {NAMES[c] for c in range(4) if c not in present}
    counts = np.array(told["confusion"])
    assert counts.sum() == len(rows)
    assert counts.trace() == round(found.accuracy * len(rows))
    assert [one["support"] for one in told["per_class"]] == counts.sum(1).tolist()
    for one in told["per_class"]:
        for name in ("precision", "recall", "f1", "auc", "average_precision"):
            if not one["support"]:
                assert one[name] is None
            elif name in ("precision", "recall", "f1") or len(present) > 1:
                assert -1e-12 <= one[name] <= 1 + 1e-12
    answers = logits.argmax(1)
    wanted = metrics.f1_score(labels, answers, labels=sorted(present), average="macro", zero_division=0)
    assert found.macro.f1 == pytest.approx(wanted)
    assert len(found.worst) == min(20, int((answers != labels).sum()))
    assert found.intervals.accuracy.low <= found.accuracy <= found.intervals.accuracy.high


def test_a_class_without_images_is_named_and_in_no_mean():
    logits, labels = drawn(only=3)
    found = report(logits, labels, NAMES)
    assert found.absent == ("dog", "eel")
    for one in found.per_class[3:]:
        assert (one.support, one.precision, one.recall, one.f1, one.auc, one.average_precision) == (0, *[None] * 5)
        assert one.predicted > 0
        assert one.specificity is not None
        assert one.specificity < 1
    answers, truth = logits.argmax(1), labels
    wanted = metrics.precision_recall_fscore_support(truth, answers, labels=range(3), average="macro")
    assert (found.macro.precision, found.macro.recall, found.macro.f1) == pytest.approx(wanted[:3])
    shares = logits.double().softmax(1).numpy()
    aucs = [metrics.roc_auc_score(labels == c, shares[:, c]) for c in range(3)]
    assert found.macro.auc == pytest.approx(np.mean(aucs))
    assert found.roc.classes[3] is None
    assert found.precision_recall.classes[4] is None


def test_a_class_that_is_never_the_answer_counts_as_nothing_found():
    logits, labels = drawn()
    logits[:, 1] = -50
    found = report(logits, labels, NAMES)
    assert found.never_predicted == ("bee",)
    assert (found.per_class[1].precision, found.per_class[1].recall, found.per_class[1].f1) == (0, 0, 0)
    assert found.per_class[1].auc is not None
    assert found.absent == ()


def test_images_of_one_class_have_no_auc():
    logits, labels = drawn()
    found = report(logits[labels == 2], labels[labels == 2], NAMES)
    assert found.absent == ("ant", "bee", "dog", "eel")
    assert found.macro.auc is found.micro.auc is found.macro.average_precision is found.intervals.macro_auc is None
    assert found.roc.micro is found.roc.macro is found.precision_recall.micro is None
    assert found.kappa is found.mcc is None
    assert found.per_class[2].specificity is None
    assert found.macro.recall == found.accuracy


def test_two_classes_are_two_classes():
    logits, labels = drawn(k=2)
    found = report(logits, labels, ("no", "yes"))
    auc = metrics.roc_auc_score(labels, logits.double().softmax(1)[:, 1])
    assert [one.auc for one in found.per_class] == pytest.approx([auc, auc])
    assert found.per_class[1].precision == pytest.approx(metrics.precision_score(labels, logits.argmax(1)))


def test_one_image_is_enough():
    found = report(torch.tensor([[1.0, 2.0]]), torch.tensor([0]), ("no", "yes"))
    assert found.accuracy == 0
    assert found.intervals.accuracy.low == found.intervals.accuracy.high == 0
    assert found.worst[0].name == "0"
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_worst_mistakes_come_first_with_their_names():
    logits, labels = drawn()
    names = [f"image {number}.png" for number in range(len(labels))]
    found = report(logits, labels, NAMES, names=names)
    shares, answers = logits.double().softmax(1), logits.argmax(1)
    assert len(found.worst) == 20
    sure = [one.confidence for one in found.worst]
    assert sure == sorted(sure, reverse=True)
    left = set(range(len(labels))) - {one.index for one in found.worst}
    assert all(shares[i].max() <= sure[-1] for i in left if answers[i] != labels[i])
    for one in found.worst:
        assert one.name == names[one.index]
        assert (one.truth, one.answer) == (NAMES[labels[one.index]], NAMES[answers[one.index]])
        assert one.truth != one.answer
        assert one.confidence == pytest.approx(shares[one.index].max().item())
        assert one.truth_probability == pytest.approx(shares[one.index, labels[one.index]].item())


def test_the_order_of_the_images_does_not_matter():
    logits, labels = drawn()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    one, other = report(logits, labels, NAMES), report(logits[order], labels[order], NAMES)
    assert one.per_class == other.per_class
    assert one.confusion == other.confusion
    assert one.roc == other.roc
    assert one.intervals.accuracy == other.intervals.accuracy
    assert one.calibration.ece == pytest.approx(other.calibration.ece)


def test_what_does_not_go_together_is_refused():
    logits, labels = drawn()
    with raises(DataError, "logits (300, 5) and labels (300,) for 4 classes"):
        report(logits, labels, NAMES[:4])
    with raises(DataError, "labels (300, 5)", "one class an image"):
        report(logits, (logits > 0).float(), NAMES)
    with raises(DataError, "logits (0, 5)"):
        report(logits[:0], labels[:0], NAMES)
    with raises(DataError, "2 names for 300 images"):
        report(logits, labels, NAMES, names=["a", "b"])
    with raises(DataError, "labels from 1 to 5 for 5 classes"):
        report(logits, labels + 1, NAMES)
    logits[3, 1], logits[9] = float("nan"), float("inf")
    with raises(DataError, "the answers to 2 of 300 images are not finite", "--lr"):
        report(logits, labels, NAMES)
