"""``search``: every pair of cuts scored, the best few trained, the winner held against its parents."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from suture.adapters import build
from suture.data.augment import AugmentedImages
from suture.data.dataset import DataSet, Split
from suture.evaluation import Scores, evaluate, mcnemar
from suture.hybrids import Hybrid, join, load, save
from suture.recipes import report
from suture.recipes.context import Context, check_outputs
from suture.recipes.parents import Parents, load_parents
from suture.recipes.stitch import adapter_spec, fitted, told
from suture.recipes.tail import Effort, Progress, check_learns, train_hybrid
from suture.recipes.verb import STATE, Outcome, Verb
from suture.runs import RunFolder
from suture.selection import Grid, PairScore, score_pairs
from suture.spec.cut import Cut
from suture.spec.names import BUNDLED
from suture.spec.plan import stitch_plan
from suture.spec.recipe import SearchStep
from suture.spec.record import scores
from suture.spec.source import parse_source

GRID = "grid"


@dataclass(frozen=True)
class Search(Verb):
    step: SearchStep
    context: Context
    parents: Parents

    @classmethod
    def prepare(cls, step: SearchStep, context: Context) -> "Search":
        parents = load_parents(step, context)
        for side, count in zip((parents.a, parents.b), parents.outputs, strict=True):
            check_outputs(side.origin, count, parents.data)
        parents.data.split("test")
        half = parents.a.middle(), parents.b.middle()
        check_learns(join(parents.a, parents.b, half, build(adapter_spec(step), *half)), step.stage)
        data = parents.data.with_validation(context.seed)
        return cls(step, context, replace(parents, data=data))

    def run(self, folder: RunFolder) -> Outcome:
        data = self._choosing_on(self.parents.data)
        grid = self._grid(folder, data)
        chosen = grid.best(self.step.top)
        half = self._half(grid)
        trials = {(pair.a, pair.b): self._trial(folder, pair, data, number) for number, pair in enumerate(chosen, 1)}
        if (half.a, half.b) not in trials:
            trials[half.a, half.b] = self._trial(folder, half, data, len(chosen) + 1)
        best = max(
            chosen,
            key=lambda pair: (trials[pair.a, pair.b]["accuracy"], -trials[pair.a, pair.b]["cross_entropy"]),
        )
        return self._outcome(folder, grid, trials, best, half, data)

    def _choosing_on(self, data: DataSet) -> DataSet:
        """Validation images that a parent may have learnt by heart are shown flipped and shifted."""
        if not self._notes():
            return data
        held = data.split("val")
        changed = AugmentedImages(held.images, ("flip", "crop"), self.context.seed)
        return replace(data, val=Split(changed, held.labels))

    def _grid(self, folder: RunFolder, data: DataSet) -> Grid:
        """Scores of all pairs; computed once a run folder."""
        key = self._key(GRID)
        kept = folder.ledger.get(key)
        if kept is None:
            a, b = self.parents.a, self.parents.b
            total = len(a.cuts) * len(b.cuts)
            with self.context.watch.task(f"scoring {total} pairs of cuts", total) as advance:
                grid = score_pairs(
                    a,
                    b,
                    adapter_spec(self.step),
                    data.train.first(self.step.fit_images),
                    data.split("val").spread(self.step.score_images),
                    seed=self.context.seed,
                    device=self.context.device,
                    tell=lambda label, done: advance(label if done % 10 == 0 else "", done),
                )
            kept = asdict(grid)
            folder.ledger.add(key, kept)
        pairs = tuple(PairScore(**pair) for pair in kept["pairs"])
        return Grid(tuple(kept["a"]), tuple(kept["b"]), pairs, kept["cost_fpe"])

    @cached_property
    def data_digest(self) -> str:
        return self.parents.data.digest()

    def _half(self, grid: Grid) -> PairScore:
        """Cut in half: the middle block cut of each, by count."""
        names = self.parents.a.middle().name, self.parents.b.middle().name
        return next(pair for pair in grid.pairs if (pair.a, pair.b) == names)

    def _cuts(self, pair: PairScore) -> tuple[Cut, Cut]:
        return self.parents.a.traced.find(pair.a), self.parents.b.traced.find(pair.b)

    def _trial(self, folder: RunFolder, pair: PairScore, data: DataSet, number: int) -> dict[str, Any]:
        """Train one pair, or recall how it went; its weights lie in ``trials/KEY``."""
        step, context = self.step, self.context
        x, y = cuts = self._cuts(pair)
        plan = stitch_plan(self.parents.a.part(x), self.parents.b.part(y), adapter_spec(step))
        key = self._key(plan.key)
        kept = folder.ledger.get(key)
        if kept is not None:
            return kept
        place = f"trials/{key[:16]}"
        hybrid, residual = fitted(step, self.parents, cuts, context, None, data.train.first(step.fit_images))
        (folder.path / place).mkdir(parents=True, exist_ok=True)
        name = f"{pair.a}:{pair.b}"
        held = data.split("val")
        effort = Effort([], 0, 0, cached=False)
        if step.stage.epochs:
            with context.watch.task(f"training hybrid {number}, {name}", step.stage.epochs) as advance:
                progress = Progress(folder, advance, f"{place}/{STATE}", {"pair": name})
                effort = train_hybrid(hybrid, step.stage, data, context, progress)
        found = evaluate(hybrid, held, device=context.device)
        hybrid.cpu().classes = data.classes
        save(hybrid, folder.path / place, (step.a, step.b), seed=context.seed)
        fitted_on = 0 if residual is None else min(step.fit_images, len(data.train))
        trial = {
            "plan": plan.key,
            "place": place,
            "pair": name,
            "residual": residual,
            "history": effort.history,
            "cached": effort.cached,
            "images": {"fit": fitted_on, "encoder": effort.encoder + len(held), "tail": effort.tail + len(held)},
            **found.numbers(),
        }
        folder.ledger.add(key, trial)
        (folder.path / place / STATE).unlink(missing_ok=True)
        return trial

    def _key(self, what: str) -> str:
        """A trial is the same trial if plan, step, seed, data and weights are."""
        told = [what, self.step.model_dump(mode="json"), self.context.seed, self.data_digest]
        told += [self.parents.a.digest, self.parents.b.digest]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _outcome(
        self,
        folder: RunFolder,
        grid: Grid,
        trials: dict[tuple[str, str], dict[str, Any]],
        best: PairScore,
        half: PairScore,
        data: DataSet,
    ) -> Outcome:
        """Only now the test images: for the winner, the baseline and the parents."""
        a, b = self.parents.a, self.parents.b
        sides = self.parents.scored("test", self.context.device)

        def final(pair: PairScore) -> tuple[dict[str, Any], Hybrid, Scores]:
            trial = trials[pair.a, pair.b]
            hybrid = load(folder.path / trial["place"], (a, b))
            found = evaluate(hybrid, data.split("test"), device=self.context.device)
            numbers = {
                "a": pair.a,
                "b": pair.b,
                "plan": hybrid.plan.key,
                "val_accuracy": trial["accuracy"],
                **found.numbers(),
                "agreement": {n: found.agreement(s) for n, s in zip("ab", sides, strict=True) if s},
                "parameters": pair.params,
                "macs": pair.macs,
            }
            return numbers, hybrid.cpu(), found

        winner, hybrid, found = final(best)
        baseline, _, _ = final(half)
        save(hybrid, folder.path, (self.step.a, self.step.b), seed=self.context.seed)
        result = {
            "run": folder.path.name,
            "pairs": [self._pair(pair, trials.get((pair.a, pair.b))) for pair in grid.pairs],
            "best": winner,
            "baseline": baseline,
            "parents": {
                name: told(side.origin, numbers) | {"parameters": side.traced.parameters, "macs": side.traced.macs}
                for name, side, numbers in zip("ab", (a, b), sides, strict=True)
            },
            "against_better_parent": self._against(found, sides, data),
            "data": data.name,
            "n": found.n,
            "split": "test",
            "n_val": len(data.split("val")),
            "val_augmented": bool(self._notes()),
            "cost_fpe": self._cost(grid, trials, (best, half), found.n),
            "notes": self._notes(),
        }
        report.write_search(folder, result, grid, trials, self.context.recipe)
        numbers = scores(found.accuracy, found.cross_entropy)
        return Outcome(result, self.context.record("search", numbers, found.n, "test", data, hybrid.plan.key))

    def _against(self, found: Scores, sides: tuple[Scores | None, ...], data: DataSet) -> dict[str, Any]:
        """The winner beside the better parent, image by image."""
        name, better = max(
            ((name, side) for name, side in zip("ab", sides, strict=True) if side), key=lambda item: item[1].accuracy
        )
        paired = mcnemar(found, better, data.split("test").labels)
        return {
            "parent": name,
            "only_hybrid_right": paired.only_first,
            "only_parent_right": paired.only_second,
            "p_value": paired.p_value,
        }

    def _pair(self, pair: PairScore, trial: dict[str, Any] | None) -> dict[str, Any]:
        predictors = {
            "functional_accuracy": pair.accuracy,
            "functional_cross_entropy": pair.cross_entropy,
            "residual": pair.residual,
            "macs": pair.macs,
            "parameters": pair.params,
        }
        known = {"accuracy": trial["accuracy"]} if trial else {}
        return {"a": pair.a, "b": pair.b, "score": pair.accuracy, "predictors": predictors} | known

    def _cost(
        self, grid: Grid, trials: dict[tuple[str, str], dict[str, Any]], tested: tuple[PairScore, ...], n: int
    ) -> float:
        """In FPE: the grid, what each trial ran, and the ``n`` test images through hybrids and parents."""
        a, b = self.parents.a.traced, self.parents.b.traced
        whole = a.macs + b.macs
        macs = {(pair.a, pair.b): pair.macs for pair in grid.pairs}
        cost = grid.cost_fpe + n * (1 + sum(pair.macs for pair in tested) / whole)
        for (x, y), trial in trials.items():
            encoder, images = a.find(x).macs_before, trial["images"]
            tail = macs[x, y] - encoder
            fit = images["fit"] * (encoder + b.find(y).macs_before)
            cost += (fit + images["encoder"] * encoder + images["tail"] * tail) / whole
        return round(cost, 1)

    def _notes(self) -> list[str]:
        """Who may have seen the validation images in training, so that their accuracy flatters."""
        notes = []
        for text, side in ((self.step.a, self.parents.a), (self.step.b, self.parents.b)):
            source = parse_source(text)
            ours = source.kind == "zoo" and source.name in BUNDLED and source.weights is None
            if source.random:
                continue
            if not ours:
                notes.append(f"{side.origin} was trained elsewhere and may have seen the validation images")
            elif self.parents.data.name == "sample":
                notes.append(f"{side.origin} was trained on the validation images of the sample")
        return list(dict.fromkeys(notes))
