"""What test_ranks.py runs as one process of several: trainings whose weights each writes to the folder it is given."""

import sys
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from small import sample_split
from suture.data.examples import ImageExamples
from suture.data.sampling import class_counts
from suture.errors import TrainingError
from suture.sources import load
from suture.spec.stage import Stage
from suture.training import Hooks, Moving, hard, ranks, train

OUT = Path(sys.argv[1])
SPLIT = sample_split(33)  # the last batch has one image, so that one of two processes has none of it


class Half(nn.Module):
    """LeNet with a layer that gets no gradient, and so no weight decay either."""

    def __init__(self) -> None:
        super().__init__()
        self.body = load("zoo:lenet@none")
        self.unused = nn.Linear(2, 2)
        nn.init.constant_(self.unused.weight, 3.0)
        nn.init.constant_(self.unused.bias, 3.0)

    def forward(self, images):
        return self.body(images)


def law(name: str, network: nn.Module, evaluate=None, split=SPLIT, state="", hooks=None, **fields) -> None:
    plan = Stage(**{"moves": ("all",), "epochs": 2, "batch_size": 8, "lr": 1e-2} | fields)
    told = train(
        network,
        Moving([network]),
        plan,
        ImageExamples(split, plan.augment, sampling=plan.sampling),
        criterion=hard(plan, class_counts(split.labels, 10)),
        evaluate=evaluate,
        state=OUT / (state or f"{name}-{ranks.rank()}.state"),
        hooks=hooks,
    )
    numbers = torch.tensor([[epoch["loss"], epoch["accuracy"]] for epoch in told.history])
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    save_file(
        tensors | {"numbers": numbers, "kept": torch.tensor(told.kept)}, OUT / f"{name}-{ranks.rank()}.safetensors"
    )


class StopError(Exception):
    """Stands for whatever breaks a training off."""


def broken_off(epoch) -> None:
    if epoch["epoch"] == 1:
        raise StopError


def broken() -> str:
    """What a loss that is not finite on one process alone is told as."""
    network = load("zoo:lenet@none")
    wrong = ranks.world() - 1

    def loss(logits, labels, known):
        return hard(Stage())(logits, labels, known) * (torch.nan if ranks.rank() == wrong else 1.0)

    try:
        train(network, Moving([network]), Stage(moves=("all",)), ImageExamples(SPLIT), criterion=loss)
    except TrainingError as error:
        return str(error)
    return "finite"


with ranks.joined():
    law("plain", load("zoo:lenet@none"), augment=("flip", "crop"), optimizer="sgd")
    with suppress(StopError):
        law("broken", load("zoo:lenet@none"), state="both.state", hooks=Hooks(epoch=broken_off))
    ranks.barrier()
    law("resumed", load("zoo:lenet@none"), state="both.state")
    law("unbroken", load("zoo:lenet@none"))
    law("weighted", load("zoo:lenet@none"), accumulate=3, class_weights="balanced", sampling="class-balanced")
    law("decayed", Half(), optimizer="adamw", weight_decay=0.5)
    law("normed", load("zoo:tiny10@none"), split=SPLIT.first(32), lr=1e-9)
    scores = iter([0.1, 0.9, 0.5] if ranks.rank() == 0 else [0.9, 0.1, 0.5])
    law("kept", load("zoo:lenet@none"), lambda _: {"accuracy": next(scores)}, keep="best")
    assert "the loss became nan in epoch 1, step 1" in broken()
    assert ranks.total(1.0, ranks.rank()) == [ranks.world(), sum(range(ranks.world()))]
    assert ranks.told(f"from {ranks.rank()}") == "from 0"
