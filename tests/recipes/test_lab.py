"""The stitching lab: every sensible choice of start, mask, rank and target learns, every other says why not."""

import copy
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

import suture
from raising import raises
from small import write_npz
from suture.adapters import AdapterSpec
from suture.errors import AdapterError, PlanError, SourceError, WeightsError
from suture.hybrids import Hybrid
from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.execute import execute
from suture.recipes.parents import Parents, load_parents
from suture.recipes.stitch import Stitch, fitted
from suture.recipes.tail import Progress, train_hybrid
from suture.runs import RunFolder
from suture.spec.names import MASKS, STARTS, TARGETS
from suture.spec.objective import Objective
from suture.spec.recipe import EvalStep, Recipe, StitchStep
from suture.spec.stage import Stage

A, B = "zoo:tiny10-a", "zoo:tiny10-b"
AT = "relu5:relu5"
OBJECTIVES = [Objective(target=target) for target in TARGETS] + [
    Objective(target="match", match_at="penultimate"),
    Objective(target="soft-b", temperature=3.0, l1=0.1, cka_reg=0.5),
]


def sensible(start: str, mask: str, rank: int | None) -> bool:
    """What AdapterSpec promises: one map under a mask, and a start that survives it; a rank for reduced-rank."""
    if mask == "identity":
        return start != "reduced-rank" or rank is not None
    return rank is None and start in ("least-squares", "random", "eye", "ones-zeros")


CHOICES = list(product(STARTS, MASKS, (None, 4)))
SENSIBLE = [choice for choice in CHOICES if sensible(*choice)]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz', train=80, test=40)}"


def step_of(**fields) -> StitchStep:
    return StitchStep(**{"a": A, "b": B, "at": AT, "fit_images": 64} | fields)


def context_of(step, data: str) -> Context:
    return Context(Recipe(data=data, steps=(step,)))


def run(step, data: str, out: Path) -> dict:
    return execute(context_of(step, data), out)


@pytest.fixture(scope="module")
def parents(data) -> Parents:
    step = step_of()
    found = load_parents(step, context_of(step, data))
    return replace(found, data=found.data.with_validation())


@pytest.mark.parametrize(("start", "mask", "rank"), SENSIBLE)
def test_every_sensible_start_mask_and_rank_learns_every_target(start, mask, rank, parents, data, tmp_path):
    step = step_of(init=start, mask=mask, rank=rank)
    context = context_of(step, data)
    stitch = Stitch.of(step, context, parents)
    begun, _ = fitted(step, parents, stitch.seams, context, None, parents.data.train)
    held = begun.adapter.state_dict().get("mask")
    assert (held is not None) == (mask != "identity")
    for number, objective in enumerate(OBJECTIVES):
        hybrid = copy.deepcopy(begun)
        stage = Stage(epochs=1, batch_size=36, objective=objective)
        Stitch.of(step.model_copy(update={"stage": stage}), context, parents)
        learn(hybrid, stage, stitch, parents, context, tmp_path / str(number))
        before, after = begun.state_dict(), hybrid.state_dict()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved
        assert all(name.startswith("adapter.") for name in moved)
        assert all(torch.isfinite(after[name]).all() for name in moved)
        if held is not None:
            assert torch.equal(after["adapter.mask"], held)
            assert not hybrid.adapter.matrix[~held].any()


def learn(hybrid: Hybrid, stage: Stage, stitch: Stitch, parents: Parents, context: Context, out: Path) -> None:
    out.mkdir()
    progress = Progress(RunFolder(out), lambda _label, _done: None, "state.safetensors", {})
    train_hybrid(hybrid, stage, parents, stitch.seams[-1], parents.data, context, progress)


@pytest.mark.parametrize(("start", "mask", "rank"), [choice for choice in CHOICES if not sensible(*choice)])
def test_every_other_choice_is_refused_with_a_reason(start, mask, rank):
    with pytest.raises(ValidationError) as caught:
        step_of(init=start, mask=mask, rank=rank)
    told = str(caught.value)
    assert "expected" in told
    assert "instead --" in told
    assert mask in told or start in told
    kind = "linear" if rank is None else "lowrank"
    with raises(AdapterError):
        AdapterSpec(kind, start=start, mask=mask, rank=rank)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"flatten": True, "adapter": "mlp"}, "one linear map"),
        ({"weight": "gradient", "init": "random"}, "fitted to none"),
        ({"adapter": "mlp", "rank": 3}, "has no rank"),
        ({"adapter": "conv3x3", "mask": "matching"}, "a matching mask on an adapter of kind 'conv3x3'"),
        ({"stage": {"objective": {"target": "soft-a"}, "label_smoothing": 0.1}}, "label smoothing has no use"),
    ],
)
def test_choices_that_need_no_network_are_refused_when_the_step_is_made(fields, words):
    with pytest.raises(ValidationError, match=words):
        step_of(**fields)


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"init": "eye", "at": "relu5:relu6"}, AdapterError, "equal numbers of channels"),
        ({"init": "perm", "at": "relu5:relu6"}, AdapterError, "channels"),
        ({"mask": "matching", "at": "relu5:relu6"}, AdapterError, "channels"),
        ({"rank": 33}, AdapterError, "rank 33"),
        ({"flatten": True, "at": "conv1:conv1"}, AdapterError, "flat"),
        ({"adapter": "mlp", "stage": {"objective": {"l1": 0.1}}}, PlanError, "no single matrix"),
        (
            {"stage": {"objective": {"target": "match"}, "moves": ("adapter", "decoder")}},
            PlanError,
            "decoder cannot learn to match",
        ),
        (
            {"stage": {"objective": {"target": "match", "match_at": "penultimate"}, "moves": ("adapter", "head")}},
            PlanError,
            "head cannot learn to match",
        ),
        ({"stage": {"objective": {"target": "match"}, "moves": ("all",)}}, PlanError, "all cannot learn to match"),
        ({"stage": {"objective": {"l1": 0.1}, "moves": ("decoder",)}}, PlanError, "--l1, and nothing before the cut"),
        ({"resample": "none", "at": "relu8:relu1"}, PlanError, "does not fit what comes after the cut"),
        (
            {"stage": {"objective": {"target": "match"}}, "resample": "none", "at": "relu3:relu6"},
            PlanError,
            "of the same shape",
        ),
        (
            {"stage": {"objective": {"target": "soft-b"}, "moves": ("adapter", "head")}, "new_head": True},
            PlanError,
            "knows nothing of its classes",
        ),
    ],
)
def test_choices_that_a_pair_of_networks_refuses(fields, kind, words, parents, data):
    step = step_of(**fields)
    with raises(kind, words):
        Stitch.of(step, context_of(step, data), parents)


def test_the_answers_of_a_network_with_other_classes_teach_nothing(parents, data):
    step = step_of(stage=Stage(objective=Objective(target="soft-a")))
    other = replace(parents, outputs={"a": 7, "b": 10})
    with raises(PlanError, "7 classes"):
        Stitch.of(step, context_of(step, data), other)


@pytest.fixture(scope="module")
def stitched(data, tmp_path_factory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("lab") / "run"
    step = step_of(at="bn5:bn5", init="random", stage=Stage(epochs=2, batch_size=36, save_every=2))
    return run(step, data, out), out


def test_a_result_tells_the_three_maps_apart(stitched):
    result, out = stitched
    maps = {path.stem for path in (out / "maps").iterdir()}
    assert maps == {"before", "direct", "after", "step-000002", "step-000004"}
    before, direct, after = (load_file(out / "maps" / f"{name}.safetensors") for name in ("before", "direct", "after"))
    assert not torch.equal(before["adapter.map.weight"], after["adapter.map.weight"])
    assert not torch.equal(direct["adapter.map.weight"], after["adapter.map.weight"])
    assert (
        set(result["accuracy"])
        == set(result["cross_entropy"])
        == set(result["similarity"])
        == {
            "before",
            "direct",
            "after",
        }
    )
    assert result["similarity"]["direct"]["l2"] < result["similarity"]["before"]["l2"]
    last = load_file(out / "maps" / "step-000004.safetensors")
    assert all(torch.equal(last[name], tensor) for name, tensor in after.items())


def test_overlaps_add_up(stitched):
    result, _ = stitched
    assert set(result["overlap"]) == {"hybrid and a", "hybrid and b", "a and b"}
    for counts in result["overlap"].values():
        assert sum(counts.values()) == result["n"] == 40
    told = result["overlap"]["hybrid and b"]
    assert (told["both"] + told["only_first"]) / 40 == pytest.approx(result["accuracy"]["after"])
    assert (told["both"] + told["only_second"]) / 40 == pytest.approx(result["parents"]["b"]["accuracy"])
    assert result["relative_accuracy"] == result["accuracy"]["after"] / result["parents"]["b"]["accuracy"]


@pytest.mark.parametrize("which", ["before", "direct", "after"])
def test_every_map_reloads_and_scores_what_the_run_said(stitched, data, which):
    result, out = stitched
    step = EvalStep(model=f"run:{out}", map=which)
    found = Evaluate.prepare(step, context_of(step, data)).run().result
    assert found["accuracy"] == result["accuracy"][which]
    assert found["cross_entropy"] == pytest.approx(result["cross_entropy"][which], rel=1e-6)
    again = suture.load(f"run:{out}?map={which}").body.adapter.state_dict()
    kept = load_file(out / "maps" / f"{which}.safetensors")
    assert all(torch.equal(again[name.removeprefix("adapter.")], tensor) for name, tensor in kept.items())


def test_a_kept_step_can_be_loaded_and_another_cannot(stitched):
    _, out = stitched
    assert suture.load(f"run:{out}?map=step-000002").body.adapter
    with raises(WeightsError, "holds no map 'step-000003'", "step-000002"):
        suture.load(f"run:{out}?map=step-000003")


def test_a_map_of_another_adapter_is_refused(stitched, tmp_path):
    _, out = stitched
    other = tmp_path / "other"
    (other / "maps").mkdir(parents=True)
    for name in ("hybrid.json", "weights.safetensors"):
        (other / name).write_bytes((out / name).read_bytes())
    save_file({"adapter.map.weight": torch.zeros(2, 2, 1, 1)}, other / "maps" / "before.safetensors")
    with raises(WeightsError, "is no map of this hybrid"):
        suture.load(f"run:{other}?map=before")
    (other / "maps" / "before.safetensors").write_bytes(b"nonsense")
    with raises(WeightsError, "is no map of this hybrid"):
        suture.load(f"run:{other}?map=before")


def test_only_a_stitch_has_maps(tmp_path):
    with pytest.raises(ValidationError, match="only a stitch has a map"):
        EvalStep(model="zoo:tiny10-a", map="before")
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "network.json").write_text(json.dumps({"source": A, "classes": list("0123456789"), "new_head": False}))
    with raises(SourceError, "which has no map"):
        suture.load(f"run:{folder}?map=before")


def test_the_map_before_training_goes_with_the_ends_before_training(data, tmp_path):
    step = step_of(stage=Stage(epochs=1, moves=("adapter", "decoder"), batch_size=36, lr=0.05))
    result = run(step, data, tmp_path / "run")
    before, after = (suture.load(f"run:{tmp_path / 'run'}?map={which}").body for which in ("before", "after"))
    own = suture.load(B).state_dict()
    assert torch.equal(before.decoder.state_dict()["fc.weight"], own["fc.weight"])
    assert not torch.equal(after.decoder.state_dict()["fc.weight"], own["fc.weight"])
    assert (
        suture.evaluate(suture.load(f"run:{tmp_path / 'run'}?map=before"), data).accuracy
        == result["accuracy"]["before"]
    )
    assert [layer["layer"] for layer in result["similarity"]["after"]["layers"]] == ["relu5"]


def test_both_ends_can_learn_and_the_encoder_alone(data, tmp_path):
    for moves in (("adapter", "encoder"), ("all",)):
        out = tmp_path / "-".join(moves)
        run(step_of(stage=Stage(epochs=1, moves=moves, batch_size=36, lr=0.01)), data, out)
        hybrid, first, last = suture.load(f"run:{out}").body, suture.load(A), suture.load(B)
        learned = not torch.equal(hybrid.encoder.state_dict()["conv1.weight"], first.state_dict()["conv1.weight"])
        assert learned
        same = torch.equal(hybrid.decoder.state_dict()["fc.weight"], last.state_dict()["fc.weight"])
        assert same == ("all" not in moves)


def test_labels_have_no_say_in_what_needs_none(data, tmp_path):
    with np.load(data.removeprefix("npz:")) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays |= {f"{letter}_val": arrays[f"{letter}_test"] for letter in "xy"}
    np.savez(tmp_path / "right.npz", **arrays)
    np.savez(tmp_path / "wrong.npz", **arrays | {"y_train": (arrays["y_train"] + 3) % 10})
    found = []
    for name in ("right", "wrong"):
        source = f"npz:{tmp_path / name}.npz"
        step = step_of(stage=Stage(epochs=1, batch_size=36, objective=Objective(target="soft-ab")), split="test")
        run(step, source, tmp_path / name)
        found.append(load_file(tmp_path / name / "maps" / "after.safetensors"))
    assert all(torch.equal(found[0][name], tensor) for name, tensor in found[1].items())


def test_a_stitch_to_itself_is_close_and_in_distribution(data, tmp_path):
    step = step_of(b=A, init="eye", stage=Stage(epochs=0))
    result = run(step, data, tmp_path / "run")
    for which in ("before", "after", "direct"):
        found = result["similarity"][which]
        assert found["cka_linear_biased"] == pytest.approx(1, abs=1e-6)
        assert found["l2"] == pytest.approx(0, abs=1e-9)
        assert [layer["layer"] for layer in found["layers"]] == ["relu5", "relu6", "relu7", "relu8"]
        assert all(layer["distance"] == pytest.approx(0, abs=1e-6) for layer in found["layers"])
        assert all(layer["outside"] <= 0.03 for layer in found["layers"])
    assert result["warnings"] == []


def test_a_stitch_far_from_anything_warns(data, tmp_path):
    result = run(step_of(init="ones-zeros", stage=Stage(epochs=0)), data, tmp_path / "run")
    assert result["similarity"]["after"]["layers"][0]["outside"] > 0.9
    (warning,) = result["warnings"]
    assert "out of distribution" in warning
    assert "Balogh & Jelasity" in warning


def test_augmented_images_are_taught_on_the_fly(data, tmp_path):
    """With nothing stored the teachers see the very images that the hybrid sees."""
    objective = Objective(target="match", match_at="penultimate")
    stage = Stage(epochs=1, batch_size=36, augment=("flip", "crop"), objective=objective)
    step = step_of(b=A, init="eye", stage=stage)
    result = run(step, data, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(0, abs=1e-9)
    assert result["accuracy"]["after"] == result["accuracy"]["before"]


def test_stored_views_are_taught_each_by_itself(data, tmp_path):
    stage = Stage(epochs=2, batch_size=36, augment=("flip", "crop"), views=3, objective=Objective(target="match"))
    run(step_of(b=A, init="eye", stage=stage), data, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == pytest.approx([0, 0], abs=1e-9)


def test_train_images_bound_what_is_learnt_from(data, tmp_path):
    heard = []
    for count in (20, 1000):
        out = tmp_path / str(count)
        run(step_of(stage=Stage(epochs=1, batch_size=10, save_every=1, train_images=count)), data, out)
        heard.append(len(list((out / "maps").glob("step-*"))))
    assert heard[0] == 2
    assert heard[1] > 6
