"""``eval`` with a report: what it writes, what its result holds, and when there is none."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import suture
from raising import raises
from small import write_npz
from suture.data.load import load_data
from suture.errors import PlanError
from suture.evaluation import Report, answers, fit_temperature, report
from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.execute import execute
from suture.recipes.reports import summary, write_report
from suture.runs import RunFolder
from suture.spec.recipe import EvalStep, Recipe

MODEL = "zoo:tiny10-a"
FILES = ("report.json", "per_class.csv", "confusion.csv", "predictions.csv", "worst.csv")
PLOTS = ("confusion.png", "roc.png", "pr.png", "reliability.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('material') / 'small.npz')}"


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def run(data: str, **fields) -> dict:
    context = Context(Recipe(data=data, steps=(EvalStep(model=MODEL, **fields),)))
    return Evaluate.prepare(context.recipe.steps[0], context).run().result


def test_a_folder_has_the_whole_report(data, tmp_path):
    step = EvalStep(model=MODEL, report=True)
    result = execute(Context(Recipe(data=data, steps=(step,))), tmp_path / "run")
    for name in FILES:
        assert (tmp_path / "run" / name).is_file()
    for name in PLOTS:
        with Image.open(tmp_path / "run" / "plots" / name) as image:
            assert image.format == "PNG"
    whole = json.loads((tmp_path / "run" / "report.json").read_text())
    told = {name: value for name, value in whole.items() if name not in ("roc", "precision_recall")}
    assert result["report"] == told
    assert whole["roc"]["micro"]["x"][-1] == 1
    assert result["report"]["accuracy"] == result["accuracy"]
    assert result["report"]["calibration"]["nll"] == pytest.approx(result["cross_entropy"])
    assert run(data, report=True)["report"] == told

    found, classes = load_data(data), load_data(data).classes
    predictions = rows(tmp_path / "run" / "predictions.csv")
    assert predictions[0] == ["name", "truth", "answer", "confidence", *classes]
    assert [row[1] for row in predictions[1:]] == [classes[label] for label in found.test.labels]
    right = [row[1] == row[2] for row in predictions[1:]]
    assert np.mean(right) == pytest.approx(result["accuracy"])
    for row in predictions[1:]:
        shares = dict(zip(classes, map(float, row[4:]), strict=True))
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert float(row[3]) == shares[row[2]] == max(shares.values())
    confusion = rows(tmp_path / "run" / "confusion.csv")
    assert confusion[0] == ["truth", *classes]
    assert [[int(cell) for cell in row[1:]] for row in confusion[1:]] == whole["confusion"]
    assert [row[0] for row in rows(tmp_path / "run" / "per_class.csv")[1:]] == list(classes)
    assert len(rows(tmp_path / "run" / "worst.csv")) == 1 + len(whole["worst"])


def test_the_temperature_is_that_of_the_validation_images(data):
    told = run(data, report=True)["report"]
    network, found = suture.load(MODEL), load_data(data).with_validation(0)
    assert told["temperature"] == fit_temperature(*answers(network, found.split("val")))
    assert told["calibrated"]["nll"] != told["calibration"]["nll"]
    for split in ("train", "val"):
        other = run(data, report=True, split=split)["report"]
        assert other["temperature"] is None
        assert other["calibrated"] is None


def test_without_images_for_validation_there_is_no_temperature(tmp_path):
    few = write_npz(tmp_path / "few.npz", train=1, test=60, classes=np.array(load_data("sample").classes))
    assert run(f"npz:{few}", report=True)["report"]["temperature"] is None


def test_a_result_without_a_report_stays_as_short_as_it_was(data, tmp_path):
    plain = {"network", "data", "split", "n", "accuracy", "cross_entropy"}
    assert run(data).keys() == plain
    assert execute(Context(Recipe(data=data, steps=(EvalStep(model=MODEL),))), tmp_path / "run").keys() == plain
    assert (tmp_path / "run" / "report.json").is_file()


def test_views_are_averaged_and_told(data):
    plain, flipped = run(data), run(data, tta="flip", report=True)
    assert flipped["tta"] == "flip"
    assert flipped["cross_entropy"] != plain["cross_entropy"]
    assert flipped["report"]["calibration"]["nll"] == pytest.approx(flipped["cross_entropy"])
    scores = suture.evaluate(MODEL, data)
    assert plain["accuracy"] == scores.accuracy
    assert flipped["cross_entropy"] == suture.evaluate(MODEL, data, tta="flip").cross_entropy


def test_several_labels_an_image_have_no_such_report(tmp_path):
    path = write_npz(tmp_path / "several.npz", train=40, test=20)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for part in ("train", "test"):
        arrays[f"y_{part}"] = np.random.default_rng(0).integers(0, 2, (len(arrays[f"x_{part}"]), 10)).astype(np.uint8)
    np.savez(path, **arrays)
    with raises(PlanError, "a report of npz:several.npz", "several labels", "without --report"):
        run(f"npz:{path}", report=True)
    assert not execute(Context(Recipe(data=f"npz:{path}", steps=(EvalStep(model=MODEL),))), tmp_path / "r").get(
        "report"
    )
    assert not (tmp_path / "r" / "report.json").exists()
    assert run(f"npz:{path}", tta="flip")["auc"] != run(f"npz:{path}")["auc"]


def test_names_that_are_formulas_are_written_as_text(tmp_path):
    found = load_data("sample")
    strange = type(found)("x", ("=A1", "@b", *found.classes[2:]), found.train, found.test)
    logits, labels = answers(suture.load(MODEL), found.test.first(50))
    names = [f"-{number}.png" for number in range(50)]
    write_report(RunFolder(tmp_path), logits, labels, strange, names=names)
    assert rows(tmp_path / "confusion.csv")[0][:3] == ["truth", "'=A1", "'@b"]
    assert rows(tmp_path / "predictions.csv")[1][0] == "'-0.png"
    for name in FILES[1:]:
        cells = [cell for row in rows(tmp_path / name) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "@")]


def many(k: int) -> Report:
    logits, labels = answers(suture.load(MODEL), load_data("sample").test.first(30))
    wide = logits.repeat(1, 1 + k // 10)[:, :k]
    return report(wide, labels, [str(number) for number in range(k)])


def test_of_many_classes_the_summary_leaves_out_the_counts():
    assert summary(many(100))["confusion"] is not None
    assert summary(many(101))["confusion"] is None
    assert "roc" not in summary(many(101))
