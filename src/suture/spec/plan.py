"""The description of one hybrid: which parts of which networks, and how they are joined."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from suture.spec.adapter import AdapterSpec


@dataclass(frozen=True)
class Part:
    """One parent: its source without any path, the digest of its weights, and where it is cut."""

    origin: str
    digest: str
    cut: str


@dataclass(frozen=True)
class Plan:
    """Frozen and hashable. ``join`` is how the parts meet; ``new_head`` the classes of a head made anew."""

    parts: tuple[Part, ...]
    adapter: AdapterSpec
    join: str = "stitch"
    new_head: int | None = None

    @property
    def key(self) -> str:
        """sha256 of the plan: the same on every machine and in every process."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Plan":
        parts = tuple(Part(**part) for part in plain["parts"])
        return cls(parts, AdapterSpec(**plain["adapter"]), plain["join"], plain["new_head"])


def stitch_plan(a: Part, b: Part, adapter: AdapterSpec, new_head: int | None = None) -> Plan:
    """``a`` up to its cut, the adapter, and ``b`` after its cut."""
    return Plan((a, b), adapter, "stitch", new_head)
