"""The outcome of a verb."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Number:
    """One measured number with its unit (``share``, ``nats``, ``s``) and which way is better."""

    name: str
    value: float
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class Record:
    """What a verb found, on which images, with which plan, data, seed, versions and device."""

    verb: str
    numbers: tuple[Number, ...]
    n: int
    split: str
    data: str
    data_digest: str
    seed: int
    device: str
    seconds: float
    versions: dict[str, str]
    plan: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def scores(accuracy: float, cross_entropy: float) -> tuple[Number, ...]:
    """The two numbers of every classifier."""
    return (
        Number("accuracy", accuracy, "share", higher_is_better=True),
        Number("cross_entropy", cross_entropy, "nats", higher_is_better=False),
    )
