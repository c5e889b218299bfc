"""The fused network: backbones side by side under one head."""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod

import torch
from torch import Tensor, nn

from suture.errors import PlanError, listed
from suture.fusions import Head
from suture.hybrids.parts import Parts
from suture.spec.plan import Plan

POOL = "pool"
_PART = re.compile(r"(?P<name>[a-z]+\d*)(:(?P<last>[1-9]\d*))?")


class Fusion(Parts):
    """``head([backbone1(images), backbone2(images), ...])``: each backbone with its own preprocessing.

    A backbone is ``stage1``, ``stage2``, ... (see ``graph.stages``) and, where its value is no vector, ``pool``; its
    features have the shape that ``shapes`` tells. Stages are frozen and thawed one by one: ``frozen`` names
    ``backbone1.stage1`` and the like. Where a text names a part it is such a path, or ``head``, ``backbones``,
    ``backbone1``, ..., ``all``, or ``backbones:2`` for the last two stages of each.
    """

    head: Head

    def __init__(
        self, backbones: Sequence[nn.Sequential], head: Head, shapes: Sequence[tuple[int, ...]], plan: Plan
    ) -> None:
        super().__init__(plan)
        for number, backbone in enumerate(backbones, 1):
            self.add_module(f"backbone{number}", backbone)
        self.head = head
        self.shapes = tuple(shapes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(_unpacked(self.features(images), self.shapes))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """(N, D): the features of all backbones side by side, maps flattened."""
        return _packed(self.backbones, images)

    @property
    def backbones(self) -> list[nn.Module]:
        return [self.get_submodule(name) for name in self.pretrained]

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The names of the parts that were cut out of networks."""
        return self.parts[:-1]

    @property
    def encoder(self) -> nn.Module:
        """Images to ``features``, sharing this network's modules."""
        return _Encoder({name: self.get_submodule(name) for name in self.pretrained})

    @property
    def tail(self) -> nn.Module:
        """``features`` to logits, sharing the head: ``tail(encoder(images))`` is the network, bit for bit."""
        return _Tail(self.head, self.shapes)

    @property
    def spans(self) -> list[nn.Module]:
        """Every stage of every backbone."""
        return self.stage_modules("backbones")

    def stage_modules(self, part: str) -> list[nn.Module]:
        """The modules that ``named`` names. Raises PlanError."""
        return [self.get_submodule(name) for name in self.named(part)]

    def named(self, part: str) -> tuple[str, ...]:
        """The paths of the stages, and of the head, that ``part`` stands for, in order.

        Raises PlanError for what is no part, and for more stages than a backbone has.
        """
        if part in (path for owner in self.parts for path in self._paths(owner)):
            return (part,)
        found = _PART.fullmatch(part)
        name, last = (found["name"], found["last"]) if found else (part, None)
        owners = {"backbones": self.pretrained, "all": self.parts}.get(name, (name,) if name in self.parts else ())
        if not owners or (last and name in ("head", "all")):
            raise PlanError(
                f"this fusion has no part {part!r}",
                expected=f"{listed(self.parts)}, backbones or all, and :K behind backbones for their last K stages",
                instead="backbones:1, or head",
            )
        return tuple(path for owner in owners for path in self._paths(owner, int(last) if last else None))

    def _paths(self, part: str, last: int | None = None) -> list[str]:
        if part == "head":
            return [part]
        paths = [f"{part}.{name}" for name, _ in self.get_submodule(part).named_children() if name != POOL]
        if last and last > len(paths):
            raise PlanError(
                f"the last {last} stages of {part}, which has {len(paths)}",
                expected="as many stages as every backbone meant has",
                instead=f"{part}:{len(paths)}, or {part} for all of it",
            )
        return paths[-last:] if last else paths


class _Encoder(nn.Module):
    def __init__(self, backbones: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, backbone in backbones.items():
            self.add_module(name, backbone)

    def forward(self, images: Tensor) -> Tensor:
        return _packed(list(self.children()), images)


class _Tail(nn.Module):
    def __init__(self, head: Head, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.head = head
        self.shapes = shapes

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(_unpacked(features, self.shapes))
        return logits


def _packed(backbones: Sequence[nn.Module], images: Tensor) -> Tensor:
    return torch.cat([backbone(images).flatten(1) for backbone in backbones], 1)


def _unpacked(features: Tensor, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    ends = [0, *accumulate(prod(shape) for shape in shapes)]
    return [features[:, a:b].unflatten(1, shape) for (a, b), shape in zip(pairwise(ends), shapes, strict=True)]
