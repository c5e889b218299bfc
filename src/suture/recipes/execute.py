"""Carry out a recipe in its run folder, or show what came out of it before."""

from pathlib import Path
from typing import Any

from suture.recipes.compare import Compare
from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.search import Search
from suture.recipes.stitch import Stitch
from suture.recipes.sweep import Sweep
from suture.recipes.text import resolved
from suture.recipes.train import Train
from suture.recipes.verb import STATE, Verb
from suture.runs import check_run, open_run

VERBS: dict[str, Any] = {
    "train": Train,
    "stitch": Stitch,
    "search": Search,
    "eval": Evaluate,
    "compare": Compare,
    "sweep": Sweep,
}


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
    context.watch.say(f"on {context.device}")
    steps = context.recipe.steps
    first = _prepared(context, steps[0])
    if len(steps) == 1:
        return _execute(first, path, text, overwrite)
    with open_run(path, text, overwrite=overwrite) as folder:
        for number, step in enumerate(steps, 1):
            inner = resolved(context.recipe.model_copy(update={"steps": (step,)}).as_data())
            place = path / f"{number}-{step.verb}"
            result = check_run(place, inner) or _execute(
                first if number == 1 else _prepared(context, step), place, inner
            )
        folder.finish(result, {"steps": [step.verb for step in steps]})
    return result


def _prepared(context: Context, step: Any) -> Verb:
    verb: Verb = VERBS[step.verb].prepare(step, context)
    return verb


def _execute(verb: Verb, path: Path, text: str, overwrite: bool = False) -> dict[str, Any]:
    with open_run(path, text, overwrite=overwrite) as folder:
        outcome = verb.run(folder)
        folder.finish(outcome.result, outcome.record.as_dict())
        (path / STATE).unlink(missing_ok=True)
    return outcome.result
