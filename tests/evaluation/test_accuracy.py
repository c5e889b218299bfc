"""Scores against scikit-learn, and a network that is left as it was."""

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from raising import raises
from small import sample_split
from suture.data.dataset import Split
from suture.errors import DataError
from suture.evaluation import evaluate, predict, score
from suture.sources import load


def test_scores_are_those_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 7, generator=generator)
    labels = torch.randint(0, 7, (200,), generator=generator)
    found = score(logits, labels)
    assert found.accuracy == accuracy_score(labels, logits.argmax(1))
    assert found.cross_entropy == pytest.approx(log_loss(labels, logits.double().softmax(1), labels=range(7)))
    assert found.n == 200


def test_agreement_counts_equal_answers_right_or_wrong():
    labels = torch.zeros(4, dtype=torch.long)
    one = score(torch.eye(4)[torch.tensor([0, 1, 2, 3])], labels)
    two = score(torch.eye(4)[torch.tensor([0, 1, 3, 3])], labels)
    assert one.agreement(two) == 0.75
    assert one.agreement(one) == 1


def test_several_labels_an_image_are_scored_by_the_mean_over_both():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    labels = (torch.rand(50, 4, generator=generator) > 0.4).float()
    found = score(logits, labels)
    assert found.accuracy == pytest.approx(accuracy_score(labels.ravel(), logits.ravel() > 0))
    assert found.cross_entropy == pytest.approx(log_loss(labels.ravel(), logits.double().sigmoid().ravel()))
    assert found.predictions.dtype == torch.bool
    assert found.predictions.shape == (50, 4)
    assert found.n == 50
    assert found.accuracy == pytest.approx(sum(attribute.accuracy for attribute in found.attributes) / 4)
    assert found.agreement(score(-logits, labels)) == 0
    assert found.agreement(score(2 * logits, labels)) == 1


def test_scores_of_other_images_do_not_compare():
    found = score(torch.eye(4), torch.arange(4))
    several = score(torch.eye(4), torch.eye(4))
    with raises(DataError, "predictions of shape (4,) beside (3,)", "scores of one split"):
        found.correct(torch.arange(3))
    with raises(DataError, "(4,) beside (4, 4)"):
        found.agreement(several)


def test_modes_are_put_back_and_batches_do_not_matter():
    split = sample_split(20)
    network = load("zoo:resnet20@none").train()
    network.body.layer2.eval()
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    found = evaluate(network, split, batch_size=7)
    assert network.training
    assert not network.body.layer2.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.named_buffers())
    logits, labels = predict(network.eval(), split.batches(20))
    assert torch.equal(score(logits, labels).predictions, found.predictions)


def test_labels_beyond_the_outputs_are_refused():
    split = sample_split(4)
    strange = Split(split.images, torch.tensor([0, 1, 2, 10]))
    with pytest.raises(DataError, match="tells 10 classes apart"):
        evaluate(load("zoo:tiny10@none"), strange)


def test_every_attribute_needs_an_output():
    split = sample_split(4)
    with raises(DataError, "has 10 outputs, and an image 3 labels", "suture train"):
        evaluate(load("zoo:tiny10@none"), Split(split.images, torch.zeros(4, 3)))
    assert len(evaluate(load("zoo:tiny10@none"), Split(split.images, torch.zeros(4, 10))).attributes) == 10
