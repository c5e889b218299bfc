"""What a verb is given besides its step: data, seed, device, trust, and someone to tell."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from suture.data.dataset import DataSet
from suture.data.load import load_data
from suture.errors import PlanError, UsageError
from suture.graph.network import Network
from suture.runs import Watch, versions
from suture.sources import load
from suture.spec.recipe import Recipe
from suture.spec.record import Number, Record


@dataclass(frozen=True)
class Context:
    """Shared by the steps of one recipe; ``trust_code`` is the user's word and never part of a recipe."""

    recipe: Recipe
    watch: Watch = field(default_factory=Watch)
    trust_code: bool = False
    started: float = field(default_factory=time.perf_counter)

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @cached_property
    def device(self) -> str:
        return resolve_device(self.recipe.device)

    def data(self, *networks: Network) -> DataSet:
        """The recipe's data; image files are decoded to the largest side that a network wants."""
        size = max(network.decode_size for network in networks)
        name, skip = self.recipe.data, self.recipe.skip_bad
        return load_data(name, size=size, skip_bad=skip, tell=self.watch.say)

    def network(self, source: str, **options: Any) -> Network:
        return load(source, trust_code=self.trust_code, seed=self.seed, **options)

    def record(
        self,
        verb: str,
        numbers: tuple[Number, ...],
        n: int,
        split: str,
        data: DataSet,
        plan: str | None = None,
    ) -> Record:
        return Record(
            verb=verb,
            numbers=numbers,
            n=n,
            split=split,
            data=data.name,
            data_digest=data.digest(),
            seed=self.seed,
            device=self.device,
            seconds=time.perf_counter() - self.started,
            versions=versions(),
            plan=plan,
        )


def resolve_device(name: str) -> str:
    """``auto`` is the first accelerator there is. Raises UsageError for a device that is not there."""
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator()
        return accelerator.type if accelerator is not None and torch.accelerator.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"there is no device {name!r} here", expected="auto, cpu, cuda:0 or mps", instead="--device auto"
        ) from error
    return name


def check_outputs(name: str, outputs: int, data: DataSet) -> None:
    """A network that is scored must have an output for each of the data's classes or attributes. Raises PlanError."""
    if outputs != len(data.classes):
        what = "attributes" if data.multilabel else "classes"
        told = f"has {outputs} outputs" if data.multilabel else f"tells {outputs} classes apart"
        raise PlanError(
            f"{name} {told}, {data.name} has {len(data.classes)} {what}",
            expected=f"as many outputs as {what}",
            instead="suture train to make a head for these data first, or other data",
        )
