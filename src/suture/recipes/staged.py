"""Training a fusion stage by stage: while its backbones are frozen they run once, and the head learns from that."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from suture.data.cache import Activations, cache_activations
from suture.data.dataset import DataSet, Split
from suture.data.examples import ImageExamples
from suture.data.load import load_data
from suture.errors import PlanError
from suture.evaluation import evaluate, predict, score
from suture.hybrids import Fusion, save
from suture.recipes.context import Context
from suture.recipes.train import epoch_hooks, labels_loss
from suture.recipes.verb import STATES
from suture.runs import RunFolder
from suture.spec.fuse import STAGES
from suture.spec.stage import Stage
from suture.training import Epoch, Examples, Moving, train

SEEDS = 1000  # each stage draws its epochs from seeds of its own, so many after those of the stage before
STATE = "state-{}.safetensors"


@dataclass(frozen=True)
class Stretch:
    """How one stage went. ``kept`` is the epoch with whose weights it ended, 0 for those it began with.

    As plain data, ``chosen`` says whether validation decided which epoch that is.
    """

    stage: Stage
    history: list[Epoch]
    kept: int
    cached: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the times, which differ from run to run."""
        epochs = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in self.history]
        return {
            "moves": list(self.stage.moves),
            "epochs": len(self.history),
            "kept": self.kept,
            "cached": self.cached,
            "views": self.stage.views if self.cached else 1,
            "chosen": bool(self.history) and (self.stage.keep == "best" or self.stage.patience is not None),
            "history": epochs,
        }


def moving(fusion: Fusion, stage: Stage) -> Moving:
    """The modules that a stage lets learn, those with a rate of their own first. Raises PlanError."""
    allowed = _modules(fusion, stage.moves)
    modules: list[nn.Module] = []
    rates: list[float] = []
    for part in sorted(stage.lr_of, key=_width):
        named = fusion.stage_modules(part)
        if not any(module is other for module in named for other in allowed):
            raise PlanError(
                f"lr_of gives {part} a rate, and only {', '.join(stage.moves)} may move",
                expected="rates of parts that move",
                instead=f"moves: [{', '.join([*stage.moves, part])}], or no rate for {part}",
            )
        for module in named:
            if any(module is other for other in allowed) and not any(module is other for other in modules):
                modules.append(module)
                rates.append(stage.lr_of[part])
    for module in allowed:
        if not any(module is other for other in modules):
            modules.append(module)
            rates.append(stage.lr)
    return Moving(modules, rates, spans=[span for span in fusion.spans if any(span is m for m in allowed)])


def _width(part: str) -> tuple[float, bool, bool]:
    """What sorts narrow parts before wide ones: backbones:1, backbones:2, backbone2, backbones, all."""
    name, _, last = part.partition(":")
    return float(last or math.inf), name == "backbones", name == "all"


def _modules(fusion: Fusion, parts: Iterable[str]) -> list[nn.Module]:
    return list(dict.fromkeys(module for part in parts for module in fusion.stage_modules(part)))


def train_stages(
    fusion: Fusion,
    stages: Iterable[Stage],
    data: DataSet,
    context: Context,
    folder: RunFolder,
    eval_batch: int = 256,
) -> list[Stretch]:
    """Train in place, one stage after the other, each from where the one before ended.

    A stage that moves the head only, on images as they are or in stored views, learns from the features that the
    frozen backbones give: they run once, and stages in a row that want the same features share them. After every
    epoch the validation images are scored. What is finished is kept in the folder's state files, so that a training
    that was broken off goes on after its last epoch, and ends with the same weights as an unbroken one.
    """
    held, done = data.split("val"), []
    known: dict[Any, tuple[Activations, Activations] | None] = {}
    for number, stage in enumerate(stages, 1):
        moves = moving(fusion, stage)
        learned = data.train.first(stage.train_images)
        wanted = stage.augment if stage.views > 1 else (), stage.views, stage.train_images
        if set(stage.moves) != {"head"}:
            known = {}
        elif stage.epochs and wanted not in known and (stage.views > 1 or not stage.augment):
            known = {wanted: _features(fusion, stage, learned, held, context)}
        stored = None if stage.augment and stage.views == 1 else known.get(wanted)
        model: nn.Module = fusion
        examples: Examples = ImageExamples(learned, stage.augment, sampling=stage.sampling)
        validation: Any = held
        if stored is not None:
            model, validation = fusion.tail, stored[1]
            examples = replace(stored[0], sampling=stage.sampling)

        def evaluate(module: nn.Module, validation: Any = validation) -> dict[str, float]:
            return score(*predict(module, validation.batches(eval_batch), context.device)).numbers()

        told = f"stage {number}: {', '.join(stage.moves)}"
        fusion.thaw(*fusion.parts)
        try:
            with context.watch.task(told, stage.epochs) as advance:
                trained = train(
                    model,
                    moves,
                    stage,
                    examples,
                    criterion=labels_loss(stage, replace(data, train=learned)),
                    evaluate=evaluate,
                    seed=context.seed + SEEDS * (number - 1),
                    device=context.device,
                    state=folder.path / STATE.format(number),
                    hooks=epoch_hooks(folder, advance, f"stage {number}"),
                )
        finally:
            fusion.freeze("backbones").eval()
        done.append(Stretch(stage, trained.history, trained.kept, stored is not None))
    moved = {part for stretch in done if stretch.history for part in stretch.stage.moves}
    fusion.thaw(*moved, "head").eval()
    return done


def train_fusion(
    fusion: Fusion, context: Context, out: Path, *, stages: Sequence[Stage | Mapping[str, Any]] = STAGES
) -> dict[str, Any]:
    """Train a fusion in place and keep it in ``out``; says what came of each stage, and how good it is on validation.

    Raises PlanError where the data have other classes than the head, or where a stage names no part of it.
    """
    data = load_data(context.recipe.data, size=fusion.decode_size or 224, tell=context.watch.say)
    data = data.with_validation(context.seed)
    outputs, classes = fusion.plan.new_head, len(data.classes)
    if outputs != classes:
        raise PlanError(
            f"the head tells {outputs} classes apart, {data.name} has {classes}",
            expected="as many outputs as classes",
            instead=f"suture.fuse(..., num_classes={classes})",
        )
    folder = RunFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = [stage if isinstance(stage, Stage) else Stage(**stage) for stage in stages]
    done = train_stages(fusion, chosen, data, context, folder)
    fusion.classes = data.classes
    save(fusion, out)
    for state in out.glob(STATES):
        state.unlink()
    found = evaluate(fusion, data.split("val"), device=context.device)
    return {"stages": [stretch.as_dict() for stretch in done], "n": len(data.split("val")), **found.numbers()}


def _features(
    fusion: Fusion, stage: Stage, learned: Split, held: Split, context: Context
) -> tuple[Activations, Activations] | None:
    """What the backbones give on training images, in as many views as the stage stores, and on validation images.

    None where that is too large to keep.
    """
    options: dict[str, Any] = {"seed": context.seed, "device": context.device}
    stored = cache_activations(fusion.encoder, learned, kinds=stage.augment, views=stage.views, **options)
    checked = cache_activations(fusion.encoder, held, **options) if stored else None
    if stored is None or checked is None:
        context.watch.say("the features are too large to keep; the backbones run every epoch")
        return None
    return stored, checked
