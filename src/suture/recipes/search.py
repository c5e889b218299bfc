"""``search``: every pair of cuts scored, the best few trained, the winner held against its parents."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from suture.data.augment import AugmentedImages
from suture.data.dataset import DataSet, Split
from suture.evaluation import Scores, evaluate, mcnemar
from suture.hybrids import Hybrid, load, save
from suture.recipes import report
from suture.recipes.context import Context, check_outputs
from suture.recipes.parents import Parents, load_parents
from suture.recipes.stitch import adapter_spec, fitted, told
from suture.recipes.tail import Progress, train_hybrid
from suture.recipes.verb import Outcome, Verb
from suture.runs import RunFolder
from suture.selection import Grid, PairScore, score_pairs
from suture.spec.cut import Cut
from suture.spec.names import BUNDLED
from suture.spec.plan import stitch_plan
from suture.spec.recipe import SearchStep
from suture.spec.record import scores

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
            side.traced.cuts()
        parents.data.split("test")
        adapter_spec(step)
        return cls(step, context, parents)

    def run(self, folder: RunFolder) -> Outcome:
        whole = self.parents.data
        data = self._choosing_on(whole.with_validation(self.context.seed))
        grid = self._grid(folder, data, whole.digest())
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

    def _grid(self, folder: RunFolder, data: DataSet, digest: str) -> Grid:
        """Scores of all pairs; computed once a run folder."""
        key = self._key(GRID, digest)
        kept = folder.ledger.get(key)
        if kept is None:
            a, b = self.parents.a, self.parents.b
            total = len(a.traced.cuts()) * len(b.traced.cuts())
            with self.context.watch.task(f"scoring {total} pairs of cuts", total) as advance:
                grid = score_pairs(
                    a,
                    b,
                    adapter_spec(self.step),
                    data.train.first(self.step.fit_images),
                    data.split("val").first(self.step.score_images),
                    seed=self.context.seed,
                    device=self.context.device,
                    tell=lambda label, done: advance(label if done % 10 == 0 else "", done),
                )
            kept = asdict(grid)
            folder.ledger.add(key, kept)
        pairs = tuple(PairScore(**pair) for pair in kept["pairs"])
        return Grid(tuple(kept["a"]), tuple(kept["b"]), pairs, kept["cost_fpe"])

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
        key = self._key(plan.key, self.parents.data.digest())
        kept = folder.ledger.get(key)
        if kept is not None:
            return kept
        place = f"trials/{key[:16]}"
        hybrid, residual = fitted(step, self.parents, cuts, context, None, data.train.first(step.fit_images))
        (folder.path / place).mkdir(parents=True, exist_ok=True)
        name = f"{pair.a}:{pair.b}"
        history: list[dict[str, Any]] = []
        if step.stage.epochs:
            with context.watch.task(f"training hybrid {number}, {name}", step.stage.epochs) as advance:
                progress = Progress(folder, advance, f"{place}/state", {"pair": name})
                history = train_hybrid(hybrid, step.stage, data, context, progress)
        found = evaluate(hybrid.to(context.device), data.split("val"), device=context.device)
        hybrid.cpu().classes = data.classes
        save(hybrid, folder.path / place, (step.a, step.b))
        (folder.path / place / "state.safetensors").unlink(missing_ok=True)
        trial = {"place": place, "pair": name, "residual": residual, "history": history, **found.numbers()}
        folder.ledger.add(key, trial)
        return trial

    def _key(self, what: str, digest: str) -> str:
        """A trial is the same trial if step, seed, data and weights are."""
        told = [what, self.step.model_dump(mode="json"), self.context.seed, digest]
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
        sides = Parents(a, b, data, self.parents.outputs).scored("test", self.context.device)

        def final(pair: PairScore) -> tuple[dict[str, Any], Hybrid, Scores]:
            trial = trials[pair.a, pair.b]
            hybrid = load(folder.path / trial["place"], (a, b))
            found = evaluate(hybrid.to(self.context.device), data.split("test"), device=self.context.device)
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
        save(hybrid, folder.path, (self.step.a, self.step.b))
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
            "cost_fpe": self._cost(grid, trials, data),
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

    def _cost(self, grid: Grid, trials: dict[tuple[str, str], dict[str, Any]], data: DataSet) -> float:
        """In FPE: the grid, then per trial its fit, the cached encoder, and tails forward and backward (3 forwards)."""
        whole = self.parents.a.traced.macs + self.parents.b.traced.macs
        macs = {(pair.a, pair.b): pair.macs for pair in grid.pairs}
        fit = min(self.step.fit_images, len(data.train)) if self.step.init == "least-squares" else 0
        cost = grid.cost_fpe
        for names, trial in trials.items():
            encoder = self.parents.a.traced.find(names[0]).macs_before
            tail = macs[names] - encoder
            epochs = len(trial["history"])
            held = len(data.split("val"))
            cost += fit + ((len(data.train) + held) * encoder + epochs * (3 * len(data.train) + held) * tail) / whole
        return round(cost, 1)

    def _notes(self) -> list[str]:
        """Who may have seen the validation images in training, so that their accuracy flatters."""
        notes = []
        for text in (self.step.a, self.step.b):
            name = text.partition("@")[0]
            if name.removeprefix("zoo:") not in BUNDLED:
                notes.append(f"{name} was trained elsewhere and may have seen the validation images")
            elif self.parents.data.name == "sample":
                notes.append(f"{name} was trained on the validation images of the sample")
        return list(dict.fromkeys(notes))
