"""What is frozen before everything that moves runs once, and that changes nothing but the time it takes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import suture
from small import sample_split
from suture.data.dataset import DataSet
from suture.data.load import load_data
from suture.recipes.context import Context
from suture.recipes.staged import moving, of_patched, some_images, train_stages
from suture.runs import RunFolder
from suture.spec.recipe import PatchStep, Recipe
from suture.spec.stage import Stage

PATCHES = {"layer3": {"wrap": "se"}}
BASE = Stage(epochs=2, batch_size=16, optimizer="sgd", lr=0.01, train_images=32)


class Dropping(nn.Module):
    """Drops by a function, of which no module tells the mode."""

    def __init__(self, width: int, p: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.conv(x).relu(), self.p, self.training)


class Plain(nn.Module):
    """Three steps of falling resolution; the last two may drop by a function."""

    def __init__(self, second: float = 0.0, third: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.first = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1, stride=2), nn.ReLU(), Dropping(16, 0.0))
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, stride=2), nn.ReLU(), Dropping(16, second))
        self.third = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, stride=2), nn.ReLU(), Dropping(16, third))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.third(self.second(self.first(self.stem(x).relu())))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def data() -> DataSet:
    sample = load_data("sample")
    return replace(sample, train=sample_split(32), val=sample_split(8), test=None)


def stage(*moves: str, **fields) -> Stage:
    return BASE.model_copy(update={"moves": moves, **fields})


def trained(network, stages, data: DataSet, out: Path, *, cut: bool) -> tuple[list[bool], dict[str, Tensor]]:
    """Which stages learned from features, and what the weights became."""
    trainee = of_patched(network, some_images(data))
    if not cut:
        trainee = replace(trainee, halves=lambda _stage, _moves: None)
    out.mkdir()
    step = PatchStep(model="zoo:lenet", stages=stages)
    done = train_stages(trainee, stages, data, Context(Recipe(steps=(step,))), RunFolder(out))
    return [stretch.cached for stretch in done], network.state_dict()


def both(make, stages, data: DataSet, tmp_path: Path) -> list[bool]:
    """Train with halves and without; the weights agree. Which stages learned from features."""
    cached, once = trained(make(), stages, data, tmp_path / "once", cut=True)
    none, every = trained(make(), stages, data, tmp_path / "every", cut=False)
    assert not any(none)
    assert list(once) == list(every)
    for name, tensor in once.items():
        assert torch.allclose(tensor, every[name], atol=1e-6), name
    return cached


@pytest.mark.parametrize("source", ["zoo:resnet20-a", "zoo:nbn-tiny10@none"])
def test_progressive_unfreezing_learns_the_same_from_features(tmp_path, data, source):
    patches = PATCHES if "resnet" in source else {"relu5": {"inject": "eca"}}
    stages = stage("head"), stage("head", "blocks"), stage("backbone:1", "head", "blocks"), stage("all", epochs=1)
    assert both(lambda: suture.patch(source, patches), stages, data, tmp_path) == [True, True, True, False]


def test_views_and_new_views_learn_from_what_the_encoder_gives(tmp_path, data):
    drawn = stage("head", "blocks", augment=("flip",), views=2)
    cached, _ = trained(suture.patch("zoo:resnet20-a", PATCHES), (drawn,), data, tmp_path / "views", cut=True)
    anew = drawn.model_copy(update={"views": 1})
    fresh, _ = trained(suture.patch("zoo:resnet20-a", PATCHES), (anew,), data, tmp_path / "anew", cut=True)
    assert (cached, fresh) == ([True], [False])


def test_what_is_frozen_stays_bit_for_bit(tmp_path, data):
    network = suture.patch("zoo:resnet20-a", PATCHES)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    _, after = trained(
        network, (stage("head", "blocks"), stage("backbone:1", "head")), data, tmp_path / "run", cut=True
    )
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith(("layer3", "fc")) for name in moved)
    assert any(name.startswith("layer3.se") for name in moved)


@pytest.mark.parametrize(
    ("drops", "moves", "cached"),
    [
        ((0.5, 0.5), ("head",), True),  # nothing that drops moves
        ((0.0, 0.5), ("backbone:1", "head"), True),  # all that drops moves
        ((0.5, 0.5), ("backbone:2", "head"), True),
        ((0.5, 0.0), ("backbone:1", "head"), True),
    ],
)
def test_functions_that_go_by_the_mode_are_in_that_of_their_layer(tmp_path, data, drops, moves, cached):
    example = some_images(data)
    assert both(lambda: suture.patch(Plain(*drops), {}, example=example), (stage(*moves),), data, tmp_path) == [cached]


def test_validation_leaves_the_statistics_of_a_norm_that_is_no_layer_of_torch(tmp_path, data):
    """timm's BatchNormAct2d is followed into, so that what tells the mode is no module that the tail has."""
    moved = stage("backbone:1", "head", epochs=1)
    assert both(lambda: suture.patch("timm:mobilenetv3_small_050@none?size=64", {}), (moved,), data, tmp_path) == [True]


def test_where_some_that_drops_moves_and_some_does_not_the_whole_runs(tmp_path, data):
    """A block in the second step moves, and drops; the third step, which would, is frozen and must not."""
    drop = {"type": "drop_path", "params": {"p": 0.5}}
    patches, example = {"second": {"inject": drop}, "first": {"wrap": "se"}}, some_images(data)

    def make():
        return suture.patch(Plain(0.0, 0.5), patches, example=example)

    assert both(make, (stage("blocks", "head"),), data, tmp_path) == [False]


def test_recomputing_needs_the_modules_of_the_whole(tmp_path, data):
    stages = (stage("backbone:1", "head", recompute=True),)
    cached, _ = trained(suture.patch("zoo:resnet20-a", PATCHES), stages, data, tmp_path / "run", cut=True)
    assert cached == [False]


def test_too_little_before_what_moves_is_not_stored(tmp_path, data):
    network = suture.patch("zoo:resnet20-a", {"layer1": {"wrap": "se"}, "conv1": {"inject": "eca"}})
    cached, _ = trained(network, (stage("blocks", "head"),), data, tmp_path / "run", cut=True)
    assert cached == [False]


def test_blocks_have_the_rate_of_the_stage_and_not_that_of_the_stage_they_sit_in():
    model = suture.patch("zoo:resnet20-a", PATCHES).body
    groups = moving(model, stage("all", lr=1e-2, lr_of={"backbone": 1e-5, "backbone:1": 1e-4})).groups(1e-2)
    rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    rates = {name: rate_of[parameter] for name, parameter in model.named_parameters()}
    assert {rates[name] for name in rates if ".se." in name or name.startswith("fc")} == {1e-2}
    assert {rates[name] for name in rates if name.startswith("layer3.") and ".se." not in name} == {1e-4}
    assert {rates[name] for name in rates if name.startswith(("conv1", "layer1", "layer2"))} == {1e-5}
    assert len(rate_of) == len(rates)
