"""``explain`` as a verb: which images are chosen, what is written, what is refused before anything is."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import suture
from raising import raises
from small import sample_split, write_npz
from suture.errors import CutError, DataError, PlanError
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.explain import Explain, _chosen
from suture.spec.recipe import ExplainStep, Recipe

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz')}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(sample_split(3).images.batch(range(3))):
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((60, 40)).save(folder / f"no {number}.png")
    return folder


def context(step: ExplainStep, data: str = "sample", **more) -> Context:
    return Context(Recipe(data=data, steps=(step,), **more))


def explained(path, data: str, **fields) -> dict:
    step = ExplainStep(**{"model": B, "count": 2, **fields})
    result = execute(context(step, data), path)
    assert json.loads((path / "result.json").read_text()) == json.loads(json.dumps(result))
    return result


def test_right_and_wrong_answers_of_a_split_are_shown(data, tmp_path):
    result = explained(tmp_path / "run", data, model=A, count=3)
    assert set(result) == {
        *("network", "data", "split", "method", "layers", "images", "shares", "n", "accuracy"),
    }
    scores = suture.evaluate(A, data)
    assert (result["n"], result["accuracy"]) == (60, pytest.approx(scores.accuracy))
    assert (result["split"], result["layers"], result["shares"]) == ("test", {"relu8": "relu8"}, None)
    right = [line["truth"] == line["answer"] for line in result["images"]]
    assert right == [True] * 3 + [False] * 3
    for line in result["images"]:
        assert line["target"] == line["answer"]
        assert 0 < line["confidence"] <= 1
        assert scores.predictions[int(line["image"].rpartition("/")[2])] == int(line["answer"])
        with Image.open(tmp_path / "run" / line["file"]) as picture:
            assert picture.width > picture.height
    with Image.open(tmp_path / "run" / "plots" / "gallery.png") as picture:
        assert picture.height > picture.width / 2
    with np.load(tmp_path / "run" / "maps.npz") as maps:
        assert maps["relu8"].shape == (6, 2, 2)
    told = json.loads((tmp_path / "run" / "explain.json").read_text())
    assert told["maps"] == {"relu8": {"layer": "relu8", "grid": [2, 2], "window": [0, 0, 1, 1]}}
    assert "drawn by seed 0" in told["chosen"]
    assert sum(told["images"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_fusion_tells_what_each_backbone_is_worth(data, tmp_path):
    fusion = suture.fuse([A, B], "logit-average")
    suture.save(fusion, tmp_path / "fusion", [A, B])
    result = explained(tmp_path / "run", data, model=f"run:{tmp_path / 'fusion'}")
    assert list(result["layers"]) == ["backbone1", "backbone2"]
    assert [told["network"] for told in result["shares"].values()] == [A, B]
    assert sum(told["share"] for told in result["shares"].values()) == pytest.approx(1)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["numbers"][0]["name"] == "accuracy"
    with np.load(tmp_path / "run" / "maps.npz") as maps:
        assert {name: maps[name].shape[1:] for name in maps.files} == {"backbone1": (2, 2), "backbone2": (8, 8)}


def test_image_files_have_no_truth(pictures, tmp_path):
    result = explained(tmp_path / "run", "sample", images=(str(pictures), str(pictures / "no 1.png")), target="cat")
    assert [line["image"] for line in result["images"]] == [str(pictures / f"no {k}.png") for k in range(3)]
    assert {(line["truth"], line["target"]) for line in result["images"]} == {(None, "cat")}
    assert (result["accuracy"], result["shares"], result["split"], result["n"]) == (None, None, None, 3)
    assert result["data"] == "3 image files"
    answers = [one.name for one in suture.predict(B, sorted(map(str, pictures.glob("*.png"))))]
    assert [line["answer"] for line in result["images"]] == answers


def test_a_network_that_knows_no_names_has_numbers(pictures, tmp_path):
    result = explained(tmp_path / "run", "sample", model="zoo:lenet@none?size=32", images=(str(pictures),), target="7")
    assert {line["target"] for line in result["images"]} == {"7"}
    assert all(line["answer"].isdecimal() for line in result["images"])


def test_pixels_need_no_layer(data, tmp_path):
    result = explained(tmp_path / "run", data, model="zoo:dense@none", method="saliency", count=1)
    assert result["layers"] == {}
    with np.load(tmp_path / "run" / "maps.npz") as maps:
        assert maps["pixels"].shape[1:] == (32, 32)


def test_other_layers_and_splits_may_be_asked_for(data, tmp_path):
    result = explained(tmp_path / "run", data, layer=("layer2.2", "layer3.2"), split="val", count=1)
    assert (list(result["layers"]), result["split"], result["n"]) == (["layer2", "layer3"], "val", 20)


def test_the_chosen_are_spread_over_the_classes_and_drawn_by_seed():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    right = torch.arange(100) % 2 == 0
    found = _chosen(labels, right, 6, seed=0)
    assert [bool(right[index]) for index in found] == [True] * 6 + [False] * 6
    assert labels[found].tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert found == _chosen(labels, right, 6, seed=0)
    assert found != _chosen(labels, right, 6, seed=1)
    assert len(_chosen(labels, torch.ones(100, dtype=torch.bool), 6, seed=0)) == 6
    assert len(_chosen(labels, right, 1000, seed=0)) == 100


def test_what_cannot_be_explained_is_told_before_anything_is_written(data, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    several = write_npz(tmp_path / "several.npz", y_train=np.ones((200, 3)), y_test=np.ones((60, 3)))
    cases = [
        (PlanError, ("--method saliency",), {"model": "zoo:dense@none"}, data),
        (CutError, ("no 'layer9'",), {"layer": ("layer9",)}, data),
        (DataError, ("no class 'cot'", "'cat'"), {"target": "cot"}, "sample"),
        (DataError, ("no class '10'",), {"target": "10"}, data),
        (DataError, ("broken.png", "no image that can be read"), {"images": (str(broken),)}, data),
        (DataError, ("there is no image",), {"images": (str(tmp_path / "none.png"),)}, data),
        (PlanError, ("several labels", "--target"), {"model": "zoo:lenet@none"}, f"npz:{several}"),
        (PlanError, ("outputs", "classes"), {"model": "torchvision:squeezenet1_0@none?size=32"}, data),
    ]
    for kind, words, fields, given in cases:
        try:
            with raises(kind, *words):
                execute(context(ExplainStep(**{"model": B, **fields}), given), tmp_path / "run")
        except AssertionError as error:
            raise AssertionError(f"{fields}") from error
        assert not (tmp_path / "run").exists()


def test_broken_images_may_be_left_out(pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    step = ExplainStep(model=B, images=(str(broken), str(pictures)))
    assert len(Explain.prepare(step, context(step, skip_bad=True)).split) == 3
    alone = ExplainStep(model=B, images=(str(broken),))
    with raises(DataError, "none of the images"):
        Explain.prepare(alone, context(alone, skip_bad=True))


def test_an_unknown_method_is_no_step():
    with pytest.raises(ValidationError, match="grad-cam"):
        ExplainStep(model=B, method="gradcam")
