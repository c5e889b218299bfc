"""What a kind of source provides, and the table of kinds."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from suture.graph.network import Network
from suture.spec.names import NORMS
from suture.spec.source import Interpolation, Source, Triple


@dataclass(frozen=True)
class Request:
    """How to load: ``num_classes`` None keeps what the weights have; ``scratch`` allows random weights unasked."""

    source: Source
    trust_code: bool = False
    num_classes: int | None = None
    seed: int = 0
    scratch: bool = False


@dataclass(frozen=True)
class Body:
    """A network as its authors wrote it, and the preprocessing it was trained with."""

    module: nn.Module
    input_size: int
    norm: tuple[Triple, Triple] = NORMS["none"]
    size: int | None = None
    resize: int | None = None
    interpolation: Interpolation = "bilinear"
    classes: tuple[str, ...] | None = None
    licence: str = "unknown"


Loader = Callable[[Request], Body | Network]
LOADERS: dict[str, Loader] = {}


def register(kind: str) -> Callable[[Loader], Loader]:
    """``@register("zoo")`` makes a function the loader of ``zoo:`` sources."""

    def add(loader: Loader) -> Loader:
        LOADERS[kind] = loader
        return loader

    return add
