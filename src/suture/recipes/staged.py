"""Training stage by stage: what is frozen before everything that moves runs once, and the rest learns from that."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from suture.data.cache import Activations, cache_activations
from suture.data.dataset import DataSet, Split
from suture.data.examples import ImageExamples
from suture.data.load import load_data
from suture.errors import PlanError, TraceError
from suture.evaluation import evaluate, predict, score
from suture.graph import Network, Traced, trace
from suture.hybrids import Fusion, HybridModel, model_of, save
from suture.recipes.context import Context
from suture.recipes.halves import Halves, halves
from suture.recipes.train import epoch_hooks, labels_loss, outputs_of
from suture.recipes.verb import STATES
from suture.runs import RunFolder
from suture.spec import fuse, patch_step
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


@dataclass(frozen=True, eq=False)
class Trainee:
    """What is trained in stages: ``model`` answers images, ``parts`` (it, or its body) is what a stage moves of it.

    ``pretrained`` are those parts that came with weights; ``halves`` is how a stage can be done without running all
    of the network every time, None where it cannot.
    """

    model: Fusion | Network | HybridModel
    parts: Fusion | HybridModel
    pretrained: str
    halves: Callable[[Stage, Moving], Halves | None]


def of_fusion(fusion: Fusion) -> Trainee:
    """A fusion runs its backbones once for stages that move the head only."""

    def cut(stage: Stage, _moves: Moving) -> Halves | None:
        return Halves("features", fusion.encoder, fusion.tail) if set(stage.moves) == {"head"} else None

    return Trainee(fusion, fusion, "backbones", cut)


def of_patched(network: Network | HybridModel, images: Tensor) -> Trainee:
    """A patched network is cut before everything that a stage moves. ``images`` are a few that it will train on."""

    @cache
    def traced() -> Traced | None:
        with suppress(TraceError):
            return trace(network, images.to(next(network.parameters()).device))
        return None

    def cut(stage: Stage, moves: Moving) -> Halves | None:
        followed = None if stage.recompute else traced()  # what is computed again are modules of the whole
        return followed and halves(network, moves, followed, images)

    return Trainee(network, model_of(network), "backbone", cut)


def moving(parts: Fusion | HybridModel, stage: Stage) -> Moving:
    """The modules that a stage lets learn, those with a rate of their own first. Raises PlanError."""
    allowed = {name for part in stage.moves for name in parts.named(part)}
    # A block sits inside a stage, whose rate is not meant for it.
    rates_of = ({"blocks": stage.lr} if "blocks" in allowed else {}) | dict(stage.lr_of)
    modules: dict[nn.Module, float] = {}
    for part in sorted(rates_of, key=_width):
        names = [name for name in parts.named(part) if name in allowed]
        if not names:
            raise PlanError(
                f"lr_of gives {part} a rate, and only {', '.join(stage.moves)} may move",
                expected="rates of parts that move",
                instead=f"moves: [{', '.join([*stage.moves, part])}], or no rate for {part}",
            )
        for name in names:
            for module in parts.stage_modules(name):
                modules.setdefault(module, rates_of[part])
    for part in stage.moves:
        for module in parts.stage_modules(part):
            modules.setdefault(module, stage.lr)
    learning = {id(parameter) for module in modules for parameter in module.parameters()}
    spans = [span for span in parts.spans if any(id(parameter) in learning for parameter in span.parameters())]
    return Moving(list(modules), list(modules.values()), spans=spans)


def _width(part: str) -> tuple[bool, float, bool, bool]:
    """What sorts narrow parts before wide ones: blocks, backbones:1, backbones:2, backbone2, backbones, all."""
    name, _, last = part.partition(":")
    return name != "blocks", float(last or math.inf), name in ("backbone", "backbones"), name == "all"


def train_stages(
    trainee: Trainee,
    stages: Iterable[Stage],
    data: DataSet,
    context: Context,
    folder: RunFolder,
    eval_batch: int = 256,
) -> list[Stretch]:
    """Train in place, one stage after the other, each from where the one before ended.

    A stage before whose moving parts there is something frozen, on images as they are or in stored views, learns from
    the features that this gives: it runs once, and stages in a row that want the same features share them. After every
    epoch the validation images are scored. What is finished is kept in the folder's state files, so that a training
    that was broken off goes on after its last epoch, and ends with the same weights as an unbroken one.
    """
    parts, held, done = trainee.parts, data.split("val"), []
    known: dict[Any, tuple[Activations, Activations] | None] = {}
    place: str | None = None
    for number, stage in enumerate(stages, 1):
        moves = moving(parts, stage)
        cut = trainee.halves(stage, moves) if stage.epochs else None
        learned = data.train.first(stage.train_images)
        wanted = stage.augment if stage.views > 1 else (), stage.views, stage.train_images
        if stage.epochs and (cut is None or cut.place != place):
            known = {}
        place = cut.place if cut else place
        fresh = bool(stage.augment) and stage.views == 1
        if cut and wanted not in known and not fresh:
            known = {wanted: _features(cut.encoder, stage, learned, held, context)}
        stored = None if fresh or cut is None else known.get(wanted)
        model: nn.Module = trainee.model
        examples: Examples = ImageExamples(learned, stage.augment, sampling=stage.sampling)
        validation: Any = held
        if stored is not None and cut is not None:
            model, validation = cut.tail, stored[1]
            examples = replace(stored[0], sampling=stage.sampling)

        def evaluate(module: nn.Module, validation: Any = validation) -> dict[str, float]:
            return score(*predict(module, validation.batches(eval_batch), context.device)).numbers()

        told = f"stage {number}: {', '.join(stage.moves)}"
        parts.thaw("all")
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
            parts.freeze(trainee.pretrained)
            trainee.model.eval()
        done.append(Stretch(stage, trained.history, trained.kept, stored is not None))
    parts.thaw(*(part for stretch in done if stretch.history for part in stretch.stage.moves))
    trainee.model.eval()
    return done


def train_in_place(
    network: Fusion | Network | HybridModel,
    context: Context,
    out: Path,
    *,
    stages: Sequence[Stage | Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Train a fusion or a patched network in place and keep it in ``out``.

    ``stages`` None are those that suture fuse, or suture patch, has by default. Says what came of each stage, and how
    good the network is on validation. Raises PlanError where the data have other classes than the head, or where a
    stage names no part of it.
    """
    parts = network if isinstance(network, Fusion) else model_of(network)
    data = load_data(context.recipe.data, size=parts.decode_size or 224, tell=context.watch.say)
    data = data.with_validation(context.seed)
    images = some_images(data).to(next(network.parameters()).device)
    outputs, classes = outputs_of(network, parts.plan.parts[0].origin, images[:1]), len(data.classes)
    if outputs != classes:
        raise PlanError(
            f"the head tells {outputs} classes apart, {data.name} has {classes}",
            expected="as many outputs as classes",
            instead=f"suture.{parts.plan.join}(..., num_classes={classes})",
        )
    default = fuse.STAGES if isinstance(network, Fusion) else patch_step.STAGES
    chosen = [
        stage if isinstance(stage, Stage) else Stage(**stage) for stage in (default if stages is None else stages)
    ]
    trainee = of_fusion(network) if isinstance(network, Fusion) else of_patched(network, images)
    for stage in chosen:
        moving(parts, stage)
    folder = RunFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    done = train_stages(trainee, chosen, data, context, folder)
    network.classes = parts.classes = data.classes
    save(network, out)
    for state in out.glob(STATES):
        state.unlink()
    found = evaluate(network, data.split("val"), device=context.device)
    return {"stages": [stretch.as_dict() for stretch in done], "n": len(data.split("val")), **found.numbers()}


def some_images(data: DataSet) -> Tensor:
    """A few of the training images, (n, 3, H, W) in [0, 1]."""
    return data.train.images.batch(range(min(4, len(data.train)))).float() / 255


def _features(
    encoder: nn.Module, stage: Stage, learned: Split, held: Split, context: Context
) -> tuple[Activations, Activations] | None:
    """What the encoder gives on training images, in as many views as the stage stores, and on validation images.

    None where that is too large to keep.
    """
    options: dict[str, Any] = {"seed": context.seed, "device": context.device}
    stored = cache_activations(encoder, learned, kinds=stage.augment, views=stage.views, **options)
    checked = cache_activations(encoder, held, **options) if stored else None
    if stored is None or checked is None:
        context.watch.say("the features are too large to keep; what is frozen runs every epoch")
        return None
    return stored, checked
