"""``suture explain`` as a person types it."""

import json

import pytest
from PIL import Image

import suture
from small import sample_split, write_npz

A, B = "zoo:tiny10-a", "zoo:resnet20-a"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz')}"


def test_help_shows_examples_and_every_method(call):
    code, out, _ = call("explain", "--help")
    assert code == 0
    assert "suture explain zoo:resnet20-a" in out
    assert "integrated-gradients" in out
    assert "suture[explain]" in out


def test_images_of_data_are_a_table_and_a_run_folder(call, data, tmp_path):
    code, out, err = call("explain", A, "--data", data, "--count", "1", "--name", "looks")
    assert code == 0, err
    assert "at relu8" in out
    assert "of the 60 images looked at are answered right" in out
    assert "runs/looks" in err
    assert (tmp_path / "runs" / "looks" / "plots" / "gallery.png").is_file()
    assert len(list((tmp_path / "runs" / "looks" / "images").iterdir())) == 2


def test_json_is_one_object_and_a_run_brings_its_own_data(call, data, tmp_path):
    code, _, err = call(
        "fuse", A, B, "--data", data, "--method", "logit-average", "--epochs", "0", "--out", str(tmp_path / "fused")
    )
    assert code == 0, err
    code, out, err = call("explain", str(tmp_path / "fused"), "--count", "1", "--out", "shown", "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert (result["data"], result["n"]) == ("npz:small.npz", 60)
    assert list(result["shares"]) == ["backbone1", "backbone2"]
    code, out, err = call("explain", str(tmp_path / "fused"), "--count", "1", "--out", "shown")
    assert code == 0, err
    assert "backbone1 (zoo:tiny10-a): share" in " ".join(out.split())


def test_image_files_are_explained_for_a_class(call, tmp_path):
    image = sample_split(1).images.batch([0])[0]
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    code, out, err = call("explain", B, "photo.png", "--target", "cat", "--out", "shown")
    assert code == 0, err
    assert "photo.png" in out
    assert "truth" not in out
    assert json.loads((tmp_path / "shown" / "result.json").read_text())["images"][0]["target"] == "cat"


def test_wrong_words_are_told(call, tmp_path):
    assert call("explain", "zoo:dense@none")[0] == 2
    code, _, err = call("explain", A, "--method", "gradcam")
    assert code == 2
    assert "grad-cam" in err
    code, _, err = call("explain", A, "--layer", "relu9")
    assert code == 2
    assert "relu8" in err
    assert list(tmp_path.iterdir()) == []


def test_explain_is_on_the_face():
    images = next(sample_split(2).batches(2))[0]
    assert suture.explain(A, images).layers == ("relu8",)
    assert isinstance(suture.explain(A, images), suture.Explanation)
