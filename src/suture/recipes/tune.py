"""``tune``: a fusion trained many times with other settings, and once with the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from suture.errors import TrainingError, UsageError
from suture.recipes.context import Context
from suture.recipes.fuse import Fuse
from suture.recipes.text import resolved
from suture.recipes.verb import Outcome, Verb, finished
from suture.runs import RunFolder, check_run
from suture.spec.recipe import TuneStep


@dataclass(frozen=True)
class Tune(Verb):
    """``first`` is the fusion as it was asked for, loaded and checked."""

    step: TuneStep
    context: Context
    first: Fuse

    @classmethod
    def prepare(cls, step: TuneStep, context: Context) -> "Tune":
        _optuna()
        return cls(step, context, Fuse.prepare(step.fuse, context))

    def run(self, folder: RunFolder) -> Outcome:
        """Finished trials are not run again: their settings come out again in the same order, as the seed says."""
        optuna, step = _optuna(), self.step
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=self.context.seed, n_startup_trials=5)
        )
        trials = []
        for number in range(1, step.trials + 1):
            asked = study.ask()
            choice = dict(self._choice(asked))
            found = self._tried(choice, folder.path / "trials" / str(number))
            state = optuna.trial.TrialState.FAIL if found is None else None
            study.tell(asked, found and found["val_accuracy"], state=state)
            trials.append({"number": number, **choice, "val_accuracy": found and found["val_accuracy"]})
            told = "nothing finite" if found is None else f"{found['val_accuracy']:.4f} of validation"
            self.context.watch.say(f"trial {number} of {step.trials}: {told} with {spelled(choice)}")
        known = [trial for trial in trials if trial["val_accuracy"] is not None]
        if not known:
            raise TrainingError(
                f"none of {step.trials} trials gave finite losses",
                expected="rates at which the fusion learns",
                instead="a lower range of factors: lr: [0.01, 1]",
            )
        best = max(known, key=lambda trial: trial["val_accuracy"])
        choice = {name: best[name] for name in step.over}
        self.context.watch.say(f"training with the settings of trial {best['number']}: {spelled(choice)}")
        outcome = self._fuse(choice, self.context).run(folder)
        return replace(outcome, result=outcome.result | {"tuning": {"best": best["number"], "trials": trials}})

    def _choice(self, asked: Any) -> Iterator[tuple[str, Any]]:
        """The settings that a trial proposes."""
        for name in self.step.over:
            if name == "schedule":
                yield name, asked.suggest_categorical(name, self.step.schedule)
            else:
                low, high = getattr(self.step, name)
                yield name, asked.suggest_float(name, low, high, log=name != "dropout")

    def _tried(self, choice: dict[str, Any], place: Path) -> dict[str, Any] | None:
        """The result of a trial, on validation only; None where it diverged."""
        single = self.step.chosen(choice, self.step.single)
        recipe = self.context.recipe.model_copy(update={"steps": (single,)})
        context = replace(self.context, recipe=recipe)
        text = resolved(recipe.as_data())
        known = check_run(place, text)
        if known is not None:
            return known
        trial = Fuse.of(single, context, self.first.parents, replace(self.first.whole, test=None))
        try:
            return finished(trial, place, text)
        except TrainingError:
            return None

    def _fuse(self, choice: dict[str, Any], context: Context) -> Fuse:
        chosen = self.step.chosen(choice, self.step.fuse)
        own = replace(context, recipe=context.recipe.model_copy(update={"steps": (chosen,)}))
        return Fuse.of(chosen, own, self.first.parents, self.first.whole)


def spelled(choice: dict[str, Any]) -> str:
    """In words; what is chosen of ``lr`` is a factor."""
    words = {name: value if isinstance(value, str) else f"{value:.3g}" for name, value in choice.items()}
    return ", ".join(f"{name} {'× ' if name == 'lr' else ''}{value}" for name, value in words.items())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "tuning needs optuna, which is not installed here",
            expected="the extra optuna",
            instead="pip install 'suture[optuna]'",
        ) from error
    return optuna
