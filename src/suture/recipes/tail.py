"""Training a hybrid: what is frozen before the cut runs once, the rest learns from what it gave."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from suture.data.cache import Activations, cache_activations
from suture.data.dataset import DataSet
from suture.data.examples import ImageExamples, Teach
from suture.errors import PlanError
from suture.evaluation import predict, score
from suture.hybrids import Hybrid, Seam, head, ready, save_map
from suture.recipes.context import Context
from suture.recipes.parents import Parents
from suture.recipes.teaching import taught_macs, teacher, watched
from suture.recipes.train import check_labels, epoch_hooks, labels_loss
from suture.runs import RunFolder
from suture.runs.watch import Advance
from suture.spec.stage import Stage
from suture.training import Epoch, Examples, Hooks, Moving, criterion, train


def moving(hybrid: Hybrid, stage: Stage) -> Moving:
    """The modules that a stage lets learn, a part before those that it is part of."""
    narrow_first = ("head", "adapter", "encoder", "decoder", "all")
    parts = sorted({*stage.moves, *stage.lr_of}, key=narrow_first.index)
    rated = [(module, stage.lr_of.get(part)) for part in parts for module in _modules(hybrid, part)]
    return Moving([module for module, _ in rated], [rate for _, rate in rated])


def _modules(hybrid: Hybrid, part: str) -> list[nn.Module]:
    if part == "head":
        return [head(hybrid.decoder)[1]]
    return [hybrid] if part == "all" else [hybrid.get_submodule(name) for name in touched(hybrid, part)]


def touched(hybrid: Hybrid, move: str) -> tuple[str, ...]:
    """The parts that one of ``Stage.moves`` changes, whole or, where it is the head, in part."""
    if move == "adapter":
        return hybrid.named("adapter")
    if move in ("encoder", "head"):
        return ("encoder",) if move == "encoder" else ("decoder",)
    return hybrid.pretrained[1:] if move == "decoder" else hybrid.parts


def check_learns(hybrid: Hybrid, stage: Stage, data: DataSet) -> None:
    """Raises PlanError where a stage has epochs and nothing to change in them, or asks of labels what they are not."""
    if stage.epochs and not moving(hybrid, stage).parameters():
        raise PlanError(
            f"nothing in the {' and '.join(stage.moves)} can learn",
            expected="a part with parameters",
            instead="--epochs 0, or --train decoder",
        )
    check_labels(stage, data)


@dataclass(frozen=True)
class Effort:
    """How training went: its epochs, and what ran, in images through the encoder and through the rest.

    A backward pass counts double its forward; what came from the cache counts nothing. ``taught`` images went through
    the teachers of the objective, at ``taught_macs`` each. ``kept`` is the epoch with whose weights it ended.
    """

    history: list[Epoch]
    encoder: int
    tail: int
    cached: bool
    taught: int = 0
    taught_macs: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Progress:
    """Where the epochs of a training are told: the run folder, a bar, and words that tell it from others.

    ``maps`` is the folder that keeps the adapters' maps every ``Stage.save_every`` steps; None keeps none.
    """

    folder: RunFolder
    advance: Advance
    state: str
    told: dict[str, Any]
    maps: Path | None = None


def train_hybrid(
    hybrid: Hybrid,
    stage: Stage,
    parents: Parents,
    seam: Seam,
    data: DataSet,
    context: Context,
    progress: Progress,
) -> Effort:
    """Train in place for one stage, choosing nothing; validation is told after every epoch.

    With a frozen encoder its activations on training and validation images are cached, and only what comes after it
    runs from then on; so are the answers of the parents that the objective asks for. Otherwise, or where all that is
    too large to keep, the whole hybrid runs, and the parents beside it. ``seam`` is the last one.
    """
    held, objective = data.split("val"), stage.objective
    learned = replace(data, train=data.train.first(stage.train_images))
    teach = teacher(objective, parents, seam, context.device)
    frozen_encoder = not {"all", "encoder"} & set(stage.moves)
    with ready(parents.sides[0], parents.sides[-1], device=context.device), watched(hybrid, objective) as seen:
        cached = _cached(hybrid, stage, learned, context, teach) if frozen_encoder else None
        model: nn.Module = hybrid
        examples: Examples = ImageExamples(learned.train, stage.augment, teach, stage.sampling)
        validation: Any = held
        if cached is not None:
            model, examples, validation = hybrid.tail, *cached

        def evaluate(module: nn.Module) -> dict[str, float]:
            batches = validation.batches(256)
            return score(*predict(module, batches, context.device)).numbers()

        hybrid.thaw(*hybrid.parts)
        try:
            trained = train(
                model,
                moving(hybrid, stage),
                stage,
                examples,
                criterion=criterion(objective, labels_loss(stage, learned), hybrid.adapters, seen),
                evaluate=evaluate,
                seed=context.seed,
                device=context.device,
                state=progress.folder.path / progress.state,
                hooks=_hooks(hybrid, stage, progress),
            )
        finally:
            moved = {name for move in stage.moves for name in touched(hybrid, move)}
            hybrid.freeze(*(set(hybrid.pretrained) - moved)).eval().cpu()
    n, epochs, once = len(learned.train), len(trained.history), cached is not None
    checked = len(held) * (epochs + bool(trained.start))
    both = 3 * n * epochs + checked
    encoder = both if not frozen_encoder else n * epochs + checked
    if once:
        encoder = stage.views * n + len(held)
    macs = taught_macs(objective, parents, seam)
    taught = (stage.views * n if once else epochs * n) if macs else 0
    return Effort(trained.history, encoder, both, once, taught, macs, trained.kept)


def _hooks(hybrid: Hybrid, stage: Stage, progress: Progress) -> Hooks:
    """Epochs are told, and maps kept as often as the stage wants."""
    hooks = epoch_hooks(progress.folder, progress.advance, "train", **progress.told)
    place, every = progress.maps, stage.save_every
    if place is None or every is None:
        return hooks

    def step(done: int) -> None:
        if done % every == 0:
            save_map(hybrid, place, f"step-{done:06d}")

    return replace(hooks, step=step)


def _cached(
    hybrid: Hybrid, stage: Stage, data: DataSet, context: Context, teach: Teach
) -> tuple[Activations, Activations] | None:
    if stage.augment and stage.views == 1:
        return None
    options: dict[str, Any] = {"seed": context.seed, "device": context.device}
    stored = cache_activations(
        hybrid.encoder, data.train, kinds=stage.augment, views=stage.views, teach=teach, **options
    )
    held = cache_activations(hybrid.encoder, data.split("val"), **options)
    if stored is None or held is None:
        context.watch.say("the activations at this cut are too large to keep; the encoder runs every epoch")
        return None
    return replace(stored, sampling=stage.sampling), held
