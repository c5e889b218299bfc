"""Carry out a recipe in its run folder, or show what came out of it before."""

from pathlib import Path
from typing import Any

from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.search import Search
from suture.recipes.stitch import Stitch
from suture.recipes.text import resolved
from suture.recipes.train import Train
from suture.runs import check_run, open_run

VERBS: dict[str, Any] = {"train": Train, "stitch": Stitch, "search": Search, "eval": Evaluate}


def execute(context: Context, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Run every step and return the result of the last one (also found in ``path/result.json``).

    A recipe of several steps gives each a folder of its own inside ``path``. All of a step is loaded and checked
    before anything is written. Raises whatever the steps raise, and RunError.
    """
    text = resolved(context.recipe.as_data())
    finished = check_run(path, text, overwrite=overwrite)
    if finished is not None:
        context.watch.say(f"{path} is finished; this is its result")
        return finished
    context.watch.say(f"on {context.device}, into {path}")
    steps = context.recipe.steps
    if len(steps) == 1:
        return _execute(context, steps[0], path, text, overwrite)
    first = VERBS[steps[0].verb].prepare(steps[0], context)
    with open_run(path, text, overwrite=overwrite) as folder:
        del first
        for number, step in enumerate(steps, 1):
            alone = context.recipe.model_copy(update={"steps": (step,)})
            inner = resolved(alone.as_data())
            place = path / f"{number}-{step.verb}"
            result = check_run(place, inner) or _execute(context, step, place, inner, overwrite=False)
        folder.finish(result, {"steps": [step.verb for step in steps]})
    return result


def _execute(context: Context, step: Any, path: Path, text: str, overwrite: bool) -> dict[str, Any]:
    verb = VERBS[step.verb].prepare(step, context)
    with open_run(path, text, overwrite=overwrite) as folder:
        outcome = verb.run(folder)
        folder.finish(outcome.result, outcome.record.as_dict())
    return dict(outcome.result)
