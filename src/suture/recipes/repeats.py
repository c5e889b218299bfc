"""A step done again inside the run that asks for it: with other seeds, and for comparison in another way."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from suture.evaluation import mcnemar, score
from suture.recipes.answers import Answers, load_answers
from suture.recipes.context import Context
from suture.recipes.text import resolved
from suture.recipes.verb import Verb, finished
from suture.runs import RunFolder, check_run
from suture.runs.folder import RESULT
from suture.spec.recipe import Recipe, Step


@dataclass(frozen=True)
class Repeat:
    """One run more, ``recipe`` in the folder ``name``. Those that differ by their seed alone are the same ``what``.

    ``told`` says in words what it is, ``more`` is what a row tells besides.
    """

    name: str
    what: str
    recipe: Recipe
    told: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> Any:
        return self.recipe.steps[0]

    def context(self, outer: Context) -> Context:
        return replace(outer, recipe=self.recipe)

    def row(self, place: Path) -> dict[str, Any]:
        """What the result of the whole says of it, once it is finished."""
        result = json.loads((place / RESULT).read_text(encoding="utf-8"))
        numbers = {name: result[name] for name in ("accuracy", "cross_entropy", "val_accuracy")}
        told = {"what": self.what, "seed": self.recipe.seed, **self.more, "folder": self.name}
        return told | numbers | {"n": result["n"][result["split"]], "split": result["split"]}


def again(recipe: Recipe, step: Step, seed: int) -> Recipe:
    """A recipe of one step, drawn by another seed; its test images are those of ``recipe``."""
    drawn = recipe.seed if recipe.splits.seed is None else recipe.splits.seed
    splits = recipe.splits.model_copy(update={"seed": drawn})
    return recipe.model_copy(update={"steps": (step,), "seed": seed, "splits": splits})


def repeated(
    repeats: Iterable[Repeat], verb_of: Callable[[Repeat], Verb], context: Context, folder: RunFolder
) -> list[dict[str, Any]]:
    """Carry all out that are not finished yet, each in its folder in this one, and return their rows."""
    rows = []
    for repeat in repeats:
        place, text = folder.path / repeat.name, resolved(repeat.recipe.as_data())
        if check_run(place, text) is None:
            context.watch.say(f"now {repeat.told}")
            finished(verb_of(repeat), place, text)
        rows.append(repeat.row(place))
    return rows


def beside(
    own: Answers,
    seed: int,
    accuracies: Sequence[float],
    rows: Sequence[dict[str, Any]],
    folder: Path,
    words: tuple[str, str],
) -> dict[str, Any]:
    """What a control of rows, one a seed, came to beside the run itself, whose ``accuracies`` are of the same seeds.

    Both answer the same images; those of the first seed are paired (McNemar). ``words`` name the two counts of images
    that only one of both gets right: the run itself, then the control.
    """
    (first,) = (row for row in rows if row["seed"] == seed)
    other = load_answers(folder / first["folder"], first["split"])
    paired = mcnemar(score(own.logits, own.labels), score(other.logits, other.labels), own.labels)
    return {
        "accuracy": first["accuracy"],
        "cross_entropy": first["cross_entropy"],
        words[0]: paired.only_first,
        words[1]: paired.only_second,
        "p_value": paired.p_value,
        "gain": [a - row["accuracy"] for a, row in zip(accuracies, rows, strict=True)],
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """``sd`` is the sample standard deviation, None of a single value."""
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None, "values": list(values)}
