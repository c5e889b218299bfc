"""The description of one hybrid: which parts of which networks, and how they are joined."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from suture.spec.adapter import AdapterSpec
from suture.spec.at import At
from suture.spec.fusion import FusionSpec
from suture.spec.patch import Patch


@dataclass(frozen=True)
class Part:
    """One parent: its source without any path, the digest of its weights, and where it is cut.

    A first part ends with ``cut``, any other begins after it; a part in the middle of a chain ends with ``end``. In a
    fusion every part ends with ``cut``. What is patched is cut nowhere: its ``cut`` is empty.
    """

    origin: str
    digest: str
    cut: str
    end: str | None = None


@dataclass(frozen=True)
class Plan:
    """Frozen and hashable. ``join`` is how the parts meet; ``new_head`` the classes of a head made anew.

    A fusion (``join`` fuse) has a ``fusion`` and no adapters, a stitch or a chain adapters and no ``fusion``. A patched
    network (``join`` patch) has ``patches`` (none where it only has a new head) and the ``dropout`` before its head.
    """

    parts: tuple[Part, ...]
    adapters: tuple[AdapterSpec, ...]
    join: str = "stitch"
    new_head: int | None = None
    fusion: FusionSpec | None = None
    patches: tuple[Patch, ...] = ()
    dropout: float = 0.0

    @property
    def adapter(self) -> AdapterSpec:
        """The first adapter; the only one of a stitch."""
        return self.adapters[0]

    @property
    def at(self) -> At:
        """Where the parts meet, in order; those of a fusion meet behind their cuts, at no place of each other."""
        if self.fusion or self.join == "patch":
            return ()
        ends = [part.end or part.cut for part in self.parts[:-1]]
        return tuple((end, part.cut) for end, part in zip(ends, self.parts[1:], strict=True))

    @property
    def key(self) -> str:
        """sha256 of the plan: the same on every machine and in every process."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Plain data. What only others have is left out of a stitch: ``end``, a list of ``adapters``, ``fusion``."""
        parts = [{name: told for name, told in asdict(part).items() if told is not None} for part in self.parts]
        if self.fusion:
            return {"parts": parts, "fusion": asdict(self.fusion), "join": self.join, "new_head": self.new_head}
        if self.join == "patch":
            patches = [patch.as_dict() for patch in self.patches]
            more = {"patches": patches, "dropout": self.dropout}
            return {"parts": parts, **more, "join": self.join, "new_head": self.new_head}
        specs = [asdict(spec) for spec in self.adapters]
        adapters: dict[str, Any] = {"adapter": specs[0]} if len(specs) == 1 else {"adapters": specs}
        return {"parts": parts, **adapters, "join": self.join, "new_head": self.new_head}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Plan":
        parts = tuple(Part(**part) for part in plain["parts"])
        if "fusion" in plain:
            return cls(parts, (), plain["join"], plain["new_head"], FusionSpec(**plain["fusion"]))
        if "patches" in plain:
            patches = tuple(map(Patch.from_dict, plain["patches"]))
            return patch_plan(parts[0], patches, plain["new_head"], plain["dropout"])
        specs = plain["adapters"] if "adapters" in plain else [plain["adapter"]]
        return cls(parts, tuple(AdapterSpec(**spec) for spec in specs), plain["join"], plain["new_head"])


def stitch_plan(a: Part, b: Part, adapter: AdapterSpec, new_head: int | None = None) -> Plan:
    """``a`` up to its cut, the adapter, and ``b`` after its cut."""
    return Plan((a, b), (adapter,), "stitch", new_head)


def chain_plan(parts: Iterable[Part], adapters: Iterable[AdapterSpec], new_head: int | None = None) -> Plan:
    """Parts in a row with an adapter between neighbours; of two parts it is their ``stitch_plan``."""
    parts, adapters = tuple(parts), tuple(adapters)
    return Plan(parts, adapters, "stitch" if len(parts) == 2 else "chain", new_head)


def fuse_plan(parts: Iterable[Part], fusion: FusionSpec) -> Plan:
    """Every part up to its cut, side by side, under one head."""
    return Plan(tuple(parts), (), "fuse", fusion.classes, fusion)


def patch_plan(part: Part, patches: Iterable[Patch], new_head: int | None = None, dropout: float = 0.0) -> Plan:
    """One network with changed layers, and perhaps a new head."""
    return Plan((part,), (), "patch", new_head, None, tuple(patches), dropout)
