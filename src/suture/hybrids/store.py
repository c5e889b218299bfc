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
from suture.hybrids.heads import head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.join import find_seams, join
from suture.hybrids.maps import load_map
from suture.hybrids.parent import Parent
from suture.runs import replacing, write_json
from suture.spec.plan import Plan
from suture.spec.source import parse_source

WEIGHTS, DESCRIPTION = "weights.safetensors", "hybrid.json"


def save(
    hybrid: Hybrid,
    folder: str | Path,
    sources: Sequence[str] | None = None,
    *,
    full: bool = False,
    seed: int = 0,
    head_seed: int | None = None,
) -> None:
    """Write ``hybrid.json`` and ``weights.safetensors`` (the parts that are not frozen; with ``full`` all).

    ``sources`` are the strings the parents were loaded from, ``seed`` what drew random ones, ``head_seed`` (None: the
    same) what drew a new head; without sources ``load`` must be given the parents. Raises PlanError where ``sources``
    are not those of the plan.
    """
    _check_sources(hybrid.plan, sources)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in hybrid.state_dict().items()
        if full or name.partition(".")[0] not in hybrid.frozen or _fresh_head(hybrid, name)
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


def load(folder: Path, parents: Sequence[Parent], chosen: str = "after") -> Hybrid:
    """The saved hybrid, bit for bit; with another map ``chosen`` the untrained one with that map (see ``load_map``).

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
    seams = find_seams(parents, plan.at)
    adapters = [build(spec, *seam) for spec, seam in zip(plan.adapters, seams, strict=True)]
    hybrid = join(parents, seams, adapters, classes=plan.new_head, seed=told.get("head_seed", told["seed"]))
    if chosen == "after":
        _load_weights(hybrid, folder, told)
    else:
        load_map(hybrid, folder, chosen)
    hybrid.thaw(*hybrid.parts).freeze(*told["frozen"])
    hybrid.plan = plan
    hybrid.classes = tuple(told["classes"]) if told["classes"] else hybrid.classes
    return hybrid.eval()


def _load_weights(hybrid: Hybrid, folder: Path, told: dict[str, Any]) -> None:
    state: dict[str, Tensor] = load_file(folder / WEIGHTS)
    missing, extra = hybrid.load_state_dict(state, strict=False)
    lost = [name for name in missing if told["full"] or name.partition(".")[0] not in told["frozen"]]
    if extra or lost:
        raise WeightsError(
            f"{folder / WEIGHTS} does not fit the plan beside it: {', '.join([*lost, *extra][:3])}",
            expected="the weights that were saved with the plan",
            instead="the whole folder as it was saved",
        )


def description(folder: Path) -> dict[str, Any]:
    """What ``hybrid.json`` says. Raises PlanError where there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise PlanError(
            f"{folder} holds no hybrid",
            expected=f"a folder with {DESCRIPTION} and {WEIGHTS}",
            instead="the run folder of suture stitch or suture search",
        )
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _fresh_head(hybrid: Hybrid, name: str) -> bool:
    """A head made anew is in no parent, so it is kept even where its part is frozen."""
    if hybrid.plan.new_head is None:
        return False
    return name.startswith(f"decoder.{head(hybrid.decoder)[0]}.")


def as_network(hybrid: Hybrid, origin: str) -> Network:
    """A hybrid as a network that can itself be evaluated, cut and stitched."""
    raw = Preprocess((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    size = hybrid.input_size or 224
    return Network(hybrid, raw, input_size=size, classes=hybrid.classes, origin=origin, decode_size=hybrid.decode_size)
