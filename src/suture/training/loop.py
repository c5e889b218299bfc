"""The loop: batches in, a trained module out, one epoch like the next."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from suture.errors import PlanError, TrainingError
from suture.spec.stage import Stage
from suture.training import ranks
from suture.training.losses import Criterion, hard
from suture.training.moving import Moving
from suture.training.optimizers import optimizer_of
from suture.training.progress import Epoch, Progress, Trained
from suture.training.recompute import recomputed
from suture.training.schedules import factor
from suture.training.state import load_state, save_state


class Examples(Protocol):
    """What is trained on: batches of one epoch, drawn with that epoch's generator.

    A batch is an input, labels, and what else is known of the same images, by name (see ``Criterion``). Of several
    processes each gets its ``share`` (rank, world) of every batch, which may be none of it.
    """

    def __len__(self) -> int: ...

    def epoch(
        self, size: int, generator: torch.Generator, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]: ...


@dataclass
class Hooks:
    """What a training tells the outside: each finished epoch, each batch as (done, of), each step by its number."""

    epoch: Callable[[Epoch], None] = lambda _: None
    batch: Callable[[int, int], None] = lambda _done, _of: None
    step: Callable[[int], None] = lambda _done: None


def train(
    model: nn.Module,
    moving: Moving,
    stage: Stage,
    examples: Examples,
    *,
    criterion: Criterion | None = None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    seed: int = 0,
    device: str = "cpu",
    state: Path | None = None,
    hooks: Hooks | None = None,
) -> Trained:
    """Train ``model`` for one stage and return one record an epoch: loss, accuracy, rate, seconds, validation.

    ``criterion`` is the loss, by default that of the labels. ``evaluate`` is called after every epoch in eval mode,
    and once before the first where the stage keeps the best. Every epoch draws from its own seed, so a training that
    goes on from ``state`` ends with the same weights as an unbroken one; ``stage.order_seed``, where it is given,
    draws the batches, and ``seed`` the rest. Frozen parts get no gradient and stay in eval mode; flags are put back at
    the end. The rate that is told is the stage's own, at the last step of the epoch.

    Of several processes (see ``ranks``) all call this alike, and all end with the same weights. A step is that of one
    process but for what looks at a whole batch (BatchNorm, CKA), which sees the process's share of it. Loss and
    accuracy are over all shares; each runs ``evaluate`` in full, and the first one's answer counts; the first alone
    writes ``state``.

    Raises TrainingError where the loss is not finite, and PlanError where validation is to choose and there is none, or
    a batch of one image leaves BatchNorm nothing to normalise over.
    """
    if evaluate is None and (stage.keep == "best" or stage.patience):
        raise PlanError(
            "a training that looks for its best epoch, and nothing to tell it by",
            expected="an evaluation",
            instead="train(..., evaluate=...), or keep: last without patience",
        )
    hooks, criterion = hooks or Hooks(), criterion or hard(stage)
    model.to(device)
    with _learning(model, moving):
        run = _Run(model, moving, stage, examples, criterion, optimizer_of(stage, moving), device, seed, hooks)
        progress = load_state(state, moving, run.optimizer) if state else Progress()
        progress.monitor = stage.monitor
        if stage.keep == "best" and stage.epochs and not progress.history:
            progress.start, progress.best = run.validated(evaluate), moving.copies()
        while len(progress.history) < stage.epochs and not progress.stalled(stage.patience):
            number, started = len(progress.history) + 1, time.perf_counter()
            with torch.random.fork_rng():
                numbers = run.epoch(number - 1)
            ranks.settle(moving.tensors().values())
            numbers |= run.validated(evaluate)
            if not all(map(math.isfinite, numbers.values())):
                raise _not_finite(f"what the network answers after epoch {number} is not finite", stage, numbers["lr"])
            progress.history.append({"epoch": number, **numbers, "seconds": time.perf_counter() - started})
            if stage.keep == "best" and progress.best_epoch == number:
                progress.best = moving.copies()
            if state and ranks.rank() == 0:
                save_state(state, moving, run.optimizer, progress)
            hooks.epoch(progress.history[-1])
        if progress.best:
            moving.put(progress.best)
    kept = progress.best_epoch if stage.keep == "best" else len(progress.history)
    return Trained(progress.history, kept, progress.start)


@dataclass(frozen=True)
class _Run:
    """All that the epochs of a training have in common."""

    model: nn.Module
    moving: Moving
    stage: Stage
    examples: Examples
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    device: str
    seed: int
    hooks: Hooks

    def validated(self, evaluate: Callable[[nn.Module], dict[str, float]] | None) -> Epoch:
        self.model.eval()
        if evaluate is None:
            return {}
        return ranks.told({f"val_{name}": value for name, value in evaluate(self.model).items()})

    def epoch(self, epoch: int) -> Epoch:
        """One pass over the examples; a step of the optimizer is made of ``accumulate`` batches."""
        stage, n, size = self.stage, len(self.examples), self.stage.batch_size
        accelerator = _accelerator(stage, self.device)
        batches, together = math.ceil(n / size), size * stage.accumulate
        steps = math.ceil(batches / stage.accumulate)
        loss = right = seen = 0.0
        self._begin(epoch)
        with recomputed(self.moving.spans if stage.recompute else ()):
            for number, (inputs, labels, known) in enumerate(self._batches(epoch)):
                step = number // stage.accumulate
                if number % stage.accumulate == 0:
                    rate = factor(stage, epoch, step, steps)
                    for group in self.optimizer.param_groups:
                        group["lr"] = group["initial_lr"] * rate
                    self.optimizer.zero_grad(set_to_none=True)
                found, value, hits = self._forward(accelerator, inputs, labels, known)
                value, hits, count = ranks.total(value * len(labels), hits * len(labels), len(labels))
                if not math.isfinite(value):
                    where = f"in epoch {epoch + 1}, step {number + 1}"
                    raise _not_finite(f"the loss became {value / count} {where}", stage, stage.lr * rate)
                if found is not None:
                    of = min(n - step * together, together)
                    accelerator.backward(found * (len(labels) / of))
                loss, right, seen = loss + value, right + hits, seen + count
                last = (number + 1) % stage.accumulate == 0 or number + 1 == batches
                if last:
                    ranks.sum_gradients(self.moving.parameters())
                    self.optimizer.step()
                self.hooks.batch(number + 1, batches)
                if last:
                    self.hooks.step(epoch * steps + step + 1)
        return {"loss": loss / seen, "accuracy": right / seen, "lr": stage.lr * rate}

    def _begin(self, epoch: int) -> None:
        self.model.eval()
        for module in self.moving.modules:
            module.train()
        torch.manual_seed(self.seed + epoch + (ranks.rank() << 40))  # the first rank draws what a single process draws

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]:
        order = self.seed if self.stage.order_seed is None else self.stage.order_seed
        generator = torch.Generator().manual_seed((order << 20) + epoch)
        share = (ranks.rank(), ranks.world())
        for inputs, labels, known in self.examples.epoch(self.stage.batch_size, generator, share):
            there = {name: tensor.to(self.device) for name, tensor in known.items()}
            yield inputs.to(self.device), labels.to(self.device), there

    def _forward(
        self, accelerator: Accelerator, inputs: Tensor, labels: Tensor, known: Mapping[str, Tensor]
    ) -> tuple[Tensor | None, float, float]:
        """The loss of a batch, its value, and the share of right answers; nothing of an empty one."""
        if not len(labels):
            return None, 0.0, 0.0
        try:
            with accelerator.autocast():
                logits = self.model(inputs)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise self._alone() from error
        logits = logits.float()
        loss = self.criterion(logits, labels, known)
        return loss, loss.item(), _accuracy(logits, labels)

    def _alone(self) -> PlanError:
        """What is wrong where BatchNorm finds one value a channel to normalise by."""
        n, size, least = len(self.examples), self.stage.batch_size, 2 * ranks.world()
        fitting = (k for k in range(max(size + 1, least), n) if n % k == 0 or n % k >= least)
        return PlanError(
            f"a batch with one image in it, of {n} images in batches of {size}, and a BatchNorm over a single cell",
            expected="two images or more in every batch, also in the last one, or larger images",
            instead=f"--batch-size {next(fitting, n)}" if n >= least else "more images",
        )


@contextmanager
def _learning(model: nn.Module, moving: Moving) -> Iterator[None]:
    """Within, only what moves wants a gradient; after it flags are what they were, and all is in eval mode."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    for parameter in moving.parameters():
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
            parameter.grad = None
        model.eval()


def _not_finite(given: str, stage: Stage, rate: float) -> TrainingError:
    return TrainingError(
        f"{given}, at learning rate {rate:.3g}",
        expected="a finite loss",
        instead=f"--lr {min(stage.lr / 10, 1e-3):.3g}, or --precision fp32",
    )


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of right answers; with several labels an image, of all of them."""
    right = (logits > 0) == (labels > 0.5) if labels.ndim == 2 else logits.argmax(1) == labels
    return right.float().mean().item()


def _accelerator(stage: Stage, device: str) -> Accelerator:
    """Accelerate keeps one state a process, and refuses another precision or device; stages may differ in both."""
    precision, cpu = "bf16" if stage.precision == "bf16" else "no", torch.device(device).type == "cpu"
    if AcceleratorState._shared_state:
        state = AcceleratorState()
        if state.mixed_precision != precision or (state.device.type == "cpu") != cpu:
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision=precision, cpu=cpu)
