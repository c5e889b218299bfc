"""Carry out a recipe in its run folder, or show what came out of it before."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from suture.recipes.compare import Compare
from suture.recipes.context import Context
from suture.recipes.deterministic import deterministic
from suture.recipes.evaluate import Evaluate
from suture.recipes.explain import Explain
from suture.recipes.fuse import Fuse
from suture.recipes.patch import Patch
from suture.recipes.search import Search
from suture.recipes.stitch import Stitch
from suture.recipes.sweep import Sweep
from suture.recipes.text import resolved
from suture.recipes.train import Train
from suture.recipes.tune import Tune
from suture.recipes.verb import Verb, finished
from suture.runs import Watch, check_run, open_run
from suture.runs.folder import LOCK
from suture.training import ranks

VERBS: dict[str, Any] = {
    "train": Train,
    "stitch": Stitch,
    "fuse": Fuse,
    "patch": Patch,
    "explain": Explain,
    "tune": Tune,
    "search": Search,
    "eval": Evaluate,
    "compare": Compare,
    "sweep": Sweep,
}


def execute(context: Context, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Run every step and return the result of the last one (also found in ``path/result.json``).

    A recipe of several steps gives each a folder of its own inside ``path``. All of a step is loaded and checked
    before anything is written. Raises whatever the steps raise, and RunError.

    Of several processes that torchrun started all call this alike: the first one writes and tells, the others do the
    same work beside it and leave nothing.
    """
    with ranks.joined(context.device), deterministic(context.recipe.deterministic):
        path, text = ranks.told(path), resolved(context.recipe.as_data())
        known = check_run(path, text, overwrite=overwrite)
        if known is not None:
            context.watch.say(f"{path} is finished; this is its result")
            return known
        if ranks.rank():
            context = replace(context, watch=Watch())
        context.watch.say(f"on {context.device}")
        first = _prepared(context, context.recipe.steps[0])
        _check_later(context)
        with _written(path, overwrite) as place:
            return _carried_out(context, first, place, text, overwrite)


@contextmanager
def _written(path: Path, overwrite: bool) -> Iterator[Path]:
    """Where this process writes: ``path``, or, of all processes but the first, a copy of it that is thrown away.

    The copy is made before the first process writes, so that all know of the same trials and states.
    """
    if ranks.rank() == 0:
        ranks.barrier()
        yield path
        return
    with TemporaryDirectory(prefix="suture-") as temporary:
        copy = Path(temporary) / path.name
        if path.is_dir() and not overwrite:
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns(LOCK))
        ranks.barrier()
        yield copy


def _carried_out(context: Context, first: Verb, path: Path, text: str, overwrite: bool) -> dict[str, Any]:
    steps = context.recipe.steps
    if len(steps) == 1:
        return finished(first, path, text, overwrite)
    with open_run(path, text, overwrite=overwrite) as folder:
        for number, step in enumerate(steps, 1):
            inner = resolved(context.recipe.model_copy(update={"steps": (step,)}).as_data())
            place = path / f"{number}-{step.verb}"
            result = check_run(place, inner) or finished(
                first if number == 1 else _prepared(context, step), place, inner
            )
            ranks.barrier()  # the next step may read what the first process wrote
        folder.finish(result, {"steps": [step.verb for step in steps]})
    return result


def _check_later(context: Context) -> None:
    """Build what later steps say, before the first one takes its time. Raises RecipeError."""
    from suture.recipes.document import Document
    from suture.recipes.validate import check

    later = range(1, len(context.recipe.steps))
    if later:
        document = Document(context.recipe.as_data(), {(): (0, "recipe")})
        check(context.recipe, later, document, "the recipe", trust_code=context.trust_code)


def _prepared(context: Context, step: Any) -> Verb:
    verb: Verb = VERBS[step.verb].prepare(step, context)
    return verb
