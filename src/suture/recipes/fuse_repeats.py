"""The same fusion again: with other seeds, on other folds, and each of its backbones alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suture.evaluation import score
from suture.recipes.answers import Answers
from suture.recipes.repeats import Repeat, again, beside, spread
from suture.spec.recipe import FuseStep, Recipe
from suture.spec.stage import Stage

FUSED = "fused"


def repeats(step: FuseStep, recipe: Recipe) -> list[Repeat]:
    """All runs that a step asks for beside its own, in order; ``what`` is ``fused``, or the letter of a backbone."""
    if step.fold is not None:
        return []
    single = {"controls": False, "seeds": 1, "folds": None, "fold": None}
    fused, every = step.model_copy(update=single), range(recipe.seed, recipe.seed + step.seeds)

    def repeat(name: str, what: str, seed: int, own: FuseStep) -> Repeat:
        whole = "the fusion" if what == FUSED else f"{own.networks[0]} alone"
        fold = f", fold {own.fold} of {own.folds}" if own.fold else ""
        return Repeat(name, what, again(recipe, own, seed), f"{whole}, seed {seed}{fold}", {"fold": own.fold})

    found = [repeat(f"seed-{seed}", FUSED, seed, fused) for seed in every[1:]]
    if step.controls:
        for number, letter in enumerate(step.letters):
            own = fused.model_copy(update=_alone(step, number))
            found += [
                repeat(f"alone-{letter}" + (f"-seed-{seed}" if len(every) > 1 else ""), letter, seed, own)
                for seed in every
            ]
    for fold in range(1, (step.folds or 0) + 1):
        own = step.model_copy(update=single | {"folds": step.folds, "fold": fold})
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
    """What the trials come to: accuracies over seeds and over folds, and the fusion beside each backbone alone."""
    fused = [score(own.logits, own.labels).accuracy]
    fused += [trial["accuracy"] for trial in trials if trial["what"] == FUSED and trial["fold"] is None]
    told: dict[str, Any] = {"trials": list(trials), "over_seeds": {FUSED: spread(fused)}, "alone": {}}
    for letter in step.letters if step.controls else ():
        rows = [trial for trial in trials if trial["what"] == letter]
        told["over_seeds"][letter] = spread([row["accuracy"] for row in rows])
        words = "only_fusion_right", "only_alone_right"
        told["alone"][letter] = beside(own, seed, fused, rows, folder, words)
    held = [trial for trial in trials if trial["fold"] is not None]
    told["over_folds"] = spread([trial["accuracy"] for trial in held]) if held else None
    return told
