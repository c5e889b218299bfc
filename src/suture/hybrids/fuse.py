"""Networks side by side in, one network out."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from suture.errors import CutError, PlanError
from suture.fusions import FusionSpec, build
from suture.fusions.fusion import KINDS
from suture.graph import last_map, penultimate, stages, untouched
from suture.hybrids.chain import Giver, each
from suture.hybrids.fusion import POOL, Fusion
from suture.hybrids.heads import check_head, head
from suture.hybrids.parent import Parent, parent
from suture.hybrids.pooling import to_map, to_vector
from suture.spec.cut import Cut
from suture.spec.plan import fuse_plan

_PROBES = 4


def fuse(
    networks: Sequence[Giver],
    method: str = "concat",
    *,
    num_classes: int | None = None,
    at: str | Sequence[str] | None = None,
    hidden: int = 1024,
    width: int = 512,
    dropout: float = 0.5,
    seed: int = 0,
    example: Tensor | Sequence[Tensor | None] | None = None,
    trust_code: bool = False,
) -> Fusion:
    """Run backbones side by side under one new head: ``fuse(["zoo:tiny10-a", "zoo:resnet20-a"], num_classes=4)``.

    Networks are source strings, loaded networks, or any ``nn.Module`` with an ``example`` batch of its input (one for
    all, or one each); none is changed, and the fusion owns copies of the backbones. ``method`` is one of FUSIONS;
    ``hidden``, ``width`` and ``dropout`` are those of FusionSpec. ``at`` names the cut of each whose value its features
    are; without it that is the penultimate one, for ``maps`` the last map. ``num_classes`` is by default that of the
    networks, where they agree. ``seed`` draws the head, and ``@none`` networks. The backbones come frozen, in eval
    mode; the head learns.

    Raises SourceError, CutError, PlanError.
    """
    if isinstance(networks, (str, nn.Module, Parent)) or not networks:
        raise PlanError(
            "no list of networks" if networks else "a fusion of no networks",
            expected="one network or more, in a list",
            instead='fuse(["zoo:tiny10-a", "zoo:resnet20-a"])',
        )
    FusionSpec(method, num_classes or 1, hidden, width, dropout)  # wrong words first: loading takes its time
    examples = each(example, len(networks), "example")
    options: dict[str, Any] = {"trust_code": trust_code, "seed": seed}
    sides = [parent(network, shown, **options) for network, shown in zip(networks, examples, strict=True)]
    classes = _common_classes(sides) if num_classes is None else num_classes
    names = None if at is None else tuple(name.strip() for name in at.split(",")) if isinstance(at, str) else tuple(at)
    return build_fusion(sides, names, FusionSpec(method, classes, hidden, width, dropout), seed)


def build_fusion(sides: Sequence[Parent], at: Sequence[str] | None, spec: FusionSpec, seed: int = 0) -> Fusion:
    """The fusion of networks at the cuts named, or at the default ones; it owns copies of the backbones.

    They are frozen and in eval mode, the head is random, drawn by ``seed``, and learns. Raises CutError, PlanError.
    """
    cuts = fusion_cuts(sides, at, spec)
    maps = KINDS[spec.method].maps
    made = build(spec, cuts, seed)
    made.begin([_last_layer(side, cut, spec.classes) for side, cut in zip(sides, cuts, strict=True)])
    backbones = [_backbone(side, cut, maps) for side, cut in zip(sides, cuts, strict=True)]
    shapes = [(cut.channels, *(cut.grid or ())) if maps else (cut.channels,) for cut in cuts]
    plan = fuse_plan([side.part(cut) for side, cut in zip(sides, cuts, strict=True)], spec)
    fusion = Fusion(backbones, made, shapes, plan)
    fusion.input_size = _largest(sides, "input_size")
    fusion.decode_size = _largest(sides, "decode_size")
    classes = {getattr(side.network, "classes", None) for side in sides}
    names = classes.pop() if len(classes) == 1 else None
    fusion.classes = names if names and len(names) == spec.classes else None
    return fusion.freeze("backbones").eval()


def fusion_cuts(sides: Sequence[Parent], at: Sequence[str] | None, spec: FusionSpec) -> tuple[Cut, ...]:
    """Where each backbone ends. Raises CutError, naming the network, and PlanError for another number of names."""
    if at is not None and len(at) != len(sides):
        raise PlanError(
            f"{len(at)} cuts for {len(sides)} backbones",
            expected="one for each, in order, or none: the input of the last layer",
            instead=f"at=[{', '.join(repr(_default(side, spec).name) for side in sides)}]",
        )
    names: Sequence[str | None] = [None] * len(sides) if at is None else at
    return tuple(_found(side, name, spec) for side, name in zip(sides, names, strict=True))


def _found(side: Parent, name: str | None, spec: FusionSpec) -> Cut:
    try:
        return _default(side, spec) if name is None else side.traced.find(name)
    except CutError as error:
        raise CutError(f"{side.origin}: {error.given}", expected=error.expected, instead=error.instead) from error


def _default(side: Parent, spec: FusionSpec) -> Cut:
    check_head(side.network)
    return last_map(side.traced) if KINDS[spec.method].maps else penultimate(side.traced)


def _backbone(side: Parent, end: Cut, maps: bool) -> nn.Sequential:
    first, *others = names = [cut.name for cut in stages(side.traced, end)]
    pieces = [side.traced.split(first)[0], *(side.traced.between(start, stop) for start, stop in pairwise(names))]
    if others and _shared(pieces):
        pieces = [side.traced.split(end.name)[0]]
    # In one go: what two stages share without learning it stays shared.
    copied = copy.deepcopy(nn.Sequential(OrderedDict((f"stage{k}", piece) for k, piece in enumerate(pieces, 1))))
    pool = to_map(end) if maps else to_vector(end)
    if not isinstance(pool, nn.Identity):
        copied.add_module(POOL, pool)
    return copied


def _shared(pieces: Sequence[nn.Module]) -> bool:
    """Whether two stages hold the same tensor, so that neither could be frozen alone."""
    seen = [id(tensor) for piece in pieces for tensor in piece.state_dict(keep_vars=True).values()]
    return len(seen) != len(set(seen))


@torch.no_grad()
def _last_layer(side: Parent, cut: Cut, classes: int) -> nn.Linear | None:
    """The linear layer to ``classes`` that is all the network does after the cut; None where there is none."""
    decoder = side.traced.split(cut.name)[1]
    try:
        _, layer = head(decoder)
    except PlanError:
        return None
    if not isinstance(layer, nn.Linear) or (layer.in_features, layer.out_features) != (cut.channels, classes):
        return None
    with untouched(side.network, False):
        like = layer.weight
        x = torch.randn(_PROBES, *cut.shape, device=like.device, dtype=like.dtype)
        return layer if torch.allclose(decoder.eval()(x), layer(to_vector(cut)(x)), atol=1e-5) else None


def _common_classes(sides: Sequence[Parent]) -> int:
    counts = [_outputs(side) for side in sides]
    if len(set(counts)) != 1:
        told = ", ".join(f"{count} ({side.origin})" for side, count in zip(sides, counts, strict=True))
        raise PlanError(
            f"networks of {told} classes",
            expected="as many classes in each, or their number",
            instead=f"num_classes={min(counts)}",
        )
    return counts[0]


@torch.no_grad()
def _outputs(side: Parent) -> int:
    """How many numbers a network gives for an image."""
    cut = side.traced.cuts(fine=True)[-1]
    with untouched(side.network, False):
        like = next(side.network.parameters(), torch.empty(0))
        x = torch.zeros(_PROBES, *cut.shape, device=like.device, dtype=like.dtype)
        return int(side.traced.split(cut.name)[1].eval()(x).flatten(1).shape[1])


def _largest(sides: Sequence[Parent], size: str) -> int | None:
    sizes = [getattr(side.network, size, None) for side in sides]
    return max((size for size in sizes if size), default=None)
