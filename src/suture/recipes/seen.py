"""Whether a run learned from images that it is now scored on, as they are divided in another way."""

from contextlib import suppress
from pathlib import Path

from suture.data.dataset import Split
from suture.data.load import load_data
from suture.data.splits import folds
from suture.errors import DataError, RecipeError
from suture.recipes.read import read_recipe
from suture.runs import Watch
from suture.runs.folder import RECIPE
from suture.spec.recipe import FuseStep, Recipe
from suture.spec.source import parse_source

RUNS = Path("runs")


def folder_of(source: str) -> Path | None:
    """The folder of a ``run:`` source; None of any other."""
    parsed = parse_source(source)
    if parsed.kind != "run":
        return None
    return Path(parsed.name) if Path(parsed.name).exists() else RUNS / parsed.name


def seen(source: str, recipe: Recipe, split: Split) -> int:
    """How many images of a split of the data of ``recipe`` the run behind ``source`` had for training.

    0 where ``source`` is no run, where its own recipe has other data, or where that can no longer be read.
    """
    folder = folder_of(source)
    with suppress(DataError, RecipeError, OSError):
        if folder is None or not (folder / RECIPE).is_file():
            return 0
        own = read_recipe(folder / RECIPE)
        fold = _fold(own)
        if _place(own.data) != _place(recipe.data) or (_division(own) == _division(recipe) and fold is None):
            return 0
        data = load_data(own.data, size=1, skip_bad=own.skip_bad, splits=own.splits, seed=own.seed)
        if fold is None:
            learned = data.with_validation(own.seed).train
        else:
            number, count = fold
            learned = data.train.select(folds(data.train, count, own.seed)[number - 1][0])
        return len(set(learned.names or ()) & set(split.names or ()))
    return 0


def warn_of_seen(source: str, recipe: Recipe, split: Split, watch: Watch) -> int:
    """What ``seen`` says, told to ``watch`` where it is not 0."""
    learned = seen(source, recipe, split)
    if learned:
        watch.say(
            f"{source} learned from {learned} of these {len(split)} images: it was made with another seed, or other "
            "shares, groups or folds (its recipe.yaml tells which; without --data they are the same)"
        )
    return learned


def _place(data: str) -> tuple[str, Path | None]:
    kind, _, where = data.partition(":")
    return kind, Path(where).resolve() if where else None


def _division(recipe: Recipe) -> tuple[object, ...]:
    splits = recipe.splits
    drawn = recipe.seed if splits.seed is None else splits.seed
    return splits.test, splits.test and drawn, splits.val, splits.group, recipe.seed


def _fold(recipe: Recipe) -> tuple[int, int] | None:
    step = recipe.steps[0]
    if isinstance(step, FuseStep) and step.fold is not None and step.folds is not None:
        return step.fold, step.folds
    return None
