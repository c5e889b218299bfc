"""What training changes, what it leaves alone, and that it can be broken off anywhere."""

import copy
import math

import pytest
import torch
from torch import nn

from raising import raises
from small import sample_split
from suture.data.cache import cache_activations
from suture.data.examples import ImageExamples
from suture.errors import PlanError, TrainingError
from suture.sources import load
from suture.spec.names import OPTIMIZERS, SCHEDULES
from suture.spec.stage import Stage
from suture.training import Hooks, Moving, Trained, train
from suture.training.schedules import SCHEDULES as CURVES

SOURCE = "zoo:tiny10@none"


@pytest.fixture(scope="module")
def split():
    return sample_split(48)


def stage(**fields) -> Stage:
    return Stage(**{"moves": ("all",), "epochs": 2, "batch_size": 16, "lr": 1e-2} | fields)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_broken_off_and_gone_on_ends_with_the_same_weights(tmp_path, split, optimizer, schedule):
    plan = stage(optimizer=optimizer, schedule=schedule, epochs=3, augment=("flip", "crop"))
    examples = ImageExamples(split, plan.augment)
    whole = load(SOURCE)
    told = train(whole, Moving([whole]), plan, examples, seed=4)

    class StopError(Exception):
        """Stands for whatever breaks a training off."""

    def stop(epoch):
        if epoch["epoch"] == 2:
            raise StopError

    broken = load(SOURCE)
    state = tmp_path / "state.safetensors"
    with pytest.raises(StopError):
        train(broken, Moving([broken]), plan, examples, seed=4, state=state, hooks=Hooks(epoch=stop))
    again = load(SOURCE)
    went_on = train(again, Moving([again]), plan, examples, seed=4, state=state)
    assert [epoch["loss"] for epoch in went_on.history] == [epoch["loss"] for epoch in told.history]
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in again.state_dict().items())


def test_it_learns(split):
    network = load(SOURCE)
    history = train(network, Moving([network]), stage(epochs=12), ImageExamples(split)).history
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert [epoch["epoch"] for epoch in history] == list(range(1, 13))


def test_only_what_moves_changes(split):
    network = load(SOURCE)
    before = copy.deepcopy(network.state_dict())
    train(network, Moving([network.body.fc]), stage(), ImageExamples(split))
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert not any(module.training for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_flags_are_put_back_when_training_fails(split):
    network = load(SOURCE)
    network.body.conv1.weight.requires_grad_(False)
    nn.init.constant_(network.body.fc.bias, math.nan)
    with pytest.raises(TrainingError, match=r"the loss became nan in epoch 1, step 1") as raised:
        train(network, Moving([network]), stage(), ImageExamples(split))
    assert "--lr 0.001" in raised.value.instead
    flags = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert flags == {"body.conv1.weight"}


@pytest.mark.parametrize(
    ("images", "size", "instead"), [(9, 4, "--batch-size 5"), (9, 8, "--batch-size 9"), (1, 4, "more")]
)
def test_one_image_is_too_few_for_a_batchnorm_over_one_cell(images, size, instead):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 10))
    with raises(PlanError, f"of {images} images in batches of {size}", instead):
        train(network, Moving([network]), stage(batch_size=size), ImageExamples(sample_split(images)))


def test_precisions_may_follow_each_other(split):
    network = load(SOURCE)
    for precision in ("bf16", "fp32"):
        history = train(network, Moving([network]), stage(precision=precision, epochs=1), ImageExamples(split)).history
        assert math.isfinite(history[0]["loss"])
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_the_callers_random_state_is_left_alone(split):
    network = load(SOURCE)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(network, Moving([network]), stage(epochs=1), ImageExamples(split))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_epochs_change_nothing(split):
    network = load(SOURCE)
    before = copy.deepcopy(network.state_dict())
    assert train(network, Moving([network]), stage(epochs=0), ImageExamples(split)) == Trained([], 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_patience_ends_a_training_that_stands_still(split):
    network = load(SOURCE)
    scores = iter([0.1, 0.5, 0.5, 0.4, 0.9])
    history = train(
        network,
        Moving([network.body.fc]),
        stage(epochs=5, patience=2),
        ImageExamples(split),
        evaluate=lambda _: {"accuracy": next(scores)},
    )
    assert [epoch["val_accuracy"] for epoch in history.history] == [0.1, 0.5, 0.5, 0.4]


def test_batches_are_told(split):
    told = []
    network = load(SOURCE)
    hooks = Hooks(batch=lambda done, of: told.append((done, of)))
    train(network, Moving([network.body.fc]), stage(epochs=1), ImageExamples(split), hooks=hooks)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_names_are_those_of_the_stage():
    fields = Stage.model_json_schema()["properties"]
    assert set(fields["optimizer"]["enum"]) == set(OPTIMIZERS)
    assert set(fields["schedule"]["enum"]) == set(SCHEDULES) == set(CURVES)


def test_cached_activations_train_the_same_as_the_encoder_run_anew(split):
    """One batch an epoch, so that the order of the images does not matter."""
    plan = stage(batch_size=len(split), epochs=3)
    results = []
    for cached in (True, False):
        network = load(SOURCE)
        halves = (
            nn.Sequential(*list(network.body.children())[:12]),
            nn.Sequential(*list(network.body.children())[12:24]),
        )
        encoder = nn.Sequential(network.preprocess, halves[0]).eval()
        tail = nn.Sequential(halves[1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.body.fc)
        if cached:
            examples = cache_activations(encoder, split)
            history = train(tail, Moving([tail]), plan, examples).history
        else:
            whole = nn.Sequential(encoder, tail)
            history = train(whole, Moving([tail]), plan, ImageExamples(split)).history
        results.append([epoch["loss"] for epoch in history])
    assert results[0] == pytest.approx(results[1], rel=1e-4)
