"""With which weights a stage ends, and how a training that was broken off remembers its best."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from raising import raises
from small import sample_split
from suture.data.cache import cache_activations
from suture.data.examples import ImageExamples
from suture.errors import PlanError, RunError
from suture.sources import load
from suture.spec.stage import Stage
from suture.training import Hooks, Moving, Trained, spans, train
from suture.training.progress import Progress

SOURCE = "zoo:resnet20@none"


@pytest.fixture(scope="module")
def split():
    return sample_split(24)


def told(*scores: tuple[float, float]) -> list[dict]:
    return [{"val_accuracy": accuracy, "val_cross_entropy": entropy} for accuracy, entropy in scores]


def test_the_best_is_the_most_accurate_then_the_least_surprised_then_the_first():
    assert Progress(told((0.5, 2), (0.7, 2), (0.7, 1), (0.7, 1), (0.6, 0))).best_epoch == 3
    assert Progress(told((0.5, 2), (0.5, 2)), start=told((0.5, 2))[0]).best_epoch == 0
    assert Progress(told((0.5, 2), (0.5, 1)), start=told((0.5, 2))[0]).best_epoch == 2
    assert Progress([{"loss": 1.0}] * 3).best_epoch == 3
    surprised = {"monitor": "cross_entropy"}
    assert Progress(told((0.5, 2), (0.7, 1.5), (0.6, 1), (0.7, 1), (0.9, 3)), **surprised).best_epoch == 4
    assert Progress(told((0.9, 2), (0.9, 2)), start=told((0.1, 1))[0], **surprised).best_epoch == 0


def test_patience_counts_what_was_there_before_the_first_epoch():
    before = told((0.9, 1))[0]
    worse = told((0.1, 1), (0.2, 1), (0.3, 1))
    assert Progress(worse[:2], before).stalled(2)
    assert not Progress(worse[:1], before).stalled(2)
    assert not Progress(worse).stalled(2)
    assert not Progress(worse, before).stalled(None)
    falling = told((0.5, 3), (0.5, 2), (0.5, 1))
    assert Progress(falling).stalled(2)
    assert not Progress(falling, monitor="cross_entropy").stalled(2)


class StopError(Exception):
    """Stands for whatever breaks a training off."""


def trained(split, scores, state=None, stop=None, **fields):
    """Train with validation that says ``scores``, one after the other."""
    plan = Stage(**{"moves": ("all",), "epochs": 4, "batch_size": 8, "lr": 1e-2, "keep": "best"} | fields)
    network, seen = load(SOURCE), []

    def validate(model):
        seen.append(copy.deepcopy(model.state_dict()))
        return {"accuracy": scores[len(seen) - 1]}

    def end(epoch):
        if epoch["epoch"] == stop:
            raise StopError

    moving = Moving([network.body.fc, network], [1e-3, None], spans(network.body))
    examples = ImageExamples(split, plan.augment, sampling=plan.sampling)
    outcome = train(network, moving, plan, examples, evaluate=validate, state=state, hooks=Hooks(epoch=end))
    return network.state_dict(), outcome, seen


def same(one, other) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("scores", [(0.1, 0.2, 0.9, 0.3, 0.4), (0.9, 0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4, 0.9)])
def test_it_ends_with_the_weights_of_the_best_epoch(split, scores):
    weights, outcome, seen = trained(split, scores)
    best = scores.index(0.9)
    assert outcome.kept == best
    assert outcome.last["val_accuracy"] == 0.9
    assert same(weights, seen[best])
    assert [epoch["val_accuracy"] for epoch in outcome.history] == list(scores[1:])
    assert not same(seen[0], seen[1])


def test_keeping_the_last_asks_nothing_before_the_first(split):
    weights, outcome, seen = trained(split, (0.9, 0.1), epochs=2, keep="last")
    assert (outcome.kept, outcome.start, len(seen)) == (2, {}, 2)
    assert same(weights, seen[-1])


def test_without_epochs_it_is_what_it_was(split):
    _, outcome, seen = trained(split, (0.9,), epochs=0)
    assert outcome == Trained([], 0)
    assert seen == []


@pytest.mark.parametrize("fields", [{"keep": "best"}, {"patience": 2}])
def test_choosing_wants_something_to_choose_by(split, fields):
    network = load(SOURCE)
    with raises(PlanError, "looks for its best epoch", "nothing to tell it by"):
        train(network, Moving([network]), Stage(moves=("all",), **fields), ImageExamples(split))


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {"accumulate": 2, "optimizer": "adamw", "weight_decay": 0.1, "augment": ("flip", "crop")},
        {"recompute": True, "optimizer": "sgd", "schedule": "cosine", "period": 3, "sampling": "class-balanced"},
    ],
)
def test_broken_off_after_any_epoch_it_ends_with_the_same_weights(tmp_path, split, stop, fields):
    scores = (0.1, 0.5, 0.5, 0.4, 0.3)
    whole, wanted, _ = trained(split, scores, **fields)
    state = tmp_path / "state.safetensors"
    with pytest.raises(StopError):
        trained(split, scores, state, stop, **fields)
    ended, outcome, _ = trained(split, scores[stop + 1 :], state, **fields)
    assert outcome.kept == wanted.kept == 1
    assert same(whole, ended)
    assert timeless(outcome) == timeless(wanted)
    assert outcome.start == wanted.start


def timeless(outcome: Trained) -> list[dict]:
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in outcome.history]


def test_a_state_holds_what_moves_and_nothing_else(tmp_path, split):
    network, state = load(SOURCE), tmp_path / "state.safetensors"
    plan = Stage(moves=("head",), epochs=1, batch_size=8)
    train(network, Moving([network.body.fc]), plan, ImageExamples(split), state=state)
    names = {name for name in load_file(state) if not name.startswith("optimizer.")}
    assert names == {"moving.0.weight", "moving.0.bias"}


def test_it_goes_on_in_another_model_around_the_same_parts(tmp_path, split):
    """As where activations were cached before, and are not now."""
    network, again, state = load(SOURCE), load(SOURCE), tmp_path / "state.safetensors"
    encoder = nn.Sequential(network.preprocess, network.body.conv1, nn.AdaptiveAvgPool2d(2), nn.Flatten())
    examples = cache_activations(encoder, split)  # 64 numbers an image, as many as the head takes
    plan = Stage(moves=("head",), epochs=2, batch_size=8)
    told = train(nn.Sequential(network.body.fc), Moving([network.body.fc]), plan, examples, state=state)
    went_on = train(again, Moving([again.body.fc]), plan, ImageExamples(split), state=state)
    assert went_on == told
    assert same(network.body.fc.state_dict(), again.body.fc.state_dict())
    assert not same(load(SOURCE).body.fc.state_dict(), again.body.fc.state_dict())


@pytest.mark.parametrize("content", ["other", "broken", "foreign"])
def test_a_state_of_another_training_is_refused(tmp_path, split, content):
    network, state = load(SOURCE), tmp_path / "state.safetensors"
    plan = Stage(moves=("head",), epochs=1, batch_size=8)
    if content == "other":
        train(network, Moving([network.body.fc]), plan, ImageExamples(split), state=state)
    elif content == "broken":
        state.write_bytes(b"no tensors")
    else:
        save_file({"model.x": torch.zeros(1)}, state)
    before = copy.deepcopy(network.state_dict())
    with raises(RunError, "state.safetensors", "is no state of this training", "--overwrite"):
        train(network, Moving([network]), plan, ImageExamples(split), state=state)
    assert same(before, network.state_dict())
