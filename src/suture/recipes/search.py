"""``search``: every way to join scored, the best few trained, the winner held against its parents."""

from dataclasses import dataclass, replace
from typing import Any

from suture.adapters import build
from suture.data.augment import AugmentedImages
from suture.data.dataset import DataSet
from suture.evaluation import Scores, evaluate, mcnemar
from suture.hybrids import Saved, find_seams, join, load, save
from suture.recipes import report
from suture.recipes.context import Context, check_outputs
from suture.recipes.parents import Parents, load_parents
from suture.recipes.stitch import told
from suture.recipes.tail import check_learns
from suture.recipes.teaching import check_objective
from suture.recipes.trials import Trial, Trials
from suture.recipes.verb import Outcome, Verb
from suture.runs import RunFolder
from suture.selection import ChainScore, Explored, explore
from suture.spec.at import At, spelled
from suture.spec.names import BUNDLED
from suture.spec.recipe import SearchStep
from suture.spec.record import scores
from suture.spec.source import parse_source


@dataclass(frozen=True)
class Search(Verb):
    """``even`` is the baseline: where each parent gives an equal share of its block cuts, as half of each of two."""

    step: SearchStep
    context: Context
    parents: Parents
    even: At

    @classmethod
    def prepare(cls, step: SearchStep, context: Context) -> "Search":
        parents = load_parents(step, context)
        for name, side in parents.named.items():
            check_outputs(side.origin, parents.outputs[name], parents.data)
        parents.data.split("test")
        seams = find_seams(parents.sides)
        adapters = [build(step.spec, *seam) for seam in seams]
        hybrid = join(parents.sides, seams, adapters)
        check_learns(hybrid, step.stage, parents.data)
        check_objective(hybrid, step.stage, parents, seams[-1])
        data = parents.data.with_validation(context.seed)
        return cls(step, context, replace(parents, data=data), tuple((x.name, y.name) for x, y in seams))

    def run(self, folder: RunFolder) -> Outcome:
        trials = Trials(self.step, self.context, self.parents, self._choosing_on(self.parents.data), folder)
        explored = explore(self.even, self.step.top, trials.score, trials.goes_on)
        chosen, half = explored.best(self.step.top), explored.find(self.even)
        done = {chain.at: trials.train(chain, number) for number, chain in enumerate(chosen, 1)}
        if half.at not in done:
            done[half.at] = trials.train(half, len(chosen) + 1)
        best = max(chosen, key=lambda chain: (done[chain.at]["accuracy"], -done[chain.at]["cross_entropy"]))
        return self._outcome(trials, explored, done, best, half)

    def _choosing_on(self, data: DataSet) -> DataSet:
        """Validation images that a parent may have learnt by heart are shown flipped and shifted."""
        if not self._notes():
            return data
        held = data.split("val")
        changed = AugmentedImages(held.images, ("flip", "crop"), self.context.seed)
        return replace(data, val=replace(held, images=changed))

    def _outcome(
        self, trials: Trials, explored: Explored, done: dict[At, Trial], best: ChainScore, half: ChainScore
    ) -> Outcome:
        """Only now the test images: for the winner, the baseline and the parents."""
        folder, data = trials.folder, trials.data
        sides = self.parents.scored("test", self.context.device)

        def final(chain: ChainScore) -> tuple[dict[str, Any], Saved, Scores]:
            trial = done[chain.at]
            hybrid = load(folder.path / trial["place"], self.parents.sides)
            found = evaluate(hybrid, data.split("test"), device=self.context.device)
            numbers = {
                **_place(chain),
                "plan": trial["plan"],
                "val_accuracy": trial["accuracy"],
                **found.numbers(),
                "agreement": {name: found.agreement(side) for name, side in sides.items() if side},
                "parameters": chain.score.params,
                "macs": chain.score.macs,
            }
            return numbers, hybrid.cpu(), found

        winner, hybrid, found = final(best)
        baseline, _, _ = final(half)
        save(hybrid, folder.path, tuple(self.step.networks.values()), seed=self.context.seed)
        result = {
            "run": folder.path.name,
            "pairs": [_scored(chain, done.get(chain.at)) for chain in explored.chains],
            "best": winner,
            "baseline": baseline,
            "parents": {
                name: told(side.origin, sides[name]) | {"parameters": side.traced.parameters, "macs": side.macs}
                for name, side in self.parents.named.items()
            },
            "against_better_parent": self._against(found, sides, data),
            "data": data.name,
            "n": found.n,
            "split": "test",
            "n_val": len(data.split("val")),
            "val_augmented": bool(self._notes()),
            "cost_fpe": self._cost(trials, explored, done, (best, half), found.n),
            "notes": self._notes(),
        }
        report.write_search(folder, result, explored, best, half, done, self.context.recipe)
        numbers = scores(found.accuracy, found.cross_entropy)
        return Outcome(result, self.context.record("search", numbers, found.n, "test", data, winner["plan"]))

    def _against(self, found: Scores, sides: dict[str, Scores | None], data: DataSet) -> dict[str, Any]:
        """The winner beside the better parent, image by image."""
        name, better = max(((name, side) for name, side in sides.items() if side), key=lambda item: item[1].accuracy)
        paired = mcnemar(found, better, data.split("test").labels)
        return {
            "parent": name,
            "only_hybrid_right": paired.only_first,
            "only_parent_right": paired.only_second,
            "p_value": paired.p_value,
        }

    def _cost(
        self, trials: Trials, explored: Explored, done: dict[At, Trial], tested: tuple[ChainScore, ...], n: int
    ) -> float:
        """In FPE: the rounds, what each trial ran, and the ``n`` test images through hybrids and parents."""
        testing = n * (1 + sum(chain.score.macs for chain in tested) / self.parents.macs)
        return round(explored.cost_fpe + testing + sum(trials.cost(trial) for trial in done.values()), 1)

    def _notes(self) -> list[str]:
        """Who may have seen the validation images in training, so that their accuracy flatters."""
        notes = []
        for text, side in zip(self.step.networks.values(), self.parents.sides, strict=True):
            source = parse_source(text)
            ours = source.kind == "zoo" and source.name in BUNDLED and source.weights is None
            if source.random:
                continue
            if not ours:
                notes.append(f"{side.origin} was trained elsewhere and may have seen the validation images")
            elif self.parents.data.name == "sample":
                notes.append(f"{side.origin} was trained on the validation images of the sample")
        return list(dict.fromkeys(notes))


def _place(chain: ChainScore) -> dict[str, Any]:
    """Where a hybrid is joined: two cuts for two networks, else ``at``."""
    if len(chain.at) > 1:
        return {"at": [spelled([pair]) for pair in chain.at]}
    return {"a": chain.score.a, "b": chain.score.b}


def _scored(chain: ChainScore, trial: Trial | None) -> dict[str, Any]:
    score = chain.score
    predictors = {
        "functional_accuracy": score.accuracy,
        "functional_cross_entropy": score.cross_entropy,
        "residual": score.residual,
        "macs": score.macs,
        "parameters": score.params,
    }
    known = {"accuracy": trial["accuracy"]} if trial else {}
    return {**_place(chain), "score": score.accuracy, "predictors": predictors} | known
