"""A network whose layers can be patched, frozen and read by stage, under the names that it had."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from torch import Tensor, nn

from suture.errors import PlanError, TraceError, listed
from suture.graph import Section, Shadow, blocks_of, recording, sections, trace, unpatched
from suture.graph.frames import Frame, frame_of, to_grid
from suture.hybrids.parts import Parts
from suture.sources.partial import LoadReport
from suture.spec.cut import Cut, Layout
from suture.spec.patch import Patch
from suture.spec.plan import Plan

_PART = re.compile(r"(?P<name>[a-z]+\d*)(:(?P<last>[1-9]\d*))?")


@dataclass(frozen=True)
class Change:
    """What one patch did to one layer. ``block`` is the name of what was added, beneath ``layer``.

    ``shape`` and ``out`` (without the batch axis) are of what the block takes and gives; ``parameters`` are those that
    were added, less those that went.
    """

    patch: Patch
    layer: str
    block: str
    layout: Layout
    shape: tuple[int, ...]
    out: tuple[int, ...]
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        told = self.patch.as_dict() | {"layer": self.layer, "name": self.block, "layout": str(self.layout)}
        return told | {"shape": list(self.shape), "out": list(self.out), "parameters_added": self.parameters}


class HybridModel(Shadow, Parts):
    """Takes what its network takes, and has its parameters under their own names; those of added blocks lie beneath
    the layers that they were added to.

    Its parts are ``stem``, ``stage1``, ``stage2``, ..., ``blocks`` (all that was added) and ``head``; ``backbone`` is
    the stem and all stages, ``backbone:2`` the last two of them, ``all`` everything. A stage ends where the resolution
    falls (see ``graph.sections``); the network is traced when stages are first asked for. ``frozen`` parts neither
    learn nor leave eval mode. ``changes`` tells what was patched, ``loaded`` what a checkpoint had of it.
    """

    def __init__(
        self, network: nn.Module, plan: Plan, example: Tensor, head: Sequence[str], changes: Sequence[Change] = ()
    ) -> None:
        Parts.__init__(self, plan)
        self.cover(network)
        self.head_names = tuple(head)
        self.changes = tuple(changes)
        self.loaded: LoadReport | None = None
        self._example = example

    @property
    def head_name(self) -> str:
        """The layer that it ends in; the first of several side by side. Raises PlanError where it gives features."""
        if not self.head_names:
            raise PlanError(
                f"this {type(self.covered).__name__} has no head: it gives features",
                expected="a network that ends in a layer for its classes",
                instead="num_classes=..., which gives it one",
            )
        return self.head_names[0]

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The stem, then the stages. Raises TraceError where the network cannot be followed."""
        names = [name for name, _ in self.named_parameters(remove_duplicate=False)]
        head, added = (list(filter(is_one, names)) for is_one in (self._is_head, self._is_block))
        example = self._example.to(next(self.parameters()))
        try:
            # The stages are those of the network, whatever was added to it.
            with unpatched(self):
                return sections(trace(self, example), head, added)
        except TraceError:
            return sections(trace(self, example), head, added)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages after the stem, by the layers that they are made of."""
        return tuple(section.name for section in self.sections[1:])

    @property
    def parts(self) -> tuple[str, ...]:
        blocks = ("blocks",) if self._blocks else ()
        return (*self._pretrained, *blocks, *(("head",) if self.head_names else ()))

    @property
    def _pretrained(self) -> tuple[str, ...]:
        return ("stem", *(f"stage{number}" for number in range(1, len(self.sections))))

    @cached_property
    def _blocks(self) -> tuple[str, ...]:
        return blocks_of(self)

    def named(self, part: str) -> tuple[str, ...]:
        """The parts that ``part`` stands for, in order. Raises PlanError for what is none, or for too many stages."""
        found = _PART.fullmatch(part)
        name, last = (found["name"], found["last"]) if found else (part, None)
        own = self.parts
        many = {"backbone": self._pretrained, "all": own, "blocks": ("blocks",) if "blocks" in own else ()}
        names = many.get(name, (name,) if name in own else None)
        stages = len(self._pretrained) - 1
        if names is None or (last and name != "backbone"):
            raise PlanError(
                f"this {type(self.covered).__name__} has no part {part!r}",
                expected=f"{listed(own, 12)}, backbone, backbone:K for its last K stages, or all",
                instead="backbone:1, or head",
            )
        if last and int(last) > stages:
            raise PlanError(
                f"the last {last} stages of a {type(self.covered).__name__}, which has {stages}",
                expected=f"as many as it has: {listed(self.stage_names, 12)}",
                instead=f"backbone:{stages}, or backbone for all of it",
            )
        return names[-int(last) :] if last else names

    def tensors_of(self, part: str) -> frozenset[str]:
        """The names in the state dict of the parameters of one part."""
        names = [name for name, _ in self.named_parameters(remove_duplicate=False)]
        if part == "head":
            return frozenset(name for name in names if self._is_head(name) and not self._is_block(name))
        if part == "blocks":
            return frozenset(name for name in names if self._is_block(name))
        if not self.sections:  # all is stem
            return frozenset(name for name in names if not (self._is_block(name) or self._is_head(name)))
        own = self.sections[self._pretrained.index(part)].parameters
        return frozenset(name for name in own if not self._is_block(name))

    def stage_modules(self, part: str) -> list[nn.Module]:
        """The modules that ``part`` is made of, none inside another, to be handed to a training.

        Parameters that no module of one part holds alone come in a list of their own. A block belongs to the stage
        that it sits in, too. Raises PlanError.
        """
        if part == "all":
            return [self]
        if part == "blocks":
            return [self.get_submodule(name) for name in self._blocks]
        wanted = frozenset[str]().union(*map(self.tensors_of, self.named(part)))
        return _covering(self, wanted, frozenset(self.tensors_of("blocks")))

    @property
    def spans(self) -> list[nn.Module]:
        """The modules of every stage, to be computed again by a training that keeps little."""
        found = [module for part in self._pretrained for module in self.stage_modules(part)]
        return [module for module in found if not isinstance(module, nn.ParameterList)]

    def is_frozen(self, tensor: str) -> bool:
        """Whether a parameter or buffer, by its name in the state dict, belongs to a frozen part."""
        if self._is_block(tensor):
            return "blocks" in self.frozen
        if self._is_head(tensor):
            return "head" in self.frozen
        return bool(self.frozen) and self._part_of(tensor) in self.frozen

    def freeze_backbone(self, unfreeze_stages: Iterable[int | str] | None = None) -> Self:
        """Only the head and what was added learn, and the stages named: by number from 0, the first after the stem
        (-1: the last), or by name as in ``stage_names``.

        Raises PlanError for a stage that it does not have; nothing is changed then.
        """
        thawed = [f"stage{self._number(stage) + 1}" for stage in unfreeze_stages or ()]
        self.thaw(*(part for part in ("blocks", "head") if part in self.parts))
        return self.freeze("backbone").thaw(*thawed)

    def unfreeze_all(self) -> Self:
        """Everything learns."""
        return self.thaw("all")

    def count_parameters(self, trainable_only: bool = False) -> int:
        """Parameters, each counted once; or those alone that learn."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not trainable_only)

    def get_stage_outputs(self, x: Tensor) -> list[Tensor]:
        """The output of the stem, then that of every stage, as maps (N, C, H, W): what detection and segmentation
        necks take.

        Maps with channels last and tokens come as maps too, class tokens left out; what has no cells is left as it is.
        The network runs as it stands, in train or eval mode.
        """
        if not self.sections:
            raise PlanError(
                f"the stages of this {type(self.covered).__name__}, where nothing can be cut at a layer",
                expected="a network with a layer that the rest comes after",
                instead="a call of the network itself",
            )
        modules = {str(k): self.get_submodule(section.output) for k, section in enumerate(self.sections)}
        with recording(outputs=modules) as seen:
            self(x)
        sides = zip(x.shape[2:], self._example.shape[2:], strict=False)
        scale = tuple(ours / traced for ours, traced in sides)
        return [_map(seen[str(k)], section.end, scale) for k, section in enumerate(self.sections)]

    def forward_features(self, x: Tensor) -> Tensor:
        """The output of the last stage, before pooling and head, as a map (N, C, H, W)."""
        return self.get_stage_outputs(x)[-1]

    def summary(self) -> str:
        """What it is made of, a line a part: parameters, how many of them learn, and the shape of what it gives."""
        rows = [("part", "layers", "parameters", "trainable", "gives")]
        for part in self.parts:
            tensors = [p for name, p in self.named_parameters(remove_duplicate=False) if name in self.tensors_of(part)]
            layers, gives = self._told(part)
            learns = sum(p.numel() for p in tensors if p.requires_grad)
            rows.append((part, layers, f"{sum(p.numel() for p in tensors):,}", f"{learns:,}", gives))
        rows.append(("all", "", f"{self.count_parameters():,}", f"{self.count_parameters(True):,}", ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}"
            for row in rows
        ]
        done = [f"  {change.patch.operation} {change.layer}: {change.block}" for change in self.changes]
        title = type(self.covered).__name__ + (f", {len(done)} blocks added" if done else "")
        return "\n".join(line.rstrip() for line in (title, *done, *lines))

    def _told(self, part: str) -> tuple[str, str]:
        if part == "head":
            return ", ".join(self.head_names), ""
        if part == "blocks":
            return listed(self._blocks, 3), ""
        if not self.sections:
            return "all", ""
        section = self.sections[self._pretrained.index(part)]
        return section.name, f"{section.end.layout} {'×'.join(map(str, section.end.shape))}"

    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        self.settle()
        if mode and self.frozen:
            frozen = [part for part in self.parts if part in self.frozen]
            for part in frozen:
                for module in self.stage_modules(part):
                    module.eval()
            for name in self._blocks if "blocks" not in frozen else ():
                self.get_submodule(name).train()
        return self

    def _set(self, parts: tuple[str, ...], *, frozen: bool) -> Self:
        names = {name for part in parts for name in self.named(part)}
        tensors = frozenset[str]().union(*map(self.tensors_of, names))
        for name, parameter in self.named_parameters(remove_duplicate=False):
            if name in tensors:
                parameter.requires_grad_(not frozen)
        self.frozen = self.frozen | names if frozen else self.frozen - names
        return self.train(self.training)

    def _number(self, stage: int | str) -> int:
        names = self.stage_names
        if isinstance(stage, str) and stage in names:
            return names.index(stage)
        if isinstance(stage, int) and not isinstance(stage, bool) and -len(names) <= stage < len(names):
            return stage % len(names)
        told = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        raise PlanError(
            f"this {type(self.covered).__name__} has no stage {stage!r}",
            expected=f"some of its {len(names)} stages: {told}",
            instead=f"unfreeze_stages=[{len(names) - 1}], or unfreeze_all()",
        )

    def _part_of(self, tensor: str) -> str:
        if not self.sections:
            return "stem"
        for part, section in zip(self._pretrained, self.sections, strict=True):
            if tensor in section.parameters:
                return part
        # A buffer goes with the parameters of its layer, or of what is around it.
        owner = tensor.rpartition(".")[0]
        while owner:
            for part, section in zip(self._pretrained, self.sections, strict=True):
                if any(name.startswith(f"{owner}.") for name in section.parameters):
                    return part
            owner = owner.rpartition(".")[0]
        return self._pretrained[-1]

    def _is_head(self, tensor: str) -> bool:
        return any(tensor.startswith(f"{name}.") for name in self.head_names)

    def _is_block(self, tensor: str) -> bool:
        return any(tensor.startswith(f"{name}.") for name in self._blocks)


def _covering(network: nn.Module, wanted: frozenset[str], added: frozenset[str]) -> list[nn.Module]:
    """The largest modules whose parameters are all ``wanted`` or ``added``, and a list of parameters for the rest."""
    found: list[nn.Module] = []
    alone: list[nn.Parameter] = []

    def look(module: nn.Module, path: str) -> None:
        names = {f"{path}{name}" for name, _ in module.named_parameters(remove_duplicate=False)}
        if names & wanted and names <= wanted | added:
            found.append(module)
            return
        alone.extend(p for name, p in module.named_parameters(recurse=False) if f"{path}{name}" in wanted)
        for name, child in module.named_children():
            if names & wanted:
                look(child, f"{path}{name}.")

    look(network, "")
    return [*dict.fromkeys(found), *([nn.ParameterList(alone)] if alone else [])]


def _map(x: Tensor, cut: Cut, scale: Sequence[float]) -> Tensor:
    """An activation at ``cut`` as a map; ``scale`` is how much larger the images are than those of the trace."""
    if cut.grid is None:
        return x
    frame = frame_of(cut, cut)
    if cut.layout in (Layout.NLC, Layout.NCL):
        grid = round(frame.grid[0] * scale[0]), round(frame.grid[1] * scale[1])
        frame = Frame(grid, frame.extra, nest=frame.nest)
    return to_grid(x, cut.layout, frame)[0].contiguous()
