"""What a kind of source provides, and the table of kinds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from suture.errors import SourceError
from suture.graph.network import Network
from suture.spec.names import NORMS
from suture.spec.source import Interpolation, Source, Triple


@dataclass(frozen=True)
class Request:
    """How to load: ``num_classes`` None keeps what the weights have; ``scratch`` allows random weights where a
    source has none.

    ``blank`` wants the architecture and the preprocessing that go with the weights, but no weights.
    """

    source: Source
    trust_code: bool = False
    num_classes: int | None = None
    seed: int = 0
    scratch: bool = False
    blank: bool = False

    @property
    def path(self) -> Path | None:
        """The weight file to read, if any."""
        return Path(self.source.path) if self.source.path and not self.blank else None

    @property
    def random(self) -> bool:
        """Whether the weights stay as they are drawn."""
        return self.blank or self.source.random

    def check_classes(self, found: int) -> None:
        """Trained weights keep their head. Raises SourceError where another was asked for."""
        if self.num_classes not in (None, found):
            raise SourceError(
                f"the weights of {self.source} tell {found} classes apart, asked for were {self.num_classes}",
                expected=f"num_classes={found}, or random weights",
                instead=f"{self.source.kind}:{self.source.name}@none, or suture train, which makes a new head",
            )


@dataclass(frozen=True)
class Body:
    """A network as its authors wrote it, and the preprocessing it was trained with, in the words of Preprocess."""

    module: nn.Module
    input_size: int
    norm: tuple[Triple, Triple] = NORMS["none"]
    size: int | None = None
    resize: int | None = None
    interpolation: Interpolation = "bilinear"
    classes: tuple[str, ...] | None = None
    licence: str = "unknown"
    stretch: bool = False


Loader = Callable[[Request], Body | Network]
LOADERS: dict[str, Loader] = {}


def register(kind: str) -> Callable[[Loader], Loader]:
    """``@register("zoo")`` makes a function the loader of ``zoo:`` sources."""

    def add(loader: Loader) -> Loader:
        LOADERS[kind] = loader
        return loader

    return add


@contextmanager
def sized(source: Source) -> Iterator[None]:
    """What an architecture raises when built for, or asked at, a ``?size=`` that it cannot have, as a SourceError."""
    try:
        yield
    except Exception as error:
        if source.override.size is None:
            raise
        raise SourceError(
            f"{source} does not work at this size: {first_line(error)}",
            expected="a size that the architecture can have, often a multiple of 14, 16 or 32",
            instead=f"?size={-(-source.override.size // 224) * 224}, or no ?size=",
        ) from error


def first_line(error: Exception) -> str:
    """Of what a library says; its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
