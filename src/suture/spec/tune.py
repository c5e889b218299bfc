"""The step that looks for how a fusion is best trained."""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from suture.spec.fuse import FuseStep
from suture.spec.stage import Schedule
from suture.spec.step import Count, Step

Tuned = Literal["lr", "weight_decay", "dropout", "schedule"]
Range = tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], Annotated[float, Field(gt=0, allow_inf_nan=False)]]


class TuneStep(Step):
    """Train a fusion ``trials`` times with other settings, then once more with those that were best on validation.

    ``over`` names what is tried: ``lr`` multiplies the rates of all stages by a factor from the range ``lr``,
    ``weight_decay`` and ``dropout`` are drawn from theirs (rates, factors and decays evenly on a logarithmic scale),
    ``schedule`` is one of a few. Optuna's TPE sampler, seeded, proposes them. The test images are scored for the last
    training only; ``fuse`` says whether that has controls, seeds and folds.
    """

    verb: ClassVar[str] = "tune"
    fuse: FuseStep
    trials: Count = 20
    over: Annotated[tuple[Tuned, ...], Field(min_length=1)] = get_args(Tuned)
    lr: Range = (0.1, 10.0)
    weight_decay: Range = (1e-6, 1e-1)
    dropout: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.0, 0.7)
    schedule: Annotated[tuple[Schedule, ...], Field(min_length=1)] = get_args(Schedule)

    @model_validator(mode="after")
    def _from_low_to_high(self) -> Self:
        for name in ("lr", "weight_decay", "dropout"):
            low, high = getattr(self, name)
            if low >= high:
                raise ValueError(
                    f"{name} from {low:g} to {high:g}; expected a lower and a higher number; instead "
                    f"{name}: [{min(low, high):g}, {max(low, 2 * low, 0.1):g}]"
                )
        return self

    @property
    def single(self) -> FuseStep:
        """What a trial trains: the fusion itself, once, with the validation images that it has."""
        once = {"controls": False, "seeds": 1} | ({} if self.fuse.fold else {"folds": None})
        return self.fuse.model_copy(update=once)

    def chosen(self, choice: dict[str, Any], step: FuseStep) -> FuseStep:
        """``step`` with the settings of a trial."""
        factor, stages = choice.get("lr", 1.0), []
        for stage in step.stages:
            told: dict[str, Any] = {"lr": stage.lr * factor}
            told["lr_of"] = {part: rate * factor for part, rate in stage.lr_of.items()}
            if "weight_decay" in choice:
                told["weight_decay"] = choice["weight_decay"]
            if "schedule" in choice:
                told |= {"schedule": choice["schedule"]}
                told |= {} if choice["schedule"] == "cosine" else {"period": None}
            stages.append(stage.model_copy(update=told))
        return step.model_copy(
            update={"stages": tuple(stages), "dropout": choice.get("dropout", step.dropout)},
        )
