"""The same fusion again: with other seeds, on other folds, and each of its backbones alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from suture.evaluation import mcnemar, score
from suture.recipes.answers import Answers, load_answers
from suture.recipes.context import Context
from suture.runs.folder import RESULT
from suture.spec.recipe import FuseStep, Recipe
from suture.spec.stage import Stage

FUSED = "fused"


@dataclass(frozen=True)
class Repeat:
    """One run more, ``recipe`` in the folder ``name``. ``what`` is ``fused``, or the letter of a backbone alone."""

    name: str
    what: str
    letters: tuple[str, ...]
    recipe: Recipe

    @property
    def step(self) -> FuseStep:
        step = self.recipe.steps[0]
        assert isinstance(step, FuseStep)
        return step

    @property
    def told(self) -> str:
        """What it is, in words."""
        whole = "the fusion" if self.what == FUSED else f"{self.step.networks[0]} alone"
        fold = f", fold {self.step.fold} of {self.step.folds}" if self.step.fold else ""
        return f"{whole}, seed {self.recipe.seed}{fold}"

    def context(self, outer: Context) -> Context:
        return replace(outer, recipe=self.recipe)

    def row(self, place: Path) -> dict[str, Any]:
        """What the result of the whole says of it, once it is finished."""
        result = json.loads((place / RESULT).read_text(encoding="utf-8"))
        numbers = {name: result[name] for name in ("accuracy", "cross_entropy", "val_accuracy")}
        told = {"what": self.what, "seed": self.recipe.seed, "fold": self.step.fold, "folder": self.name}
        return told | numbers | {"n": result["n"][result["split"]], "split": result["split"]}


def repeats(step: FuseStep, recipe: Recipe) -> list[Repeat]:
    """All runs that a step asks for beside its own, in order. Their test images are those of the whole."""
    splits = recipe.splits.model_copy(
        update={"seed": recipe.seed if recipe.splits.seed is None else recipe.splits.seed}
    )
    alone = {"controls": False, "seeds": 1, "folds": None, "fold": None}
    letters, every = tuple(step.letters), range(recipe.seed, recipe.seed + step.seeds)

    def repeat(name: str, what: str, seed: int, own: FuseStep) -> Repeat:
        told = {"steps": (own,), "seed": seed, "splits": splits}
        return Repeat(name, what, letters if what == FUSED else (what,), recipe.model_copy(update=told))

    found: list[Repeat] = []
    if step.fold is not None:
        return found
    fused = step.model_copy(update=alone)
    found += [repeat(f"seed-{seed}", FUSED, seed, fused) for seed in every[1:]]
    if step.controls:
        for number, letter in enumerate(letters):
            own = fused.model_copy(update=_alone(step, number))
            found += [
                repeat(f"alone-{letter}" + (f"-seed-{seed}" if len(every) > 1 else ""), letter, seed, own)
                for seed in every
            ]
    for fold in range(1, (step.folds or 0) + 1):
        own = step.model_copy(update=alone | {"folds": step.folds, "fold": fold})
        found.append(repeat(f"fold-{fold}", FUSED, recipe.seed, own))
    return found


def _alone(step: FuseStep, number: int) -> dict[str, Any]:
    """The fields of a step for one of its backbones, trained as in the fusion."""
    stages = [stage for stage in (_stage(stage, f"backbone{number + 1}") for stage in step.stages) if stage]
    at = (step.at[number],) if step.at else ()
    return {"networks": (step.networks[number],), "at": at, "stages": tuple(stages)}


def _stage(stage: Stage, own: str) -> Stage | None:
    """A stage of the fusion as one of a single backbone; None where it moves only others."""

    def here(part: str) -> str | None:
        name, colon, last = part.partition(":")
        if name == own:
            return f"backbone1{colon}{last}"
        return None if name.startswith("backbone") and name != "backbones" else part

    moves = tuple(part for given in stage.moves if (part := here(given)))
    kinds = {part.startswith("backbone") for part in moves}
    rates = {
        part: rate
        for given, rate in stage.lr_of.items()
        if (part := here(given)) and ("all" in moves or part.startswith("backbone") in kinds)
    }
    return stage.model_copy(update={"moves": moves, "lr_of": rates}) if moves else None


def compared(step: FuseStep, seed: int, own: Answers, trials: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What the trials come to: accuracies over seeds and over folds, and the fusion beside each backbone alone.

    Backbones are held against the fusion on the same images with the same seed (McNemar on those of the first seed).
    """
    fused = [score(own.logits, own.labels).accuracy]
    fused += [trial["accuracy"] for trial in trials if trial["what"] == FUSED and trial["fold"] is None]
    told: dict[str, Any] = {"trials": list(trials), "over_seeds": {FUSED: spread(fused)}, "alone": {}}
    for letter in step.letters if step.controls else ():
        rows = [trial for trial in trials if trial["what"] == letter]
        told["over_seeds"][letter] = spread([row["accuracy"] for row in rows])
        (first,) = (row for row in rows if row["seed"] == seed)
        other = load_answers(folder / first["folder"], first["split"])
        paired = mcnemar(score(own.logits, own.labels), score(other.logits, other.labels), own.labels)
        told["alone"][letter] = {
            "accuracy": first["accuracy"],
            "cross_entropy": first["cross_entropy"],
            "only_fusion_right": paired.only_first,
            "only_alone_right": paired.only_second,
            "p_value": paired.p_value,
            "gain": [a - row["accuracy"] for a, row in zip(fused, rows, strict=True)],
        }
    held = [trial for trial in trials if trial["fold"] is not None]
    told["over_folds"] = spread([trial["accuracy"] for trial in held]) if held else None
    return told


def spread(values: Sequence[float]) -> dict[str, Any]:
    """``sd`` is the sample standard deviation, None of a single value."""
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None, "values": list(values)}
