"""Names of networks: ``KIND:NAME[@WEIGHTS][?norm=...&size=...&interpolation=...]``, or ``run:FOLDER[?map=...]``."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import Literal, cast

from suture.errors import SourceError, listed, nearest
from suture.spec.names import NORMS, SOURCES

WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
Interpolation = Literal["nearest", "bilinear", "bicubic"]
MAPS = ("before", "after", "direct")
MAP = r"before|after|direct|step-\d+"
Triple = tuple[float, float, float]
EXAMPLES = (
    "zoo:tiny10-a, torchvision:resnet18@IMAGENET1K_V1, timm:resnet18@a1_in1k, "
    "python:my_nets.py:make@weights.safetensors?size=32"
)


@dataclass(frozen=True)
class Override:
    """What a source string says about preprocessing; None leaves the network's own.

    ``map`` is which adapters of a stitch are meant: before or after training, the direct fit, or ``step-000100``.
    """

    norm: tuple[Triple, Triple] | None = None
    size: int | None = None
    interpolation: Interpolation | None = None
    map: str | None = None

    def __str__(self) -> str:
        told = {
            "norm": self.norm and _norm_name(self.norm),
            "size": self.size,
            "interpolation": self.interpolation,
            "map": self.map,
        }
        query = "&".join(f"{key}={value}" for key, value in told.items() if value is not None)
        return query and f"?{query}"


@dataclass(frozen=True)
class Source:
    """``kind``, ``name``, and ``weights``: a tag, a path, ``none`` for random, or None for the default.

    ``parse_source(str(source)) == source``.
    """

    kind: str
    name: str
    weights: str | None = None
    override: Override = Override()

    @property
    def path(self) -> str | None:
        """The weights, if they are a file."""
        is_file = self.weights is not None and (
            self.weights.lower().endswith(WEIGHT_FILES) or "/" in self.weights or "\\" in self.weights
        )
        return self.weights if is_file else None

    @property
    def random(self) -> bool:
        return self.weights == "none"

    @property
    def origin(self) -> str:
        """The source without any folder: what plans and reports may show."""
        name = self.name
        if self.kind == "run":
            name = _last(name)
        elif self.kind == "python":
            place, _, function = name.rpartition(":")
            name = f"{_last(place)}:{function}"
        return _spelled(self.kind, name, _last(self.path) if self.path else self.weights, self.override)

    def __str__(self) -> str:
        return _spelled(self.kind, self.name, self.weights, self.override)


def parse_source(text: str) -> Source:
    """Read a source string. Raises SourceError naming the part that does not fit."""
    head, _, query = text.partition("?")
    kind, colon, rest = head.partition(":")
    name, at, weights = (rest, "", "") if kind == "run" else rest.partition("@")
    if kind not in SOURCES or not colon:
        guess = nearest(kind, SOURCES, 1)[0] if colon else "run" if text.startswith("runs/") else "zoo"
        raise SourceError(
            f"{text!r} does not start with a kind of source",
            expected=f"KIND:NAME with KIND one of {', '.join(SOURCES)}",
            instead=f"{guess}:{rest or kind or 'tiny10-a'}; other examples: {EXAMPLES}",
        )
    if not name or (at and not weights):
        missing = "weights after the @" if name else f"name after {kind}:"
        raise SourceError(f"{text!r} has no {missing}", expected="KIND:NAME[@WEIGHTS]", instead=EXAMPLES)
    if kind == "python" and not all(name.rpartition(":")[::2]):
        raise SourceError(
            f"{text!r} does not say which function makes the network",
            expected="python:FILE_OR_MODULE:CALLABLE",
            instead=f"python:{name.strip(':')}:NAME_OF_A_FUNCTION_THAT_RETURNS_A_MODULE",
        )
    override = _override(text, query)
    if kind != "run" and override.map:
        raise SourceError(
            f"{text!r} asks for a map, and {kind}: sources have none",
            expected="?map= after run:FOLDER, of a stitch",
            instead=f"run:runs/stitch?map={override.map}",
        )
    if kind == "run" and override != Override(map=override.map):
        raise SourceError(
            f"{text!r} overrides the preprocessing of a finished run",
            expected="run:FOLDER; its network brings the preprocessing it was trained with",
            instead=head,
        )
    return Source(kind, name, weights or None, override)


def _override(text: str, query: str) -> Override:
    override = Override()
    for item in filter(None, query.split("&")):
        key, _, value = item.partition("=")
        if key == "norm":
            override = replace(override, norm=_norm(text, value))
        elif key == "size":
            if not re.fullmatch("[1-9][0-9]{0,3}", value):
                raise SourceError(f"size={value} in {text!r}", expected="pixels, 1 to 9999", instead="size=224")
            override = replace(override, size=int(value))
        elif key == "interpolation":
            if value not in INTERPOLATIONS:
                raise SourceError(
                    f"interpolation={value} in {text!r}",
                    expected=f"one of {', '.join(INTERPOLATIONS)}",
                    instead=f"interpolation={nearest(value, INTERPOLATIONS, 1)[0]}",
                )
            override = replace(override, interpolation=cast(Interpolation, value))
        elif key == "map":
            if not re.fullmatch(MAP, value):
                raise SourceError(
                    f"map={value} in {text!r}",
                    expected=f"one of {', '.join(MAPS)}, or step-N, as the files in the run's maps folder are named",
                    instead=f"map={nearest(value, MAPS, 1)[0]}",
                )
            override = replace(override, map=value)
        else:
            known = ("norm", "size", "interpolation", "map")
            raise SourceError(
                f"{text!r} overrides {key!r}",
                expected=f"some of {listed(known)} after the ?",
                instead=f"{nearest(key, known, 1)[0]}={value or '...'}",
            )
    return override


def _norm(text: str, value: str) -> tuple[Triple, Triple]:
    if value in NORMS:
        return NORMS[value]
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or min(numbers[3:]) <= 0:
        raise SourceError(
            f"norm={value} in {text!r}",
            expected=f"one of {', '.join(NORMS)}, or six numbers: three means, three positive deviations",
            instead=f"norm={nearest(value, NORMS, 1)[0]} or norm=.5,.5,.5,.25,.25,.25",
        )
    r, g, b, sr, sg, sb = numbers
    return (r, g, b), (sr, sg, sb)


def _norm_name(norm: tuple[Triple, Triple]) -> str:
    named = {pair: name for name, pair in NORMS.items()}
    return named.get(norm) or ",".join(map(repr, (*norm[0], *norm[1])))


def _last(path: str) -> str:
    """The last part of a path of either spelling."""
    return PureWindowsPath(path).name or "."


def _spelled(kind: str, name: str, weights: str | None, override: Override) -> str:
    return f"{kind}:{name}" + (f"@{weights}" if weights else "") + str(override)
