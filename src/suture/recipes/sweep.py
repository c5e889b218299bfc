"""``sweep``: many stitches of the same networks, each a run of its own, and what they come to together."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import getitem
from typing import Any

from suture.errors import PlanError, TrainingError, UsageError
from suture.hybrids import planned
from suture.recipes.context import Context
from suture.recipes.parents import Parents, load_parents
from suture.recipes.stitch import Stitch
from suture.recipes.text import resolved
from suture.recipes.verb import STATE, Outcome, Verb
from suture.reporting.sweeps import accuracy_over_depth, accuracy_over_rank
from suture.reporting.trials import trials_csv, varies
from suture.runs import RunFolder, Watch, check_run, open_run, write_text
from suture.runs.watch import Advance
from suture.spec.at import read_at, spelled
from suture.spec.recipe import SWEPT, StitchStep, SweepStep

Choice = dict[str, Any]
Trial = dict[str, Any]
SIMILARITY = ("cka_linear_biased", "l2")


@dataclass(frozen=True)
class Refused:
    """A combination that is not run, or that gave nothing, and why."""

    choice: Choice
    reason: str


@dataclass(frozen=True)
class Sweep(Verb):
    """``choices`` are the combinations that make sense, all of them tried on the networks; ``refused`` the others.

    Parents are loaded once, so that random ones are drawn once, by the recipe's seed. The seed of a choice is that of
    all the rest.
    """

    step: SweepStep
    context: Context
    parents: Parents
    choices: tuple[Choice, ...]
    refused: tuple[Refused, ...]

    @classmethod
    def prepare(cls, step: SweepStep, context: Context) -> "Sweep":
        context = replace(context, watch=Once(context.watch))
        parents = load_parents(step.stitch, context)
        choices, refused = [], []
        for choice in step.choices:
            try:
                stitch_of(step, choice, context, parents)
            except UsageError as error:
                refused.append(Refused(choice, error.given))
            else:
                choices.append(choice)
        if not choices:
            raise PlanError(
                f"none of {len(refused)} combinations makes a stitch:{_rows(refused)}",
                expected="one or more that do",
                instead="other values, or other networks",
            )
        return cls(step, context, parents, tuple(choices), tuple(refused))

    def run(self, folder: RunFolder) -> Outcome:
        """Every trial lies in ``trials/KEY`` and is a finished run: ``run:FOLDER/trials/KEY``."""
        refused = list(self.refused)
        if refused:
            every = len(refused) + len(self.choices)
            self.context.watch.say(f"{len(refused)} of {every} combinations are left out:{_rows(refused)}")
        trials: list[Trial] = []
        results: list[dict[str, Any]] = []
        digest = self.parents.data.digest()
        for number, choice in enumerate(self.choices, 1):
            stitch = stitch_of(self.step, choice, self.context, self.parents)
            kept = self._done(folder, stitch, digest, f"trial {number} of {len(self.choices)}: {_spelled(choice)}")
            if "reason" in kept:
                refused.append(Refused(choice, kept["reason"]))
                continue
            results.append(kept["result"])
            trials.append(_row(choice, stitch, kept))
        if not trials:
            raise TrainingError(
                f"none of the trials came to an end:{_rows(refused)}", expected="a finite loss", instead="a smaller lr"
            )
        first = results[0]
        result = {
            "run": folder.path.name,
            "data": self.parents.data.name,
            "split": first["split"],
            "n": first["n"],
            "parents": first["parents"],
            "over": list(self.step.over),
            "trials": trials,
            "skipped": _counted(refused),
        }
        self._write(folder, result)
        return Outcome(result, self.context.record("sweep", (), first["n"], first["split"], self.parents.data))

    def _done(self, folder: RunFolder, stitch: Stitch, data: str, label: str) -> dict[str, Any]:
        """``place`` and ``result`` of a trial, or the ``reason`` why it came to no end; recalled where it is known."""
        key = _key(stitch, data)
        kept = folder.ledger.get(key)
        if kept is None:
            self.context.watch.say(label)
            place = f"trials/{key[:16]}"
            try:
                kept = {"place": place, "result": self._result(folder, stitch, place)}
            except TrainingError as error:
                self.context.watch.say(f"  {error.given}")
                kept = {"place": place, "reason": error.given}
            folder.ledger.add(key, kept)
        return kept

    def _result(self, folder: RunFolder, stitch: Stitch, place: str) -> dict[str, Any]:
        path, text = folder.path / place, resolved(stitch.context.recipe.as_data())
        finished = check_run(path, text)
        if finished is not None:
            return finished
        with open_run(path, text) as inner:
            outcome = stitch.run(inner)
            inner.finish(outcome.result, outcome.record.as_dict())
            (path / STATE).unlink(missing_ok=True)
        return outcome.result

    def _write(self, folder: RunFolder, result: dict[str, Any]) -> None:
        write_text(folder.path / "trials.csv", trials_csv(result))
        varied = varies(result["trials"], result["over"])
        low = "lowrank" in self.step.over.get("adapter", (self.step.stitch.adapter,))
        unranked = "not given" if low else "full"
        if "at" in varied:
            places = self._in_order(result["trials"])
            accuracy_over_depth(result, places, folder.plots / "depth.png", unranked=unranked)
        if "rank" in varied:
            accuracy_over_rank(result, folder.plots / "rank.png", unranked=unranked)

    def _in_order(self, trials: Iterable[Trial]) -> list[str]:
        """Where trials are joined, in the order in which the networks compute it."""
        depths = [[cut.name for cut in side.traced.cuts(fine=True)] for side in self.parents.sides]

        def depth(at: str) -> list[tuple[int, int]]:
            pairs = zip(read_at(at), depths, depths[1:], strict=False)
            return [(before.index(x), after.index(y)) for (x, y), before, after in pairs]

        return sorted({trial["at"] for trial in trials}, key=depth)


class Once(Watch):
    """Says a thing once, however many trials say it."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.said: set[str] = set()

    def say(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.watch.say(text)

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Advance]:
        with self.watch.task(label, total) as advance:
            yield advance


def stitch_of(step: SweepStep, choice: Choice, context: Context, parents: Parents) -> Stitch:
    """One combination, checked on the networks; its context's recipe is that of this stitch alone."""
    chosen: StitchStep = step.chosen(choice)
    told = {"steps": (chosen,), "seed": choice.get("seed", context.seed)}
    own = replace(context, recipe=context.recipe.model_copy(update=told), started=time.perf_counter())
    return Stitch.of(chosen, own, parents)


def _key(stitch: Stitch, data: str) -> str:
    """A trial is the same trial if plan, step, seed, data and weights are; the plan has the digests of the weights."""
    plan = planned(stitch.parents.sides, stitch.seams, [stitch.step.spec] * len(stitch.seams), stitch.new_head)
    told = [plan.key, stitch.step.model_dump(mode="json"), stitch.context.seed, data]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _row(choice: Choice, stitch: Stitch, kept: Mapping[str, Any]) -> Trial:
    result, plain = kept["result"], stitch.step.model_dump(mode="json") | {"seed": stitch.context.seed}
    plain["at"] = spelled((x.name, y.name) for x, y in stitch.seams)
    return {
        **{key: reduce(getitem, (*SWEPT[key], key), plain) for key in choice},
        **{name: result[name] for name in ("accuracy", "cross_entropy", "relative_accuracy", "agreement")},
        "similarity": {name: result["similarity"]["after"][name] for name in SIMILARITY},
        "folder": kept["place"],
    }


def _counted(refused: Iterable[Refused]) -> list[dict[str, Any]]:
    """Each reason once, with how many combinations it holds for and the first of them."""
    told: dict[str, dict[str, Any]] = {}
    for one in refused:
        told.setdefault(one.reason, {"count": 0, "reason": one.reason, "first": one.choice})["count"] += 1
    return list(told.values())


def _rows(refused: Iterable[Refused]) -> str:
    rows = (f"\n  {one['count']}: {one['reason']} (first {_spelled(one['first'])})" for one in _counted(refused))
    return "".join(rows)


def _spelled(choice: Choice) -> str:
    return ", ".join(
        f"{key} {json.dumps(value) if not isinstance(value, str) else value}" for key, value in choice.items()
    )
