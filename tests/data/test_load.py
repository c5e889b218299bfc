"""Data sets by name: what each kind reads, and how it says what is wrong."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from raising import raises
from suture.data.load import load_data
from suture.errors import DataError


def picture(path, seed=0, side=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pets"
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                picture(root / part / name / f"{number}.png", number)
    return root


@pytest.fixture
def arrays():
    draw = np.random.default_rng(0)
    return {
        "x_train": draw.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": draw.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8),
        "y_test": np.array([0, 1, 2]),
    }


def saved(path, arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.mark.parametrize(
    ("name", "words"),
    [("sampel", ["'sampel'", "instead:  sample"]), ("cifar-10:x", ["cifar10"]), ("", ["''", "one of sample"])],
)
def test_an_unknown_data_set(name, words):
    with raises(DataError, "there is no data set", *words):
        load_data(name)


def test_the_bundled_sample_and_plain_colour_images_need_no_word(tmp_path, arrays):
    heard = []
    load_data("sample", tell=heard.append)
    large = {key: np.zeros((len(value), 32, 40, 3), np.uint8) for key, value in arrays.items() if key[0] == "x"}
    load_data(saved(tmp_path / "a.npz", arrays | large), tell=heard.append)
    assert heard == []


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((28, 28), "a.npz: grey 28x28 images become RGB; networks for 32x32 enlarge them"),
        ((28, 28, 1), "a.npz: grey 28x28 images become RGB; networks for 32x32 enlarge them"),
        ((1, 64, 40), "a.npz: grey 64x40 images become RGB"),
        ((28, 40, 3), "a.npz: 28x40 images; networks for 32x32 enlarge them"),
        ((3, 28, 28), "a.npz: 28x28 images; networks for 32x32 enlarge them"),
    ],
)
def test_an_npz_of_grey_or_small_images_says_once_how_they_are_adapted(tmp_path, arrays, shape, told):
    heard = []
    images = {key: np.zeros((len(value), *shape), np.uint8) for key, value in arrays.items() if key[0] == "x"}
    data = load_data(saved(tmp_path / "a.npz", arrays | images), tell=heard.append)
    assert heard == [told]
    assert data.train.images.batch([0]).shape[1] == 3


def test_an_npz_is_its_arrays(tmp_path, arrays):
    data = load_data(saved(tmp_path / "a.npz", arrays | {"other": np.array([object()])}))
    assert data.name == "npz:a.npz"
    assert data.classes == ("0", "1", "2")
    assert data.val is None
    for split, name in ((data.train, "train"), (data.test, "test")):
        assert np.array_equal(split.images.batch(range(len(split))).permute(0, 2, 3, 1), arrays[f"x_{name}"])
        assert split.labels.tolist() == arrays[f"y_{name}"].tolist()


def test_an_npz_may_bring_validation_and_names(tmp_path, arrays):
    more = {"x_val": arrays["x_test"][:1], "y_val": arrays["y_test"][:1], "classes": np.array(["a", "b", "c", "d"])}
    data = load_data(saved(tmp_path / "a.npz", arrays | more))
    assert data.classes == ("a", "b", "c", "d")
    assert len(data.val) == 1


def test_an_npz_without_test(tmp_path, arrays):
    data = load_data(saved(tmp_path / "a.npz", {key: arrays[key] for key in ("x_train", "y_train")}))
    assert data.test is None
    with raises(DataError, "npz:a.npz has no test split", "train"):
        data.split("test")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": None}, ["holds y_train, x_test, y_test and lacks x_train", "numpy.savez"]),
        ({"y_test": None}, ["lacks y_test"]),
        ({"x_test": None}, ["lacks x_test"]),
        ({"x_val": np.zeros((1, 8, 8, 3), np.uint8)}, ["lacks y_val"]),
        ({"y_test": np.array([0, 1, 3])}, ["1 labels of a.npz (test)", "the first is 3", "0 to 2"]),
        ({"y_train": np.array([0, 1, 2, 0, 1, -1])}, ["1 labels of a.npz (train)", "the first is -1"]),
        ({"y_train": np.array([-1] * 6)}, ["the first is -1", "0 to 0"]),
        ({"y_train": np.array([0, 1, 2, 0, 1, 10**15])}, ["go up to 1000000000000000", "an array classes"]),
        ({"classes": np.array(["a", "b"])}, ["(train)", "the first is 2", "0 to 1"]),
        ({"x_train": np.array([object()] * 6)}, ["cannot be read as npz", "no Python objects"]),
        ({"x_test": np.zeros((3, 8, 8, 4), np.uint8)}, ["a.npz (test)", "(3, 8, 8, 4)"]),
    ],
)
def test_a_bad_npz(tmp_path, arrays, change, words):
    kept = {key: value for key, value in (arrays | change).items() if value is not None}
    with raises(DataError, *words):
        load_data(saved(tmp_path / "a.npz", kept))


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["inside", "bare"])
def test_a_pickle_in_an_npz_does_not_run(tmp_path, arrays, kind):
    path, trace = tmp_path / "a.npz", tmp_path / "it-ran"
    if kind == "inside":
        np.savez(path, **(arrays | {"y_train": np.array([Malice(trace)] * 6)}), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Malice(trace)))
    with raises(DataError, "cannot be read as npz"):
        load_data(f"npz:{path}")
    assert not trace.exists()


@pytest.fixture
def attributes(arrays):
    """Six images with four attributes; no row has exactly one."""
    rows = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]])
    return arrays | {"y_train": np.tile(rows, (2, 1)), "y_test": rows}


def test_an_npz_of_attributes_is_multilabel(tmp_path, attributes):
    heard = []
    data = load_data(saved(tmp_path / "a.npz", attributes | {"classes": np.array(list("abcd"))}), tell=heard.append)
    assert data.multilabel
    assert data.classes == ("a", "b", "c", "d")
    assert np.array_equal(data.train.labels, attributes["y_train"])
    assert np.array_equal(data.test.labels, attributes["y_test"])
    assert not any("y.argmax(1)" in line for line in heard)
    assert load_data(saved(tmp_path / "b.npz", attributes)).classes == ("0", "1", "2", "3")


def test_labels_that_look_like_one_hot_classes_are_pointed_out(tmp_path, attributes):
    heard = []
    one_hot = {"y_train": np.eye(3)[[0, 1, 2, 2, 1, 0]], "y_test": np.eye(3)}
    assert load_data(saved(tmp_path / "a.npz", attributes | one_hot), tell=heard.append).multilabel
    assert "a.npz: every image has one attribute; if they are classes, save y.argmax(1) instead" in heard


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_test": np.array([0, 1, 2])}, ["a.npz are of 4 attributes (train), of classes (test)", "every split"]),
        ({"y_test": np.zeros((3, 5), int)}, ["of 4 attributes (train), of 5 attributes (test)", "the same k"]),
        ({"y_train": np.array([0, 1, 2, 0, 1, 2])}, ["of classes (train), of 4 attributes (test)"]),
        ({"classes": np.array(["a", "b"])}, ["of 4 attributes, and 2 have names", "an array classes"]),
        ({"y_test": np.full((3, 4), 2)}, ["12 labels of a.npz (test) are neither 0 nor 1, the first is 2"]),
    ],
)
def test_a_bad_npz_of_attributes(tmp_path, attributes, change, words):
    with raises(DataError, *words):
        load_data(saved(tmp_path / "a.npz", attributes | change))


def test_no_npz_at_all(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    for name, told in (("npz:", "npz"), (f"npz:{tmp_path}", "npz"), (f"npz:{tmp_path / 'no.npz'}", "no.npz")):
        with raises(DataError, "cannot be read as npz", told):
            load_data(name)
    with raises(DataError, "a.npy", "a single array"):
        load_data(f"npz:{tmp_path / 'a.npy'}")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_npz_is_data_or_a_data_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    images = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
    np.savez_compressed(path, x_train=images, y_train=np.arange(6) % 2)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        found = load_data(f"npz:{path}")
    except DataError as error:
        assert "damaged.npz" in error.given
    else:
        assert len(found.train) == 6


def test_a_folder_is_its_images_in_order(folder):
    data = load_data(f"folder:{folder}", size=8)
    assert data.name == "folder:pets"
    assert data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (len(data.val), len(data.test)) == (2, 4)
    assert [path.name for path in data.train.images.paths] == ["0.png", "1.png", "2.png"] * 2


@pytest.mark.parametrize(("old", "new"), [("val", "valid"), ("val", "Validation"), ("train", "Train")])
def test_other_names_of_splits(folder, old, new):
    (folder / old).rename(folder / new)
    data = load_data(f"folder:{folder}", size=8)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [6, 2, 4]


def test_a_folder_of_classes_is_all_training(folder):
    data = load_data(f"folder:{folder / 'train'}", size=8)
    assert data.classes == ("cat", "dog")
    assert data.test is None
    assert data.val is None


def test_what_is_no_image_or_hidden_is_passed_over(folder):
    (folder / "train" / "cat" / "notes.txt").write_text("no image")
    (folder / "train" / "cat" / "._0.png").write_bytes(b"left by a file manager")
    (folder / "train" / ".cache").mkdir()
    (folder / "test.txt").write_text("")
    picture(folder / "train" / "dog" / "puppies" / "7.JPG")
    data = load_data(f"folder:{folder}", size=8)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_a_broken_image_is_named_and_skipped_only_when_asked(folder):
    broken = folder / "train" / "dog" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with raises(DataError, str(broken), "--skip-bad"):
        load_data(f"folder:{folder}", size=8)
    heard = []
    data = load_data(f"folder:{folder}", size=8, skip_bad=True, tell=heard.append)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert len(heard) == 1
    assert str(broken) in heard[0]


@pytest.mark.parametrize("how", ["empty", "broken"])
def test_a_class_without_images(folder, how):
    place = folder / "test" / "dog"
    for path in sorted(place.iterdir()):
        path.write_bytes(b"") if how == "broken" else path.unlink()
    with raises(DataError, str(place), "no images that can be read"):
        load_data(f"folder:{folder}", size=8, skip_bad=True)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_a_split_has_no_folder_for_is_absent_from_it_and_told(folder, part):
    (folder / part / "cat").rename(folder / "spare")
    heard: list[str] = []
    data = load_data(f"folder:{folder}", size=8, tell=heard.append)
    assert data.classes == ("cat", "dog")
    assert set(data.split(part).labels.tolist()) == {1}
    assert f"{folder / part} has no folder cat: absent from the {part} split" in heard


def test_folders_beside_the_splits_are_left_out_and_told(folder):
    picture(folder / "cow" / "0.png")
    heard: list[str] = []
    assert load_data(f"folder:{folder}", size=8, tell=heard.append).classes == ("cat", "dog")
    assert heard == [f"left out: cow in {folder}, beside test, train, val"]


def test_two_folders_for_one_split(folder):
    picture(folder / "valid" / "cat" / "0.png")
    with raises(DataError, "has both val and valid", "one folder of val images"):
        load_data(f"folder:{folder}", size=8)


def test_a_class_that_training_has_not(folder):
    picture(folder / "test" / "cow" / "0.png")
    with raises(DataError, "classes that training has not: cow", "cat, dog"):
        load_data(f"folder:{folder}", size=8)


def test_splits_without_training(folder):
    (folder / "train").rename(folder / "elsewhere")
    with raises(DataError, "test, val and none named train", "pets/train/CLASS_NAME"):
        load_data(f"folder:{folder}", size=8)


@pytest.mark.parametrize("where", ["", "nowhere", "pets/train/cat/0.png"])
def test_no_folder_at_all(folder, where, monkeypatch):
    monkeypatch.chdir(folder.parent)
    with raises(DataError, f"there is no folder {where or 'after folder:'}", "folder:PATH"):
        load_data(f"folder:{where}")


def test_a_folder_without_class_folders(folder):
    with raises(DataError, "holds no class folders", "cat/CLASS_NAME/image.png"):
        load_data(f"folder:{folder / 'train' / 'cat'}")


def test_a_file_that_vanishes_is_named_when_it_is_wanted(folder):
    data = load_data(f"folder:{folder}", size=8)
    gone = folder / "train" / "cat" / "1.png"
    gone.unlink()
    for want in (data.digest, lambda: list(data.train.batches(4))):
        with raises(DataError, str(gone)):
            want()


@pytest.mark.cifar10
def test_all_of_cifar10_holds_out_its_last_5000(cifar10_npz):
    data = load_data(f"npz:{cifar10_npz}").with_validation()
    with np.load(cifar10_npz) as archive:
        assert torch.equal(data.val.labels, torch.from_numpy(archive["y_train"][45_000:].astype("int64")))
    assert (len(data.train), len(data.val), len(data.test)) == (45_000, 5_000, 10_000)
