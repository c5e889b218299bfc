"""Losses of labels against torch, torchvision and scikit-learn; weights of classes against their formulas."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torchvision.ops import sigmoid_focal_loss

from raising import raises
from suture.errors import PlanError
from suture.spec.names import CLASS_WEIGHTS, LOSSES
from suture.spec.stage import Stage
from suture.training import hard
from suture.training.losses import class_weights

COUNTS = torch.tensor([900, 90, 9, 1])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 4, generator=generator), torch.arange(12) % 4


def loss_of(batch, counts=None, **fields):
    return hard(Stage(**fields), counts)(*batch, {})


def test_names_are_those_of_the_stage():
    fields = Stage.model_json_schema()["properties"]
    assert set(fields["loss"]["enum"]) == set(LOSSES)
    assert set(fields["class_weights"]["enum"]) == set(CLASS_WEIGHTS)


def test_plain_is_the_cross_entropy_of_torch(batch):
    torch.testing.assert_close(loss_of(batch), F.cross_entropy(*batch))
    torch.testing.assert_close(loss_of(batch, label_smoothing=0.1), F.cross_entropy(*batch, label_smoothing=0.1))


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat(np.arange(4), COUNTS.numpy())
    wanted = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    torch.testing.assert_close(class_weights("balanced", COUNTS), torch.tensor(wanted).float())


def test_effective_weights_lie_between_none_and_balanced():
    found = class_weights("effective", COUNTS)
    wanted = [1 / sum(0.999**k for k in range(int(n))) for n in COUNTS]  # one over a sum of n shrinking terms
    torch.testing.assert_close(found, 4 * torch.tensor(wanted) / sum(wanted))
    assert found.mean() == pytest.approx(1)
    assert 1 < found[3] / found[0] < 900


@pytest.mark.parametrize("kind", ["balanced", "effective"])
def test_a_class_without_images_counts_nowhere(kind):
    with_none = class_weights(kind, torch.tensor([30, 0, 10]))
    assert with_none[1] == 0
    torch.testing.assert_close(with_none[[0, 2]], class_weights(kind, torch.tensor([30, 10])))


def test_a_weighted_loss_is_the_mean_over_images(batch):
    weights = class_weights("balanced", COUNTS)
    wanted = F.cross_entropy(*batch, weight=weights, reduction="none").mean()
    torch.testing.assert_close(loss_of(batch, COUNTS, class_weights="balanced"), wanted)


def test_it_adds_up_over_batches_of_any_size(batch):
    """What torch's own weighted mean does not: it divides by the weights that a batch happens to hold."""
    logits, labels = batch
    for fields in ({"class_weights": "balanced"}, {"loss": "focal", "class_weights": "effective"}):
        parts = [(logits[:5], labels[:5]), (logits[5:], labels[5:])]
        added = sum(len(part[1]) * loss_of(part, COUNTS, **fields) for part in parts)
        torch.testing.assert_close(added / 12, loss_of(batch, COUNTS, **fields))


def test_on_balanced_data_balanced_weights_change_nothing(batch):
    torch.testing.assert_close(
        loss_of(batch, torch.tensor([5] * 4), class_weights="balanced"), loss_of(batch, class_weights="none")
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_its_formula(batch, gamma):
    logits, labels = batch
    p = logits.softmax(1)[range(12), labels]
    wanted = -((1 - p) ** gamma * p.log()).mean()
    torch.testing.assert_close(loss_of(batch, loss="focal", focal_gamma=gamma), wanted)


def test_focal_without_focus_is_cross_entropy_smoothed_and_weighted_alike(batch):
    fields = {"label_smoothing": 0.1, "class_weights": "balanced"}
    focal = loss_of(batch, COUNTS, loss="focal", focal_gamma=0.0, **fields)
    torch.testing.assert_close(focal, loss_of(batch, COUNTS, **fields))


def test_focal_of_several_labels_is_that_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(6, 3, generator=generator), (torch.rand(6, 3, generator=generator) > 0.5).float()
    wanted = sigmoid_focal_loss(logits, labels, alpha=-1, gamma=1.5, reduction="mean")
    torch.testing.assert_close(loss_of((logits, labels), loss="focal", focal_gamma=1.5), wanted)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_surest_answer_has_a_finite_gradient(gamma):
    for labels in (torch.tensor([0]), torch.tensor([[1.0, 0.0]])):
        logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
        loss_of((logits, labels), loss="focal", focal_gamma=gamma).backward()
        assert torch.isfinite(logits.grad).all()


def test_classes_that_an_image_may_have_several_of_cannot_be_weighed():
    with raises(PlanError, "class weights balanced for images with several labels", "--loss focal"):
        hard(Stage(class_weights="balanced"))
