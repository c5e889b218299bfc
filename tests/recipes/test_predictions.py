"""``suture.predict``: the same answers as the network's own, by name."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import suture
from raising import raises
from small import sample_split, write_npz
from suture.data.load import load_data
from suture.errors import DataError, SourceError, UsageError
from suture.evaluation.tta import answer
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.predict import Prediction
from suture.spec.recipe import Recipe, TrainStep
from suture.spec.stage import Stage

MODEL = "zoo:tiny10-a"


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Six sample images in one folder a class, as files."""
    root = tmp_path_factory.mktemp("photos")
    split, classes = sample_split(6), load_data("sample").classes
    images = split.images.batch(range(6)).permute(0, 2, 3, 1).numpy()
    for number, (image, label) in enumerate(zip(images, split.labels.tolist(), strict=True)):
        (root / classes[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / classes[label] / f"{number}.png")
    return root


def shares(found: list[Prediction]) -> torch.Tensor:
    return torch.tensor([list(one.probabilities.values()) for one in found])


def test_the_answers_are_those_of_the_network():
    images, network = next(sample_split(6).batches(6))[0], suture.load(MODEL)
    with torch.inference_mode():
        wanted = network(images).double().softmax(1)
    found = suture.predict(MODEL, images)
    assert torch.allclose(shares(found).double(), wanted, atol=1e-6)
    for one, row in zip(found, wanted, strict=True):
        assert tuple(one.probabilities) == network.classes
        assert one.name == network.classes[row.argmax()]
        assert one.confidence == max(one.probabilities.values()) == one.probabilities[one.name]
    assert suture.predict(network, images) == found
    assert suture.predict(network, images.mul(255).round().byte()) == found


def test_files_are_answered_as_folder_data_are(photos):
    data = load_data(f"folder:{photos}", size=suture.load(MODEL).decode_size)
    wanted = suture.load(MODEL)(next(data.train.batches(6))[0]).softmax(1)
    found = suture.predict(MODEL, str(photos))
    assert torch.allclose(shares(found), wanted, atol=1e-6)
    assert [Path(one.image).parent.name for one in found] == [data.classes[label] for label in data.train.labels]
    with Image.open(found[0].image) as opened:
        (same,) = suture.predict(MODEL, opened)
    assert same.probabilities == pytest.approx(found[0].probabilities, abs=1e-6)


def test_the_temperature_softens_and_views_are_averaged(photos):
    images, network = next(sample_split(6).batches(6))[0], suture.load(MODEL)
    with torch.inference_mode():
        warm, flipped = network(images).div(3).softmax(1), answer(network, images, "flip").softmax(1)
    plain = suture.predict(network, images)
    assert torch.allclose(shares(suture.predict(network, images, temperature=3)), warm, atol=1e-6)
    assert [one.name for one in suture.predict(network, images, temperature=3)] == [one.name for one in plain]
    assert torch.allclose(shares(suture.predict(network, images, tta="flip")), flipped, atol=1e-6)
    assert len(suture.predict(network, str(photos), tta="crops")) == 6


class Means(nn.Module):
    def __init__(self, classes: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        if classes:
            self.classes = classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(images).mean((2, 3))


def test_classes_without_names_have_numbers_and_names_that_repeat_too():
    image = torch.rand(3, 6, 6)
    assert list(suture.predict(Means(), image)[0].probabilities) == ["0", "1", "2"]
    assert list(suture.predict(Means(("crane", "crane", "bird")), image)[0].probabilities) == [
        "crane (0)",
        "crane (1)",
        "bird",
    ]
    assert list(suture.predict(Means(("too", "few")), image)[0].probabilities) == ["0", "1", "2"]


def test_a_module_is_left_as_it_was():
    module = Means().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    suture.predict(module, torch.rand(5, 3, 6, 6))
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_run_answers_with_the_names_of_its_data(tmp_path, photos):
    path = write_npz(tmp_path / "few.npz", train=60, test=20, classes=np.array([f"kind {c}" for c in range(10)]))
    stage = Stage(moves=("all",), epochs=1)
    recipe = Recipe(data=f"npz:{path}", steps=(TrainStep(model="zoo:tiny10", stage=stage),))
    execute(Context(recipe), tmp_path / "run")
    found = suture.predict(f"run:{tmp_path / 'run'}", str(photos))
    assert list(found[0].probabilities) == [f"kind {c}" for c in range(10)]
    assert shares(found).sum(1) == pytest.approx(1, abs=1e-5)


def test_a_run_with_several_labels_an_image_has_a_probability_for_each(tmp_path, photos):
    path = write_npz(tmp_path / "several.npz", train=60, test=20)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for part in ("train", "test"):
        arrays[f"y_{part}"] = np.ones((len(arrays[f"x_{part}"]), 3), np.uint8)
        arrays[f"y_{part}"][0] = 0
    np.savez(path, **arrays, classes=np.array(["x", "y", "z"]))
    stage = Stage(moves=("all",), epochs=2)
    recipe = Recipe(data=f"npz:{path}", steps=(TrainStep(model="zoo:tiny10", stage=stage),))
    execute(Context(recipe), tmp_path / "run")
    source = f"run:{tmp_path / 'run'}"
    found = suture.predict(source, str(photos))
    row = torch.tensor(list(found[0].probabilities.values()))
    images = next(load_data(f"folder:{photos}", size=suture.load(source).decode_size).train.batches(1))[0]
    assert torch.allclose(row, suture.load(source)(images)[0].sigmoid(), atol=1e-6)
    assert shares(suture.predict(suture.load(source), str(photos))).sum(1) == pytest.approx(1, abs=1e-5)
    same = suture.predict(suture.load(source), str(photos), several=True)
    assert same == found
    json.dumps([one.probabilities for one in found], allow_nan=False)


class Broken(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) * float("nan")


def test_what_cannot_be_answered_is_said(tmp_path):
    image = torch.rand(3, 8, 8)
    with raises(UsageError, "a temperature of 0", "above 0"):
        suture.predict(MODEL, image, temperature=0)
    with raises(UsageError, "a temperature of nan"):
        suture.predict(MODEL, image, temperature=float("nan"))
    with raises(UsageError, "no test-time augmentation 'flop'", "flip"):
        suture.predict(MODEL, image, tta="flop")
    with raises(DataError, "the answers to 1 of 1 images are not finite"):
        suture.predict(Broken(), image)
    with raises(SourceError, "Identity answers with a Tensor"):
        suture.predict(nn.Identity(), image)
    with raises(SourceError, "Linear cannot take images of 8x8"):
        suture.predict(nn.Linear(3, 2), image)
    (tmp_path / "bad.png").write_bytes(b"no")
    with raises(DataError, "bad.png is no image"):
        suture.predict(MODEL, [tmp_path / "bad.png", image])
    with raises(DataError, "none of 1 images can be read"):
        suture.predict(MODEL, tmp_path / "bad.png", skip_bad=True)
    told: list[str] = []
    assert len(suture.predict(MODEL, [tmp_path / "bad.png", image], skip_bad=True, tell=told.append)) == 1
    assert len(told) == 1
