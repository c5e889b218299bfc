"""The same patched network again: with other seeds, and without its patches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suture.evaluation import score
from suture.recipes.answers import Answers
from suture.recipes.repeats import Repeat, again, beside, spread
from suture.spec.recipe import PatchStep, Recipe
from suture.spec.stage import Stage

PATCHED, PLAIN = "patched", "plain"
CONTROL = "without-patches"


def repeats(step: PatchStep, recipe: Recipe) -> list[Repeat]:
    """All runs that a step asks for beside its own, in order; ``what`` is ``patched`` or ``plain``."""
    single, every = {"controls": False, "seeds": 1}, range(recipe.seed, recipe.seed + step.seeds)
    patched = step.model_copy(update=single)
    found = [
        Repeat(f"seed-{seed}", PATCHED, again(recipe, patched, seed), f"the patched network, seed {seed}")
        for seed in every[1:]
    ]
    if step.controls:
        stages = tuple(stage for stage in map(_plain, step.stages) if stage)
        plain = patched.model_copy(update={"patches": (), "identity_start": False, "stages": stages})
        found += [
            Repeat(
                CONTROL + (f"-seed-{seed}" if len(every) > 1 else ""),
                PLAIN,
                again(recipe, plain, seed),
                f"the network without patches, seed {seed}",
            )
            for seed in every
        ]
    return found


def _plain(stage: Stage) -> Stage | None:
    """A stage of a network to which nothing was added; None where it moves only that."""
    moves = tuple(part for part in stage.moves if part != "blocks")
    rates = {part: rate for part, rate in stage.lr_of.items() if part != "blocks"}
    return stage.model_copy(update={"moves": moves, "lr_of": rates}) if moves else None


def compared(
    step: PatchStep, seed: int, own: Answers, trials: Sequence[dict[str, Any]], folder: Path
) -> dict[str, Any]:
    """What the trials come to: accuracies over seeds, and the network beside itself without patches."""
    patched = [score(own.logits, own.labels).accuracy]
    patched += [trial["accuracy"] for trial in trials if trial["what"] == PATCHED]
    told: dict[str, Any] = {"trials": list(trials), "over_seeds": {PATCHED: spread(patched)}, PLAIN: None}
    if step.controls:
        rows = [trial for trial in trials if trial["what"] == PLAIN]
        told["over_seeds"][PLAIN] = spread([row["accuracy"] for row in rows])
        told[PLAIN] = beside(own, seed, patched, rows, folder, ("only_patched_right", "only_plain_right"))
    return told
