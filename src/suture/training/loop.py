"""The loop: batches in, a trained module out, one epoch like the next."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from suture.errors import TrainingError
from suture.spec.stage import Stage
from suture.training.objectives import Criterion, labels_only
from suture.training.schedules import SCHEDULES
from suture.training.state import load_state, save_state

Epoch = dict[str, Any]


class Examples(Protocol):
    """What is trained on: batches of one epoch, drawn with that epoch's generator.

    A batch is an input, labels, and what else is known of the same images, by name (see ``Criterion``).
    """

    def __len__(self) -> int: ...

    def epoch(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]: ...


@dataclass
class Hooks:
    """What a training tells the outside: each finished epoch, each batch as (done, of), each step by its number."""

    epoch: Callable[[Epoch], None] = lambda _: None
    batch: Callable[[int, int], None] = lambda _done, _of: None
    step: Callable[[int], None] = lambda _done: None


@dataclass(frozen=True)
class Moving:
    """The modules that may change: their parameters get gradients, they alone are in train mode."""

    modules: Sequence[nn.Module] = field(default_factory=tuple)

    def parameters(self) -> list[nn.Parameter]:
        return list(dict.fromkeys(p for module in self.modules for p in module.parameters()))


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
) -> list[Epoch]:
    """Train ``model`` for one stage and return one record an epoch: loss, accuracy, rate, seconds, validation.

    ``criterion`` is the loss, by default that of the labels. ``evaluate`` is called after every epoch in eval mode.
    Every epoch draws from its own seed, so a training that goes on from ``state`` ends with the same weights as an
    unbroken one; ``stage.order_seed``, where it is given, draws the batches, and ``seed`` the rest. Frozen parts get
    no gradient and stay in eval mode; flags are put back at the end. Raises TrainingError where the loss is not
    finite.
    """
    hooks = hooks or Hooks()
    criterion = criterion or labels_only(stage.label_smoothing)
    accelerator = _accelerator(stage, device)
    place = torch.device(device)
    model.to(place)
    before = [(p, p.requires_grad) for p in model.parameters()]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    parameters = moving.parameters()
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = _optimizer(stage, parameters)
    history = load_state(state, model, optimizer) if state else []
    try:
        for epoch in range(len(history), stage.epochs):
            if _stalled(history, stage.patience):
                break
            started = time.perf_counter()
            with torch.random.fork_rng():
                machine = accelerator, place, optimizer
                numbers = _epoch(machine, model, moving, stage, examples, criterion, epoch, seed, hooks)
            model.eval()
            if evaluate is not None:
                numbers |= {f"val_{name}": value for name, value in evaluate(model).items()}
            if not all(map(math.isfinite, numbers.values())):
                raise TrainingError(
                    f"what the network answers after epoch {epoch + 1} is not finite, at learning rate {stage.lr:.3g}",
                    expected="finite losses",
                    instead=f"--lr {min(stage.lr / 10, 1e-3):.3g}, or --precision fp32",
                )
            history.append({"epoch": epoch + 1, **numbers, "seconds": time.perf_counter() - started})
            if state:
                save_state(state, model, optimizer, history)
            hooks.epoch(history[-1])
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
            parameter.grad = None
        model.eval()
    return history


def _epoch(
    machine: tuple[Accelerator, torch.device, torch.optim.Optimizer],
    model: nn.Module,
    moving: Moving,
    stage: Stage,
    examples: Examples,
    criterion: Criterion,
    epoch: int,
    seed: int,
    hooks: Hooks,
) -> dict[str, float]:
    accelerator, place, optimizer = machine
    model.eval()
    for module in moving.modules:
        module.train()
    torch.manual_seed(seed + epoch)
    order = seed if stage.order_seed is None else stage.order_seed
    generator = torch.Generator().manual_seed((order << 20) + epoch)
    steps = math.ceil(len(examples) / stage.batch_size)
    loss_sum = right = seen = 0.0
    for step, (inputs, labels, known) in enumerate(examples.epoch(stage.batch_size, generator)):
        done = epoch * steps + step
        rate = stage.lr * SCHEDULES[stage.schedule](done / max(stage.epochs * steps, 1))
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, labels = inputs.to(place), labels.to(place)
        with accelerator.autocast():
            logits = model(inputs)
        logits = logits.float()
        loss = criterion(logits, labels, {name: tensor.to(place) for name, tensor in known.items()})
        if not math.isfinite(value := loss.item()):
            raise TrainingError(
                f"the loss became {value} in epoch {epoch + 1}, step {step + 1}, at learning rate {rate:.3g}",
                expected="a finite loss",
                instead=f"--lr {min(stage.lr / 10, 1e-3):.3g}, or --precision fp32",
            )
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimizer.step()
        n = len(labels)
        loss_sum, right, seen = loss_sum + value * n, right + n * _accuracy(logits, labels), seen + n
        hooks.batch(step + 1, steps)
        hooks.step(done + 1)
    return {"loss": loss_sum / seen, "accuracy": right / seen, "lr": rate}


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of right answers; with several labels an image, of all of them."""
    right = (logits > 0) == (labels > 0.5) if labels.ndim == 2 else logits.argmax(1) == labels
    return right.float().mean().item()


def _optimizer(stage: Stage, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    if stage.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            stage.lr,
            momentum=stage.momentum,
            nesterov=stage.momentum > 0,
            weight_decay=stage.weight_decay,
        )
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[stage.optimizer](parameters, stage.lr, weight_decay=stage.weight_decay)


def _accelerator(stage: Stage, device: str) -> Accelerator:
    """Accelerate keeps one state a process, and refuses another precision or device; stages may differ in both."""
    precision, cpu = "bf16" if stage.precision == "bf16" else "no", torch.device(device).type == "cpu"
    if AcceleratorState._shared_state:
        state = AcceleratorState()
        if state.mixed_precision != precision or (state.device.type == "cpu") != cpu:
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision=precision, cpu=cpu)


def _stalled(history: Sequence[Epoch], patience: int | None) -> bool:
    if patience is None or len(history) <= patience:
        return False
    scores: list[float] = [epoch["val_accuracy"] for epoch in history]
    return max(scores[-patience:]) <= max(scores[:-patience])
