"""A hybrid on disk: what is new in it, and the digests of the parents it needs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from suture.adapters import build
from suture.data.preprocess import Preprocess
from suture.errors import PlanError, WeightsError, listed
from suture.graph import Network
from suture.hybrids.fuse import build_fusion
from suture.hybrids.fusion import Fusion
from suture.hybrids.heads import head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.join import find_seams, join
from suture.hybrids.maps import load_map
from suture.hybrids.model import HybridModel
from suture.hybrids.parent import Parent
from suture.hybrids.parts import Parts
from suture.hybrids.patch import build_patched, model_of
from suture.runs import replacing, write_json
from suture.spec.plan import Plan
from suture.spec.source import parse_source

WEIGHTS, DESCRIPTION = "weights.safetensors", "hybrid.json"
Saved = Hybrid | Fusion | HybridModel | Network


def save(
    network: Parts | Network,
    folder: str | Path,
    sources: Sequence[str] | None = None,
    *,
    full: bool = False,
    seed: int = 0,
    head_seed: int | None = None,
) -> None:
    """Write ``hybrid.json`` and ``weights.safetensors`` (what is not frozen; with ``full`` all).

    ``network`` is a hybrid, a fusion, or what ``suture.patch`` made. ``sources`` are the strings the parents were
    loaded from, ``seed`` what drew random ones, ``head_seed`` (None: the same) what drew a new head; without sources
    ``load`` must be given the parents. Raises PlanError where ``sources`` are not those of the plan, or for a network
    that has no plan.
    """
    hybrid = network if isinstance(network, Parts) else model_of(network)
    _check_sources(hybrid.plan, sources)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = _fresh(hybrid)
    kept = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in hybrid.state_dict().items()
        if full or not hybrid.is_frozen(name) or name.startswith(fresh)
    }
    with replacing(folder / WEIGHTS) as part:
        save_file({name: tensor.clone() for name, tensor in kept.items()}, part, {"plan": hybrid.plan.key})
    write_json(
        folder / DESCRIPTION,
        {
            "plan": hybrid.plan.as_dict(),
            "sources": sources,
            "seed": seed,
            "head_seed": seed if head_seed is None else head_seed,
            "full": full,
            "frozen": sorted(hybrid.frozen),
            "classes": hybrid.classes,
        },
    )


def _check_sources(plan: Plan, sources: Sequence[str] | None) -> None:
    if sources is None:
        return
    wanted = [part.origin for part in plan.parts]
    given = [parse_source(source).origin for source in sources]
    unknown = [origin.startswith("module:") for origin in wanted]
    same = len(given) == len(wanted) and all(map(lambda g, w, free: free or g == w, given, wanted, unknown))
    if not same:
        raise PlanError(
            f"the sources {listed(given)}",
            expected=f"those of the plan, in its order: {listed(wanted)}",
            instead="the strings that the networks were loaded from, or none, and the networks at load_hybrid",
        )


def load(folder: Path, parents: Sequence[Parent], chosen: str = "after") -> Saved:
    """The saved hybrid, bit for bit; with another map ``chosen`` the untrained one with that map (see ``load_map``).

    A patched network has the preprocessing of its parent, where that has one.

    Raises PlanError for a folder without one or for too few or many parents, WeightsError for another parent.
    """
    told = description(folder)
    plan = Plan.from_dict(told["plan"])
    if len(parents) != len(plan.parts):
        raise PlanError(
            f"{len(parents)} parents for a hybrid of {len(plan.parts)} networks",
            expected=", ".join(part.origin for part in plan.parts),
            instead="all of them, in this order",
        )
    for side, part in zip(parents, plan.parts, strict=True):
        if not told["full"] and side.digest != part.digest:
            raise WeightsError(
                f"{part.origin} now has weights {side.digest[:12]}, the hybrid was made with {part.digest[:12]}",
                expected="the very weights the hybrid was made from",
                instead="the original weight file, or a hybrid saved with full=True",
            )
    found = _untrained(plan, parents, told.get("head_seed", told["seed"]))
    hybrid = found if isinstance(found, Parts) else model_of(found)
    hybrid.thaw(*hybrid.parts).freeze(*told["frozen"])
    if chosen == "after":
        _load_weights(hybrid, folder, told["full"])
    else:
        load_map(hybrid, folder, chosen)
    found.plan = hybrid.plan = plan
    found.classes = hybrid.classes = tuple(told["classes"]) if told["classes"] else hybrid.classes
    return found.eval()


def _untrained(plan: Plan, parents: Sequence[Parent], seed: int) -> Saved:
    if plan.join == "patch":
        new = plan.new_head is not None
        options: dict[str, Any] = {"classes": plan.new_head, "dropout": plan.dropout, "seed": seed, "fresh": new}
        return build_patched(parents[0], plan.patches, **options)
    if plan.fusion:
        return build_fusion(parents, [part.cut for part in plan.parts], plan.fusion, seed)
    seams = find_seams(parents, plan.at)
    adapters = [build(spec, *seam) for spec, seam in zip(plan.adapters, seams, strict=True)]
    return join(parents, seams, adapters, classes=plan.new_head, seed=seed)


def _load_weights(hybrid: Parts, folder: Path, full: bool) -> None:
    state: dict[str, Tensor] = load_file(folder / WEIGHTS)
    own, fresh = hybrid.state_dict(), _fresh(hybrid)
    lost = [
        name for name in own if name not in state and (full or not hybrid.is_frozen(name) or name.startswith(fresh))
    ]
    wrong = [name for name, tensor in state.items() if name not in own or own[name].shape != tensor.shape]
    if lost or wrong:
        raise WeightsError(
            f"{folder / WEIGHTS} does not fit the plan beside it: {', '.join([*lost, *wrong][:3])}",
            expected="the weights that were saved with the plan",
            instead="the whole folder as it was saved",
        )
    hybrid.load_state_dict(state, strict=False)


def description(folder: Path) -> dict[str, Any]:
    """What ``hybrid.json`` says. Raises PlanError where there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise PlanError(
            f"{folder} holds no hybrid",
            expected=f"a folder with {DESCRIPTION} and {WEIGHTS}",
            instead="the run folder of suture stitch, fuse, patch or search",
        )
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _fresh(hybrid: Parts) -> tuple[str, ...]:
    """The starts of the names of what is in no parent, and so is kept even where it is frozen."""
    if isinstance(hybrid, HybridModel):
        heads = hybrid.head_names if hybrid.plan.new_head is not None else ()
        return tuple(f"{name}." for name in (*heads, *(change.block for change in hybrid.changes)))
    if isinstance(hybrid, Hybrid) and hybrid.plan.new_head is not None:
        return (f"decoder.{head(hybrid.decoder)[0]}.",)
    return ("head.",) if isinstance(hybrid, Fusion) else ()


def as_network(hybrid: Saved, origin: str) -> Network:
    """A hybrid as a network that can itself be evaluated, cut and stitched."""
    if isinstance(hybrid, Network):
        hybrid.origin = origin
        return hybrid
    raw = Preprocess((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    size = hybrid.input_size or 224
    return Network(hybrid, raw, input_size=size, classes=hybrid.classes, origin=origin, decode_size=hybrid.decode_size)
