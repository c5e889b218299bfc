"""What each verb would do, done as far as it goes without data: every step of a recipe really builds what it says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from typing import Any

from torch import nn

from suture.adapters import build
from suture.errors import PlanError
from suture.explanation import find_maps
from suture.hybrids import Parent, build_fusion, build_patched, model_of, preview
from suture.recipes.compare import Compare
from suture.recipes.desk import Desk, Dry
from suture.recipes.document import Document, Place
from suture.recipes.execute import VERBS
from suture.recipes.fuse import Fuse
from suture.recipes.globs import matched
from suture.recipes.parents import Parents
from suture.recipes.patch import Patch
from suture.recipes.staged import moving
from suture.recipes.stitch import Stitch
from suture.recipes.sweep import stitch_of
from suture.recipes.train import outputs
from suture.spec.at import read_at
from suture.spec.layers import read_layers
from suture.spec.patch import patch_places
from suture.spec.recipe import CompareStep, FuseStep, Joined, PatchStep, SearchStep, StitchStep, SweepStep, TuneStep

MANY = 64
MANY_IMAGES = 100_000
Sides = Sequence[Parent]
Probe = tuple[Place, Callable[[], Any]]


@dataclass(frozen=True)
class Built:
    """What a step works on, and the parameters of what it makes; None where that could not be built."""

    verb: str
    networks: tuple[str, ...]
    parameters: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"verb": self.verb, "networks": list(self.networks), "parameters": self.parameters}


def check_step(desk: Desk, number: int, document: Document, *, partial: bool = False) -> Built:
    """Build what step ``number`` (from 0) says; everything that is wrong with it is a problem at the desk.

    A ``partial`` step, of which something is left out, is not built, nor one whose weights are wrong; what of it can
    be looked at by itself is.
    """
    step = desk.recipe.steps[number]
    place: Place = ("steps", number, step.verb)
    sources = dict(_sources(step))
    before = len(desk.problems)
    looked = [desk.look(source, (*place, *inner), number, step) for inner, source in sources.items()]
    sides = [side for side in looked if side]
    built = Built(step.verb, tuple(sources.values()))
    if len(sides) < len(looked):
        return built
    partial = partial or len(desk.problems) > before
    before, failed = len(desk.problems), None
    if not partial:
        try:
            return replace(built, parameters=_BUILD.get(step.verb, _prepared)(desk, step, sides, place))
        except Exception as error:  # as in Desk.tried; the probes say where
            failed = error
    try:
        for inner, probe in _PROBES.get(step.verb, _no_probes)(step, sides, document.at((*place, "patches"))):
            desk.tried((*place, *inner), probe)
    except Exception as error:  # networks that cannot be joined at all have nothing to be probed
        failed = failed or error
    if failed and len(desk.problems) == before:
        desk.wrong(place, failed)
    return built


def _sources(step: Any) -> Iterator[tuple[Place, str]]:
    """The networks of a step, each with its place in it."""
    if isinstance(step, (SweepStep, TuneStep)):
        name = "stitch" if isinstance(step, SweepStep) else "fuse"
        yield from (((name, *place), source) for place, source in _sources(getattr(step, name)))
    elif isinstance(step, FuseStep):
        yield from ((("networks", number), source) for number, source in enumerate(step.networks))
    elif isinstance(step, (Joined, CompareStep)):
        yield from ((("a",), step.a), (("b",), step.b))
        yield from ((("more", number), source) for number, source in enumerate(getattr(step, "more", ())))
    else:
        yield ("model",), step.model


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _prepared(desk: Desk, step: Any, sides: Sides, _place: Place) -> int:
    VERBS[step.verb].prepare(step, desk.context(sides))
    return sum(_count(side.network) for side in sides)


def _explained(desk: Desk, step: Any, sides: Sides, place: Place) -> int:
    return _prepared(desk, step.model_copy(update={"target": None}), sides, place)


def _parents(step: Joined, sides: Sides, context: Dry) -> Parents:
    networks: list[Any] = [side.network for side in sides]
    data = context.data(*networks)
    counts = {name: outputs(network, data) for name, network in zip(step.networks, networks, strict=True)}
    return Parents(dict(zip(step.networks, sides, strict=True)), data, counts, context.seed)


def _stitched(desk: Desk, step: StitchStep, sides: Sides, _place: Place) -> int:
    context = desk.context(sides)
    return _size(Stitch.of(step, context, _parents(step, sides, context)))


def _size(made: Stitch) -> int:
    """The parameters of the hybrid: those of its parts and of its adapters."""
    seams = made.seams
    between = sum(x.params_before - y.params_before for (_, y), (x, _) in pairwise(seams))
    adapters = sum(_count(build(made.step.spec, *seam)) for seam in seams)
    return seams[0][0].params_before + between + seams[-1][1].params_after + adapters


def _searched(desk: Desk, step: SearchStep, sides: Sides, place: Place) -> int:
    context = desk.context(sides)
    counts = _parents(step, sides, context).outputs
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{counts[name]} ({source})" for name, source in step.networks.items())
        raise PlanError(
            f"a search among networks of {told} classes",
            expected="networks that all have the data's classes",
            instead="suture train, which makes heads for these data first",
        )
    even = {name: getattr(step, name) for name in Joined.model_fields}
    return _stitched(desk, StitchStep(**even, stage=step.stage), sides, place)


def _swept(desk: Desk, step: SweepStep, sides: Sides, place: Place) -> int:
    """Every value with the first ones of all other keys. A sweep leaves out what does not fit: that is only noted."""
    context = desk.context(sides)
    parents = _parents(step.stitch, sides, context)
    first = {key: values[0] for key, values in step.over.items()}
    made: Stitch | None = None
    left_out: list[tuple[Place, str]] = []
    for key, values in step.over.items():
        for number, value in enumerate(islice(values, MANY)):
            try:
                made = stitch_of(step, first | {key: value}, context, parents)
            except Exception as error:  # as in Desk.tried
                told = str(getattr(error, "given", error))
                left_out.append(((*place, "over", key, number), f"left out: {' '.join(told.split())}"))
    (desk.problems if made is None else desk.notes).extend(left_out)
    if made is None:
        raise PlanError(
            "no value of over makes a stitch beside the first ones of the others",
            expected="one or more that do",
            instead="other values, or other networks",
        )
    return _size(made)


def _fused(desk: Desk, step: FuseStep, sides: Sides, _place: Place) -> int:
    single = step.model_copy(update={"controls": False, "seeds": 1, "folds": None, "fold": None})
    context = desk.context(sides)
    networks: list[Any] = [side.network for side in sides]
    made = Fuse.of(single, context, dict(zip(step.letters, sides, strict=True)), context.data(*networks))
    return _count(made.build())


def _tuned(desk: Desk, step: TuneStep, sides: Sides, place: Place) -> int:
    return _fused(desk, step.fuse, sides, place)


def _compared(desk: Desk, step: CompareStep, sides: Sides, _place: Place) -> int:
    """On as many images as are asked for: how many the data have is not known."""
    context = desk.context(sides)
    each = -(-min(step.samples, MANY_IMAGES) // context.classes)
    Compare.prepare(step, replace(context, each=each))
    return sum(_count(side.network) for side in sides)


def _patched(desk: Desk, step: PatchStep, sides: Sides, _place: Place) -> int:
    (side,) = sides
    context = desk.context(sides, step.num_classes)
    network: Any = side.network
    data = context.data(network)
    return _count(Patch(step, context, side, data, data.with_validation(context.seed)).checked().model)


def _no_probes(_step: Any, _sides: Sides, _patches: Any) -> Iterator[Probe]:
    return iter(())


def _of_stitch(step: StitchStep, sides: Sides, _patches: Any) -> Iterator[Probe]:
    at = read_at(step.at) if step.at else None
    for (x, y), a, b in zip(at or (), sides, sides[1:], strict=False):
        yield ("at",), partial(a.traced.find, x)
        yield ("at",), partial(b.traced.find, y)


def _of_fuse(step: FuseStep, sides: Sides, _patches: Any) -> Iterator[Probe]:
    for number, (side, name) in enumerate(zip(sides, step.at, strict=False)):
        yield ("at", number), partial(side.traced.find, name)
    fusion = build_fusion(sides, None, step.fusion(10))
    for number, stage in enumerate(step.stages):
        yield ("stages", number, "moves"), partial(moving, fusion, stage)


def _of_tune(step: TuneStep, sides: Sides, patches: Any) -> Iterator[Probe]:
    yield from ((("fuse", *place), probe) for place, probe in _of_fuse(step.fuse, sides, patches))


def _of_compare(step: CompareStep, sides: Sides, _patches: Any) -> Iterator[Probe]:
    for number, entry in enumerate(step.layers):
        choice = read_layers([entry])
        for k, side in enumerate(sides):
            names = [pair[k] for pair in choice.pairs] or (choice.of_a, choice.of_b)[k]
            yield ("layers", number), partial(matched, side, names)


def _of_explain(step: Any, sides: Sides, _patches: Any) -> Iterator[Probe]:
    for number, name in enumerate(step.layer):
        yield ("layer", number), partial(find_maps, sides[0].traced, [name])


def _of_patch(step: PatchStep, sides: Sides, patches: Any) -> Iterator[Probe]:
    (side,) = sides
    for one, inner in zip(step.all_patches, patch_places(patches), strict=False):
        yield ("patches", *inner), partial(preview, side, [one])
    plain = model_of(build_patched(side, ()))
    for number, stage in enumerate(step.stages):
        yield ("stages", number, "moves"), partial(moving, plain, stage)


_BUILD: dict[str, Callable[[Desk, Any, Sides, Place], int]] = {
    "stitch": _stitched,
    "search": _searched,
    "sweep": _swept,
    "fuse": _fused,
    "tune": _tuned,
    "patch": _patched,
    "explain": _explained,
    "compare": _compared,
}
_PROBES: dict[str, Callable[[Any, Sides, Any], Iterator[Probe]]] = {
    "stitch": _of_stitch,
    "fuse": _of_fuse,
    "tune": _of_tune,
    "compare": _of_compare,
    "explain": _of_explain,
    "patch": _of_patch,
}
