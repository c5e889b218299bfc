"""Images by name or by hand: which files, in which order, and what is none."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from raising import raises
from small import sample_split
from suture.data.images import read_image
from suture.errors import DataError
from suture.recipes.pictures import BATCH, pictures, read_batches


@pytest.fixture
def folder(tmp_path) -> Path:
    images = sample_split(4).images.batch(range(4)).permute(0, 2, 3, 1).numpy()
    (tmp_path / "in" / "more").mkdir(parents=True)
    for name, image in zip(("b.png", "a.JPG", "more/c.png", ".hidden.png"), images, strict=True):
        Image.fromarray(image).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def names(given) -> list[str]:
    return [Path(picture.name).name for picture in pictures(given)]


def test_files_folders_and_patterns(folder):
    assert names(str(folder / "b.png")) == ["b.png"]
    assert names(folder) == ["a.JPG", "b.png", "c.png"]
    assert names(f"{folder}/*.png") == ["b.png"]
    assert names(f"{folder}/**/*.png") == ["b.png", "c.png"]
    assert names([folder / "b.png", f"{folder}/more"]) == ["b.png", "c.png"]
    odd = folder / "[1].png"
    Image.new("RGB", (4, 4)).save(odd)
    assert names(str(odd)) == ["[1].png"]


def test_what_is_handed_over_is_called_by_its_number_or_file(folder):
    with Image.open(folder / "b.png") as opened:
        opened.load()
    given = [Image.new("RGB", (8, 8)), torch.zeros(2, 3, 4, 4), opened, torch.zeros(3, 4, 4)]
    assert [Path(picture.name).name for picture in pictures(given)] == ["0", "1", "2", "b.png", "4"]
    assert [picture.name for picture in pictures(torch.zeros(2, 3, 4, 4))] == ["0", "1"]


def test_where_there_are_no_images_that_is_said(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with raises(DataError, f"there is no image {tmp_path}/none.png", "photo.jpg"):
        pictures(tmp_path / "none.png")
    with raises(DataError, "there is no image", "*.bmp"):
        pictures(f"{folder}/*.bmp")
    with raises(DataError, "empty holds no image files"):
        pictures(tmp_path / "empty")
    with raises(DataError, "no images"):
        pictures([])
    with raises(DataError, "a dict is no image"):
        pictures([{}])


def test_files_are_decoded_as_folder_data_are(folder):
    ((called, batch),) = read_batches(pictures(folder), 24)
    assert [Path(name).name for name in called] == ["a.JPG", "b.png", "c.png"]
    assert batch.shape == (3, 3, 24, 24)
    assert torch.equal(batch[1], read_image(folder / "b.png", 24).float() / 255)
    with Image.open(folder / "b.png") as opened:
        ((_, same),) = read_batches(pictures(opened), 24)
    assert torch.equal(same[0], batch[1])


def test_a_grey_image_and_one_of_16_bits_are_rgb(tmp_path):
    Image.new("L", (8, 8), 51).save(tmp_path / "a.png")
    Image.new("I;16", (8, 8), 51 * 257).save(tmp_path / "b.png")
    ((_, batch),) = read_batches(pictures(tmp_path), 8)
    assert torch.equal(batch, torch.full((2, 3, 8, 8), 51.0) / 255)


def test_sizes_that_differ_come_in_batches_of_their_own_and_in_order():
    given = [torch.zeros(3, 4, 4), torch.ones(3, 4, 4), torch.zeros(3, 5, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)]
    batches = list(read_batches(pictures(given), 8))
    assert [called for called, _ in batches] == [["0", "1"], ["2"], ["3"]]
    assert [tuple(batch.shape) for _, batch in batches] == [(2, 3, 4, 4), (1, 3, 5, 4), (1, 3, 4, 4)]
    assert all(batch.dtype == torch.float32 for _, batch in batches)
    sizes = [len(batch) for _, batch in read_batches(pictures(torch.zeros(BATCH + 3, 3, 2, 2)), 8)]
    assert sizes == [BATCH, 3]


def test_what_cannot_be_read_is_named_or_skipped(folder):
    (folder / "b.png").write_bytes(b"not a png")
    with raises(DataError, "b.png is no image that can be read", "--skip-bad"):
        list(read_batches(pictures(folder), 8))
    told: list[str] = []
    ((called, batch),) = read_batches(pictures(folder), 8, told.append)
    assert [Path(name).name for name in called] == ["a.JPG", "c.png"]
    assert len(batch) == 2
    assert len(told) == 1
    assert "left out" in told[0]
    assert "b.png" in told[0]
    with raises(DataError, "the image 0 cannot be read", "floating-point", "convert"):
        list(read_batches(pictures(Image.new("F", (4, 4))), 8))


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.zeros(1, 4, 4), "shape (1, 4, 4)"),
        (torch.zeros(4, 4), "shape (4, 4)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "type torch.int64"),
        (torch.full((3, 4, 4), 7.0), "values from 7 to 7"),
        (torch.full((3, 4, 4), float("nan")), "values from nan"),
    ],
)
def test_tensors_that_are_no_images_are_refused(tensor, told):
    with raises(DataError, "the image 0", told):
        list(read_batches(pictures([tensor]), 8))
