"""One patient is never on both sides, however groups are told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from raising import raises
from suture.data.load import load_data
from suture.errors import DataError
from suture.spec.recipe import Splits

PATIENTS = 10


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """Two classes of 40 scans, four of each of ten patients in each; returns rows (path, patient)."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for part in ("ill", "well"):
        for number in range(4 * PATIENTS):
            picture(tmp_path / "scans" / part / f"{part[0]}{number}.png", number)
            rows.append((f"{part}/{part[0]}{number}.png", f"p{number // 4}"))
    return rows


def write(rows, header=("file", "patient"), name="who.csv") -> str:
    Path(name).write_text("".join(",".join(row) + "\n" for row in (header, *rows)), encoding="utf-8-sig")
    return f"{name}:patient"


def patients(split, rows) -> set[str]:
    return {dict(rows)[split.name(index)] for index in range(len(split))}


@pytest.mark.parametrize("spelling", ["path", "bare", "first column", "dotted", "among others"])
def test_no_patient_is_on_two_sides(scans, spelling):
    told = {
        "path": scans,
        "bare": [(path.rpartition("/")[2], patient) for path, patient in scans],
        "first column": scans,
        "dotted": [(f"./{path}", patient) for path, patient in scans],
        "among others": [("extra/x.png", "p77"), *reversed(scans)],
    }[spelling]
    header = ("image", "patient") if spelling == "first column" else ("file", "patient")
    data = load_data("folder:scans", size=8, splits=Splits(test=0.2, val=0.25, group=write(told, header)), seed=2)
    cut = data.with_validation(2)
    sides = [patients(split, scans) for split in (cut.train, cut.val, cut.test)]
    assert [len(side) for side in sides] == [6, 2, 2]
    assert len(set.union(*sides)) == PATIENTS
    for split in (cut.train, cut.val, cut.test):
        assert split.labels.bincount().tolist() == [len(split) // 2] * 2
        assert split.groups.shape == (len(split),)
        assert split.first(3).groups.tolist() == split.groups[:3].tolist()


def test_validation_keeps_groups_whole_even_where_the_order_is_random(scans):
    data = load_data("folder:scans", size=8, splits=Splits(group=write(scans))).with_validation()
    assert not patients(data.train, scans) & patients(data.val, scans)
    assert len(data.val) == 8


def test_a_column_may_be_named_file_wherever_it_stands(scans):
    rows = [(patient, path) for path, patient in scans]
    data = load_data("folder:scans", size=8, splits=Splits(group=write(rows, ("patient", "file"))))
    assert len(data.train.groups.unique()) == PATIENTS


def test_arrays_are_told_by_split_and_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x_train=np.zeros((8, 8, 8, 3), np.uint8), y_train=np.arange(8) % 2)
    group = write([(f"train/{number}", f"p{number // 2}") for number in range(8)])
    assert load_data("npz:a.npz", splits=Splits(group=group)).train.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda rows: rows[:-3],
            ["gives no group to 3 of 80 images: well/w37.png", "a row well/w37.png,GROUP in who.csv"],
        ),
        (lambda rows: [(path, "p0") for path, _ in rows], ["all images of folder:scans are of one group, 'p0'"]),
        (lambda rows: [*rows, (rows[0][0], "p9")], ["row 82", "ill/i0.png is of the group 'p9'", "before of 'p0'"]),
        (lambda rows: [(rows[0][0], " "), *rows[1:]], ["gives no group to 1 of 80 images: ill/i0.png"]),
        (lambda rows: [(rows[0][0],), *rows[1:]], ["gives no group to 1 of 80 images: ill/i0.png"]),
    ],
)
def test_groups_that_do_not_fit(scans, change, words):
    with raises(DataError, *words):
        load_data("folder:scans", size=8, splits=Splits(group=write(change(scans))))


def test_a_bare_name_of_two_images_is_not_enough(scans, tmp_path):
    picture(tmp_path / "scans" / "well" / "i0.png", 0)
    bare = [(path.rpartition("/")[2], patient) for path, patient in scans]
    with raises(DataError, "gives no group to 2 of 81 images: ill/i0.png, well/i0.png", "path in the data's folder"):
        load_data("folder:scans", size=8, splits=Splits(group=write(bare)))


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("gone.csv:patient", ["the groups gone.csv cannot be read", "FILE.csv:COLUMN"]),
        ("who.csv:pateint", ["has the columns file, patient, and 'pateint' is not there", "--group who.csv:patient"]),
        ("who.csv:file", ["'file' names the images", "--group who.csv:patient"]),
        ("scans/ill/i0.png:patient", ["the groups scans/ill/i0.png cannot be read"]),
        ("empty.csv:patient", ["has the columns (none)", "a file with two columns"]),
    ],
)
def test_a_table_that_cannot_be_used(scans, tmp_path, group, words):
    write(scans)
    (tmp_path / "empty.csv").write_text("")
    with raises(DataError, *words):
        load_data("folder:scans", size=8, splits=Splits(group=group))


def test_given_folders_that_divide_a_patient(scans, tmp_path):
    rows = []
    for number, (path, patient) in enumerate(scans):
        name = f"{'test' if number % 4 == 3 else 'train'}/{path}"
        (tmp_path / "wrong" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / path).rename(tmp_path / "wrong" / name)
        rows.append((name, patient))
    with raises(DataError, "(train) and test/ill/", "both of the group 'p", "one folder or array of all images"):
        load_data("folder:wrong", size=8, splits=Splits(group=write(rows)))
    kept = [row for row in rows if row[0].startswith("train")]
    with raises(DataError, f"gives no group to 20 of {len(rows)} images: test/ill/"):
        load_data("folder:wrong", size=8, splits=Splits(group=write(kept)))


def arrays(**groups: np.ndarray) -> dict[str, np.ndarray]:
    images = np.zeros((12, 8, 8, 3), np.uint8)
    return {"x_train": images, "y_train": np.arange(12) % 2, "x_test": images[:4], "y_test": np.arange(4) % 2, **groups}


@pytest.mark.parametrize("kind", [str, int])
def test_an_npz_may_bring_groups(tmp_path, kind):
    groups = {"g_train": (np.arange(12) // 2).astype(kind), "g_test": (np.arange(4) + 6).astype(kind)}
    np.savez(tmp_path / "a.npz", **arrays(**groups))
    data = load_data(f"npz:{tmp_path / 'a.npz'}").with_validation()
    assert not set(data.train.groups.tolist()) & set(data.val.groups.tolist())
    assert len(data.val) == 2
    assert len(data.test.groups) == 4


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"g_train": np.arange(12)}, ["do not fit its images: g_train (12,), g_test missing", "g_test (4,)"]),
        ({"g_train": np.arange(11), "g_test": np.arange(4)}, ["g_train (11,), g_test (4,)"]),
        ({"g_train": np.zeros((12, 2)), "g_test": np.arange(4)}, ["g_train (12, 2)"]),
        ({"g_train": np.arange(12), "g_test": np.arange(4) + 11}, ["11 (train) and 0 (test)", "group '11'"]),
    ],
)
def test_groups_of_an_npz_that_do_not_fit(tmp_path, groups, words):
    np.savez(tmp_path / "a.npz", **arrays(**groups))
    with raises(DataError, *words):
        load_data(f"npz:{tmp_path / 'a.npz'}")


def test_groups_of_which_none_can_be_spared(tmp_path):
    """Every class is in one group only."""
    groups = {"g_train": np.arange(12) % 2, "g_test": np.full(4, 2)}
    np.savez(tmp_path / "a.npz", **arrays(**groups))
    with raises(DataError, "12 training images in 2 groups: none of them can be held out", "more groups"):
        load_data(f"npz:{tmp_path / 'a.npz'}").with_validation()
