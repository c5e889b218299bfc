"""Each target against its formula, and which way the regularisers pull."""

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from suture.adapters import AdapterSpec, build
from suture.spec.cut import Cut, Layout
from suture.spec.names import TARGETS
from suture.spec.objective import SOFT, Objective
from suture.spec.stage import Stage
from suture.training import criterion, hard
from suture.training.objectives import soft

LABELS = hard(Stage())
CUT = Cut("x", Layout.NC, (6,), None, 0, 0, 0, 0)
ADAPTER = build(AdapterSpec(start="random"), CUT, CUT)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 5, generator=generator)
    labels = torch.randint(5, (8,), generator=generator)
    known = {name: torch.randn(8, 5, generator=generator) for name in ("a", "b")}
    return logits, labels, known | {"cut": torch.randn(8, 6, generator=generator), "penultimate": torch.zeros(8, 6)}


def loss_of(batch, seen=None, **fields) -> torch.Tensor:
    logits, labels, known = batch
    return criterion(Objective(**fields), LABELS, (ADAPTER,), seen or {})(logits, labels, known)


def test_hard_is_the_cross_entropy_with_the_labels(batch):
    logits, labels, known = batch
    torch.testing.assert_close(loss_of(batch), F.cross_entropy(logits, labels))
    smoothed = criterion(Objective(), hard(Stage(label_smoothing=0.2)), (ADAPTER,), {})(logits, labels, known)
    torch.testing.assert_close(smoothed, F.cross_entropy(logits, labels, label_smoothing=0.2))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_soft_targets_are_the_answers_of_the_parents(batch, temperature):
    logits, _, known = batch

    def against(target):
        p, q = (target / temperature).softmax(1), (logits / temperature).log_softmax(1)
        return -(p * q).sum(1).mean()

    a, b = against(known["a"]), against(known["b"])
    both = against((known["a"] + known["b"]) / 2)
    for name, wanted in zip(SOFT, (a, b, (a + b) / 2, both), strict=True):
        torch.testing.assert_close(loss_of(batch, target=name, temperature=temperature), wanted)


def test_a_hybrid_that_answers_as_b_cannot_do_better(batch):
    _, labels, known = batch
    own = known["b"].clone().requires_grad_()
    criterion(Objective(target="soft-b"), LABELS, (ADAPTER,), {})(own, labels, known).backward()
    torch.testing.assert_close(own.grad, torch.zeros_like(own), atol=1e-7, rtol=0)


def test_no_target_but_hard_looks_at_the_labels(batch):
    logits, labels, known = batch
    seen = {"cut": torch.ones(8, 6), "penultimate": torch.ones(8, 6)}
    for target in TARGETS:
        loss = criterion(Objective(target=target), LABELS, (ADAPTER,), seen)
        same = torch.equal(loss(logits, labels, known), loss(logits, (labels + 1) % 5, known))
        assert same == (target != "hard")


@pytest.mark.parametrize("place", ["cut", "penultimate"])
def test_match_is_the_mean_squared_difference_there(batch, place):
    seen = {place: batch[2][place] + 2}
    torch.testing.assert_close(loss_of(batch, seen, target="match", match_at=place), torch.tensor(4.0))


def test_l1_adds_the_mean_absolute_entry_of_the_map(batch):
    more = loss_of(batch, l1=0.5) - loss_of(batch)
    torch.testing.assert_close(more, 0.5 * ADAPTER.map.weight.abs().mean())


def test_positive_cka_reg_pulls_together_and_negative_pushes_apart(batch):
    given = torch.randn(8, 6, generator=torch.Generator().manual_seed(5))
    for weight in (1.0, -1.0):
        moved, plain = given.clone().requires_grad_(), loss_of(batch)
        alike = [(loss_of(batch, {"cut": moved}, cka_reg=weight) - plain) / -weight]  # CKA - 1
        for _ in range(20):
            (gradient,) = torch.autograd.grad(loss_of(batch, {"cut": moved}, cka_reg=weight), moved)
            moved = (moved - 0.5 * gradient).detach().requires_grad_()
        alike.append((loss_of(batch, {"cut": moved}, cka_reg=weight) - plain) / -weight)
        assert (alike[1] > alike[0]) == (weight > 0)


def test_a_batch_of_one_has_no_cka_and_no_nan():
    moved = torch.ones(1, 6, requires_grad=True)
    one = torch.zeros(1, 5), torch.zeros(1, dtype=torch.long), {"cut": torch.ones(1, 6)}
    loss = loss_of(one, {"cut": moved}, cka_reg=1.0)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(moved.grad).all()


def test_several_labels_an_image_are_learnt_one_by_one():
    logits, other = torch.randn(4, 3), torch.randn(4, 3)
    labels = torch.tensor([[0.0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]])
    wanted = F.binary_cross_entropy(logits.sigmoid(), labels)
    torch.testing.assert_close(LABELS(logits, labels, {}), wanted)
    wanted = F.binary_cross_entropy((logits / 2).sigmoid(), (other / 2).sigmoid())
    torch.testing.assert_close(soft(logits, other, 2.0, multiple=True), wanted)
    told = criterion(Objective(target="soft-a"), LABELS, (ADAPTER,), {})(logits, labels, {"a": other})
    torch.testing.assert_close(told, F.binary_cross_entropy(logits.sigmoid(), other.sigmoid()))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "soft-a", "match_at": "penultimate"}, "match_at penultimate has no use"),
        ({"target": "hard", "temperature": 2.0}, "a temperature has no use"),
        ({"target": "match", "temperature": 2.0}, "a temperature has no use"),
        ({"l1": -1.0}, "greater than or equal to 0"),
        ({"temperature": 0.0}, "greater than 0"),
        ({"target": "soft"}, "Input should be"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        Objective(**fields)
