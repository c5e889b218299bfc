"""The work of a search, piece by piece: done once a run folder, and recalled from its ledger after that."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from suture.adapters import build
from suture.data.dataset import DataSet
from suture.evaluation import evaluate
from suture.hybrids import Seam, find_seams, fit_adapters, fit_macs, fronts, planned, save
from suture.recipes.context import Context
from suture.recipes.parents import Parents
from suture.recipes.stitch import fitted, images_of
from suture.recipes.tail import Effort, Progress, train_hybrid
from suture.recipes.verb import STATE
from suture.runs import RunFolder
from suture.selection import ChainScore, Grid, PairScore, score_pairs
from suture.spec.at import At, spelled
from suture.spec.recipe import SearchStep

GRID = "grid"
Trial = dict[str, Any]


@dataclass(frozen=True)
class Trials:
    """``data`` is what the parents' data are to choose on: its validation images may be changed ones."""

    step: SearchStep
    context: Context
    parents: Parents
    data: DataSet
    folder: RunFolder

    def score(self, before: At) -> Grid:
        """Scores of every pair of cuts that may join the next network to the chain ``before``."""
        key = self._key(" ".join([GRID, *([spelled(before)] if before else [])]))
        kept = self.folder.ledger.get(key)
        if kept is None:
            kept = asdict(self._scored(before))
            self.folder.ledger.add(key, kept)
        pairs = tuple(PairScore(**pair) for pair in kept["pairs"])
        return Grid(tuple(kept["a"]), tuple(kept["b"]), pairs, kept["cost_fpe"])

    def goes_on(self, at: At) -> bool:
        """Whether the last network joined has a block cut left to be cut at again."""
        side = self.parents.sides[len(at)]
        later = side.later(side.traced.find(at[-1][1]))
        return any(cut.name in later for cut in side.cuts)

    def train(self, chain: ChainScore, number: int) -> Trial:
        """How the training of one hybrid went; its weights lie in ``trials/KEY``."""
        sides, seams = self.parents.sides, self._seams(chain.at)
        key = self._key(planned(sides, seams, [self.step.spec] * len(seams)).key)
        kept = self.folder.ledger.get(key)
        if kept is None:
            place = f"trials/{key[:16]}"
            kept = self._trained(chain, number, place)
            self.folder.ledger.add(key, kept)
            (self.folder.path / place / STATE).unlink(missing_ok=True)
        return kept

    def cost(self, trial: Trial) -> float:
        """What a trial ran, in FPE: one image through every parent is 1."""
        macs: int = sum(count * trial["macs"][what] for what, count in trial["images"].items())
        return macs / self.parents.macs

    def _scored(self, before: At) -> Grid:
        step, context, sides, unit = self.step, self.context, self.parents.sides, self.parents.macs
        seams = self._seams(before)
        adapters = [build(step.spec, *seam, seed=context.seed) for seam in seams]
        fit_split = self.data.train.first(step.fit_images)
        joined, following = sides[: len(seams) + 1], sides[len(seams) + 1]
        fit_adapters(adapters, joined, seams, lambda: images_of(fit_split), context.device)
        front = fronts(joined, seams, adapters)[-1]
        total = len(front.cuts) * len(following.cuts)
        label = f"scoring {total} pairs of cuts" + (f" after {spelled(before)}" if before else "")
        with context.watch.task(label, total) as advance:
            grid = score_pairs(
                front,
                following,
                step.spec,
                fit_split,
                self.data.split("val").spread(step.score_images),
                seed=context.seed,
                device=context.device,
                unit=unit,
                tell=lambda label, done: advance(label if done % 10 == 0 else "", done),
            )
        return replace(grid, cost_fpe=grid.cost_fpe + len(fit_split) * fit_macs(joined, seams, adapters) / unit)

    def _trained(self, chain: ChainScore, number: int, place: str) -> Trial:
        step, context, data, seams = self.step, self.context, self.data, self._seams(chain.at)
        hybrid, residuals = fitted(step, self.parents, seams, context, None, data.train.first(step.fit_images))
        (self.folder.path / place).mkdir(parents=True, exist_ok=True)
        held = data.split("val")
        effort = Effort([], 0, 0, cached=False)
        if step.stage.epochs:
            with context.watch.task(f"training hybrid {number}, {chain.name}", step.stage.epochs) as advance:
                progress = Progress(self.folder, advance, f"{place}/{STATE}", {"pair": chain.name})
                effort = train_hybrid(hybrid, step.stage, self.parents, seams[-1], data, context, progress)
        found = evaluate(hybrid, held, device=context.device)
        hybrid.cpu().classes = data.classes
        save(hybrid, self.folder.path / place, tuple(step.networks.values()), seed=context.seed)
        fitted_on = min(step.fit_images, len(data.train)) if any(r is not None for r in residuals) else 0
        encoder = seams[0][0].macs_before
        return {
            "plan": hybrid.plan.key,
            "place": place,
            "pair": chain.name,
            "residual": residuals[0] if len(residuals) == 1 else residuals,
            "history": effort.history,
            "cached": effort.cached,
            "images": {
                "fit": fitted_on,
                "encoder": effort.encoder + len(held),
                "tail": effort.tail + len(held),
                "taught": effort.taught,
            },
            "macs": {
                "fit": fit_macs(self.parents.sides, seams, hybrid.adapters),
                "encoder": encoder,
                "tail": chain.score.macs - encoder,
                "taught": effort.taught_macs,
            },
            **found.numbers(),
        }

    def _seams(self, at: At) -> tuple[Seam, ...]:
        return find_seams(self.parents.sides[: len(at) + 1], at)

    @cached_property
    def _data_digest(self) -> str:
        return self.parents.data.digest()

    def _key(self, what: str) -> str:
        """A trial is the same trial if plan, step, seed, data and weights are."""
        told = [what, self.step.model_dump(mode="json"), self.context.seed, self._data_digest]
        told += [side.digest for side in self.parents.sides]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
