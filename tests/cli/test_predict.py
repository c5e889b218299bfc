"""``suture predict`` and ``suture eval --report`` as a person types them."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from small import sample_split, write_npz
from suture.data.load import load_data

MODEL = "zoo:tiny10-a"


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(sample_split(3).images.batch(range(3)).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.mark.usefixtures("photos")
def test_the_table_shows_the_best_classes(call):
    code, out, err = call("predict", MODEL, "photos")
    assert code == 0, err
    assert all(f"photos/{number}.png" in out for number in range(3))
    assert "3." in out
    assert "4." not in out
    assert "%" in out
    code, out, _ = call("predict", MODEL, "photos/0.png", "--top", "99")
    assert code == 0
    assert "10." in out


@pytest.mark.usefixtures("photos")
def test_json_and_csv_say_the_same(call):
    code, out, err = call("predict", MODEL, "photos/*.png", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert [one["image"] for one in told] == [f"photos/{number}.png" for number in range(3)]
    assert list(told[0]) == ["image", "class", "confidence", "probabilities"]
    code, out, err = call("predict", MODEL, "photos/*.png", "--csv")
    assert (code, err) == (0, "")
    header, *rows = csv.reader(io.StringIO(out))
    assert header == ["image", "class", "confidence", *load_data("sample").classes]
    for one, row in zip(told, rows, strict=True):
        assert row[:2] == [one["image"], one["class"]]
        assert [float(cell) for cell in row[2:]] == pytest.approx(
            [one["confidence"], *one["probabilities"].values()], rel=1e-4
        )


@pytest.mark.usefixtures("photos")
def test_a_run_folder_is_a_network(call, tmp_path):
    path = write_npz(tmp_path / "small.npz", train=60, test=20)
    assert call("train", "zoo:tiny10", "--data", f"npz:{path}", "--epochs", "1", "--name", "x")[0] == 0
    code, out, err = call("predict", "runs/x", "photos/0.png", "--tta", "flip", "--temperature", "2", "--json")
    assert code == 0, err
    assert list(json.loads(out)[0]["probabilities"]) == [str(number) for number in range(10)]
    code, out, err = call("predict", "runs/x", "photos/0.png", "--several", "--json")
    assert code == 0, err
    assert sum(json.loads(out)[0]["probabilities"].values()) != pytest.approx(1, abs=1e-3)


def test_bad_files_are_named_or_left_out(call, photos):
    (photos / "1.png").write_bytes(b"no image")
    code, out, err = call("predict", MODEL, "photos", "--json")
    assert code == 2
    assert "photos/1.png is no image that can be read" in " ".join(err.split())
    assert out == ""
    code, out, err = call("predict", MODEL, "photos", "--skip-bad", "--csv")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert "left out: photos/1.png" in " ".join(err.split())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["none.png"], "there is no image none.png"),
        (["photos", "--json", "--csv"], "--json and --csv"),
        (["photos", "--tta", "twice"], "no test-time augmentation 'twice'"),
        (["photos", "--temperature", "0"], "a temperature of 0"),
        (["photos", "--device", "tpu9"], "there is no device"),
        (["photos", "--top", "0"], "--top"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_wrong_use_is_told(call, given, told):
    code, out, err = call("predict", MODEL, *given)
    assert code == 2
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""


def test_the_report_as_a_table_and_as_json(call, tmp_path):
    data = f"npz:{write_npz(tmp_path / 'small.npz')}"
    code, out, err = call("eval", MODEL, "--data", data, "--report")
    assert code == 0, err
    said = " ".join(out.split())
    for words in (
        "macro F1",
        "95% intervals",
        "precision",
        "calibration: ECE",
        "fitted on validation",
        "surest mistakes",
    ):
        assert words in said
    assert not Path("runs").exists()
    code, out, err = call("eval", MODEL, "--data", data, "--report", "--tta", "flip", "--json", "--name", "r")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["tta"] == "flip"
    assert result["report"]["n"] == result["n"] == 60
    assert Path("runs/r/plots/roc.png").is_file()
    code, out, err = call("run", "runs/r/recipe.yaml", "--name", "r", "--quiet")
    assert code == 0, err
    assert "test-time augmentation flip" in " ".join(out.split())
    code, _, err = call("eval", MODEL, "--data", data, "--tta", "twice")
    assert code == 2
    assert "tta: 'twice' expected: none, flip or crops" in " ".join(err.split())
