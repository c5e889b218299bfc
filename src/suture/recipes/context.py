"""What a verb is given besides its step: data, seed, device, trust, and someone to tell."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from suture.data.dataset import DataSet, Duplicate
from suture.data.duplicates import duplicates
from suture.data.load import load_data
from suture.errors import DataError, PlanError, UsageError
from suture.graph.network import Network
from suture.runs import Watch, versions
from suture.runs.processes import local_rank, world
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
    looked: list[tuple[Duplicate, ...]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @cached_property
    def device(self) -> str:
        return resolve_device(self.recipe.device)

    def data(self, *networks: Network) -> DataSet:
        """The recipe's data, divided as it says; image files are decoded to the largest side that a network wants."""
        size = max(network.decode_size for network in networks)
        recipe = self.recipe
        data = load_data(
            recipe.data,
            size=size,
            skip_bad=recipe.skip_bad,
            tell=self.watch.say,
            splits=recipe.splits,
            seed=self.seed,
        )
        return replace(data, duplicates=self._duplicates(data)) if recipe.splits.duplicates else data

    def _duplicates(self, data: DataSet) -> tuple[Duplicate, ...]:
        """What is nearly equal on two sides, validation cut off as verbs do it: looked for once, and told."""
        if not self.looked:
            with suppress(DataError):  # a verb that needs validation says what keeps it from being cut off
                data = data.with_validation(self.seed)
            self.looked.append(duplicates(data))
            self.watch.say(_told(self.looked[0], data.name))
        return self.looked[0]

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


def _told(found: tuple[Duplicate, ...], data: str) -> str:
    if not found:
        return f"{data}: no nearly equal images on two sides"
    sides = Counter(f"{pair.split_a} and {pair.split_b}" for pair in found)
    counts = ", ".join(f"{count} in {names}" for names, count in sides.items())
    first = found[0]
    return (
        f"{data}: {len(found)} pairs of nearly equal images on two sides ({counts}), as {first.name_a}, {first.name_b}"
    )


def resolve_device(name: str) -> str:
    """``auto`` is the first accelerator there is; of several processes each gets a CUDA device of its own.

    Raises UsageError for a device that is not there.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator()
        name = accelerator.type if accelerator is not None and torch.accelerator.is_available() else "cpu"
    if name == "cuda" and world() > 1:
        name = f"cuda:{local_rank()}"
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
