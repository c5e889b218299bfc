"""CelebA in its authors' own files, a few small images of it."""

import numpy as np
import pytest

from data.files import ATTRIBUTES, write_celeba
from raising import raises
from suture.data.load import load_data
from suture.errors import DataError


@pytest.fixture
def labels(tmp_path):
    return write_celeba(tmp_path)


def test_its_own_splits_and_attributes(tmp_path, labels):
    data = load_data(f"celeba:{tmp_path}", size=8)
    assert (data.name, data.classes, data.multilabel) == ("celeba", ATTRIBUTES, True)
    assert np.array_equal(data.train.labels, labels[:40])
    assert np.array_equal(data.val.labels, labels[40:46])
    assert np.array_equal(data.test.labels, labels[46:])
    assert data.train.images.batch([0, 3]).shape == (2, 3, 8, 8)
    assert [path.name for path in data.val.images.paths] == [f"{k:06}.jpg" for k in range(41, 47)]
    assert data.with_validation() is data


def test_suture_data_says_where_it_lies(tmp_path, monkeypatch):
    write_celeba(tmp_path)
    monkeypatch.setenv("SUTURE_DATA", str(tmp_path))
    assert len(load_data("celeba").train) == 40


def test_a_part_of_it_without_validation_and_test(tmp_path):
    write_celeba(tmp_path, counts=(30, 0, 0))
    data = load_data(f"celeba:{tmp_path}", size=8)
    assert (data.val, data.test) == (None, None)
    assert len(data.with_validation().val) == 3


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (["list_attr_celeba.txt"], "lacks list_attr_celeba.txt"),
        (["list_eval_partition.txt"], "lacks list_eval_partition.txt"),
        (["list_attr_celeba.txt", "img_align_celeba"], "lacks list_attr_celeba.txt, img_align_celeba"),
    ],
)
def test_files_that_are_not_there(tmp_path, gone, told):
    write_celeba(tmp_path)
    for name in gone:
        (tmp_path / "celeba" / name).rename(tmp_path / name)
    with raises(DataError, told, "celeba:ROOT", "not fetched for you"):
        load_data(f"celeba:{tmp_path}")


def test_images_that_are_not_there_are_left_out_only_when_asked(tmp_path, labels):
    (tmp_path / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    with raises(DataError, "1 images without a file or attributes, the first is 000002.jpg", "--skip-bad"):
        load_data(f"celeba:{tmp_path}")
    heard = []
    data = load_data(f"celeba:{tmp_path}", size=8, skip_bad=True, tell=heard.append)
    assert np.array_equal(data.train.labels, np.delete(labels[:40], 1, 0))
    assert len(heard) == 1
    assert heard[0].startswith("left out: celeba: 1 images")
    for path in (tmp_path / "celeba" / "img_align_celeba").iterdir():
        path.unlink()
    with raises(DataError, "holds no training images", "list_eval_partition.txt"):
        load_data(f"celeba:{tmp_path}", skip_bad=True)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("list_attr_celeba.txt", "Bald Smiling Young", "Bald", ["line 2", "'Bald'", "two attributes or more"]),
        ("list_attr_celeba.txt", "Bald Smiling Young", "Bald Young", ["line 3", "000001.jpg", "2 times 1 or -1"]),
        ("list_attr_celeba.txt", "000002.jpg", "000002.jpg 0", ["line 4", "000002.jpg 0", "3 times 1 or -1"]),
        ("list_attr_celeba.txt", "000002.jpg", "000002.jpg\n", ["line 4", "'000002.jpg'"]),
        ("list_attr_celeba.txt", None, "", ["line 2", "''"]),
        ("list_eval_partition.txt", "000041.jpg 1", "000041.jpg 3", ["line 41", "000041.jpg 3", "0, 1 or 2"]),
        ("list_eval_partition.txt", "000041.jpg 1", "", ["line 41 of list_eval_partition.txt reads ''"]),
    ],
)
def test_a_list_that_is_not_as_it_should_be(tmp_path, name, old, new, words):
    write_celeba(tmp_path, seed=1)
    path = tmp_path / "celeba" / name
    text = path.read_text()
    assert old is None or old in text
    path.write_text(text.replace(old, new) if old else new)
    with raises(DataError, name, *words):
        load_data(f"celeba:{tmp_path}")
