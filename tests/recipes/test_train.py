"""What a training draws from which seed, what it keeps on the way, and how it goes on; data with several labels."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

import suture
from raising import raises
from small import write_npz
from suture.data.load import load_data
from suture.errors import PlanError, WeightsError
from suture.evaluation import predict
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.runs import Watch
from suture.spec.recipe import EvalStep, Recipe, TrainStep
from suture.spec.stage import Stage

STEPS = 6


class StopError(Exception):
    """Stands for whatever breaks a training off."""


class Impatient(Watch):
    """Breaks a training off once so many batches, of three an epoch, are done."""

    def __init__(self, batches: int) -> None:
        self.epochs = batches / 3

    @contextmanager
    def task(self, label: str, total: float) -> Iterator:
        del label, total

        def advance(_label: str, done: float) -> None:
            if done >= self.epochs - 1e-9:
                raise StopError

        yield advance


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('material') / 'small.npz')}"


def trained(out: Path, data: str, seed: int = 0, watch: Watch | None = None, model: str = "zoo:tiny10", **fields):
    """180 training images in batches of 64: three steps an epoch, ``STEPS`` in all."""
    stage = Stage(**{"moves": ("all",), "epochs": 2, "batch_size": 64} | fields)
    recipe = Recipe(data=data, seed=seed, steps=(TrainStep(model=model, stage=stage),))
    return execute(Context(recipe, watch or Watch()), out)


def kept(out: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoints" / f"step-{step:06}.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_weights_and_order_have_seeds_of_their_own(tmp_path, data):
    runs = {
        name: (trained(tmp_path / name, data, seed=seed, order_seed=order, save_every=1), tmp_path / name)[1]
        for name, seed, order in [("plain", 0, None), ("spelled", 0, 0), ("order", 0, 1), ("seed", 1, 0)]
    }
    first = {name: kept(out, 0) for name, out in runs.items()}
    assert same(first["plain"], first["order"])
    assert not same(first["plain"], first["seed"])
    assert same(first["plain"], suture.load("zoo:tiny10@none", seed=0).state_dict())
    assert all(same(kept(runs["plain"], step), kept(runs["spelled"], step)) for step in range(STEPS + 1))
    assert not any(same(kept(runs["plain"], step), kept(runs["order"], step)) for step in range(1, STEPS + 1))


def test_weights_on_the_way_are_networks(tmp_path, data):
    result = trained(tmp_path / "t", data, save_every=2)
    folder = tmp_path / "t" / "checkpoints"
    names = [f"step-{step:06}.safetensors" for step in (0, 2, 4, 6)]
    assert sorted(path.name for path in folder.iterdir()) == names
    scores = [suture.evaluate(f"zoo:tiny10@{folder / name}", data) for name in names]
    assert scores[-1].cross_entropy == pytest.approx(result["cross_entropy"], rel=1e-9)
    assert len({found.cross_entropy for found in scores}) == len(names)
    assert same(kept(tmp_path / "t", STEPS), load_file(tmp_path / "t" / "weights.safetensors"))
    with raises(WeightsError, "there is no weight file"):
        suture.load(f"zoo:tiny10@{folder / 'step-000001.safetensors'}")


def test_none_are_kept_unasked(tmp_path, data):
    trained(tmp_path / "t", data, epochs=1)
    assert not (tmp_path / "t" / "checkpoints").exists()


@pytest.mark.parametrize("batches", [2, 5, 7])
@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_broken_off_anywhere_it_ends_with_the_same_files(tmp_path, data, batches, schedule):
    fields = {
        "epochs": 3, "schedule": schedule, "order_seed": 7, "save_every": 2, "optimizer": "sgd", "augment": ("flip",)
    }  # fmt: skip
    whole, broken = tmp_path / "whole" / "t", tmp_path / "broken" / "t"
    wanted = trained(whole, data, **fields)
    with pytest.raises(StopError):
        trained(broken, data, watch=Impatient(batches), **fields)
    assert not (broken / "result.json").exists()
    assert trained(broken, data, **fields) == wanted
    files = sorted(path.relative_to(whole) for path in whole.rglob("*.safetensors"))
    assert len(files) == 6
    assert files == sorted(path.relative_to(broken) for path in broken.rglob("*.safetensors"))
    assert all((whole / name).read_bytes() == (broken / name).read_bytes() for name in files)


def test_the_first_training_images_are_those_learned_from(tmp_path, data):
    """The same as a file that holds no others, once validation is cut off both."""
    result = trained(tmp_path / "first", data, train_images=50)
    assert result["n"] == {"train": 50, "val": 20}
    split = load_data(data).with_validation(0)
    arrays = {}
    for name, part in (("train", split.train.first(50)), ("val", split.val), ("test", split.test)):
        arrays[f"x_{name}"] = part.images.batch(range(len(part))).numpy()
        arrays[f"y_{name}"] = part.labels.numpy()
    np.savez(tmp_path / "only.npz", **arrays)
    alone = trained(tmp_path / "alone", f"npz:{tmp_path / 'only.npz'}")
    assert alone["n"] == result["n"]
    assert alone["digest"] == result["digest"]
    assert trained(tmp_path / "more", data, epochs=1, train_images=5000)["n"]["train"] == 180


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> str:
    """Three attributes of the sample's images, the last of which no test image has."""
    path = tmp_path_factory.mktemp("several") / "several.npz"
    with np.load(write_npz(path)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for part in ("train", "test"):
        light = arrays[f"x_{part}"].mean((1, 2, 3)) > 120
        blue = arrays[f"x_{part}"][..., 2].mean((1, 2)) > arrays[f"x_{part}"][..., 0].mean((1, 2))
        rare = (np.arange(len(light)) % 9 == 0) & (part == "train")
        arrays[f"y_{part}"] = np.stack([light, blue, rare], 1).astype(np.uint8)
    np.savez(path, **arrays, classes=np.array(["light", "blue", "rare"]))
    return f"npz:{path}"


def test_several_labels_get_an_output_each(tmp_path, several):
    heard = Heard()
    result = trained(tmp_path / "t", several, watch=heard, epochs=10, lr=1e-2, batch_size=32)
    assert any("10 outputs become 3 attributes" in line for line in heard.lines)
    network = suture.load(f"run:{tmp_path / 't'}")
    assert network.classes == ("light", "blue", "rare")
    split = load_data(several).split("test")
    logits, labels = predict(network, split.batches(256))
    assert logits.shape == labels.shape == (60, 3)
    right = ((logits > 0) == (labels > 0.5)).double()
    assert result["accuracy"] == pytest.approx(right.mean().item())
    light, blue, rare = result["attributes"]
    assert [told["name"] for told in (light, blue, rare)] == ["light", "blue", "rare"]
    assert [told["accuracy"] for told in (light, blue, rare)] == pytest.approx(right.mean(0).tolist())
    assert light["auc"] == pytest.approx(roc_auc_score(labels[:, 0], logits[:, 0]))
    assert rare["auc"] is None
    assert result["auc"] == pytest.approx((light["auc"] + blue["auc"]) / 2)
    assert result["auc"] > 0.75
    lines = [json.loads(line) for line in (tmp_path / "t" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[-1]["val_accuracy"] == result["val_accuracy"]
    scored = execute(Context(Recipe(data=several, steps=(EvalStep(model=f"run:{tmp_path / 't'}"),))), tmp_path / "eval")
    assert all(scored[name] == result[name] for name in ("accuracy", "cross_entropy", "auc", "attributes"))


def test_another_number_of_outputs_than_attributes_is_refused(tmp_path, several):
    step = EvalStep(model="zoo:tiny10-a")
    with raises(PlanError, "zoo:tiny10-a has 10 outputs, npz:several.npz has 3 attributes", "as many outputs"):
        execute(Context(Recipe(data=several, steps=(step,))), tmp_path / "e")
    assert not (tmp_path / "e").exists()
