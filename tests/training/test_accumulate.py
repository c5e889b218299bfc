"""Several batches to a step are the same as one large batch, where no layer looks at a whole batch."""

import pytest
import torch

from small import sample_split
from suture.data.examples import ImageExamples
from suture.data.sampling import class_counts
from suture.sources import load
from suture.spec.stage import Stage
from suture.training import Hooks, Moving, hard, train

SOURCE = "zoo:lenet@none"  # has no BatchNorm


def trained(images: int = 80, **fields):
    split = sample_split(images)
    plan = Stage(**{"moves": ("all",), "epochs": 2, "lr": 1e-2, "optimizer": "sgd"} | fields)
    network, steps = load(SOURCE), []
    counts = class_counts(split.labels, 10)
    told = train(
        network,
        Moving([network]),
        plan,
        ImageExamples(split, plan.augment, sampling=plan.sampling),
        criterion=hard(plan, counts),
        hooks=Hooks(step=steps.append),
    )
    return network.state_dict(), told.history, steps


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"schedule": "cosine"},
        {"class_weights": "balanced", "sampling": "weighted"},
        {"loss": "focal", "label_smoothing": 0.1, "sampling": "class-balanced"},
    ],
)
def test_two_batches_of_sixteen_are_one_of_thirty_two(fields):
    """Of 80 images the last step of an epoch is smaller."""
    together, told, steps = trained(batch_size=32, **fields)
    apart, told_apart, steps_apart = trained(batch_size=16, accumulate=2, **fields)
    assert steps == steps_apart == list(range(1, 7))
    for name, tensor in together.items():
        torch.testing.assert_close(apart[name], tensor, rtol=1e-4, atol=1e-6)
    for one, other in zip(told, told_apart, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["lr"] == other["lr"]


def test_a_last_group_of_fewer_batches_counts_its_own_images():
    """72 images in batches of 16: the last of three steps has one batch of eight."""
    together, _, steps = trained(72, batch_size=32)
    apart, _, _ = trained(72, batch_size=16, accumulate=2)
    assert len(steps) == 6
    assert all(torch.allclose(apart[name], tensor, rtol=1e-4, atol=1e-6) for name, tensor in together.items())


def test_it_is_not_what_single_batches_do():
    together, _, _ = trained(batch_size=16, accumulate=2)
    apart, _, steps = trained(batch_size=16)
    assert len(steps) == 10
    assert not torch.allclose(together["fc3.weight"], apart["fc3.weight"], rtol=1e-4, atol=1e-6)
