"""Where the networks of a recipe are looked at: without data, and without weights being fetched."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from suture.data.dataset import DataSet
from suture.errors import SourceError, SutureError
from suture.graph import Network
from suture.hybrids import Parent, parent
from suture.recipes.context import Context
from suture.recipes.document import Place
from suture.recipes.standin import EACH, standin
from suture.recipes.train import outputs
from suture.sources import load
from suture.sources.catalog import catalog
from suture.spec.recipe import Recipe, Step
from suture.spec.source import Source, parse_source

PUBLISHED = ("torchvision", "timm")
DRAWN = (*PUBLISHED, "zoo")  # which there are with random weights, too
Found = TypeVar("Found")


@dataclass
class Desk:
    """Every network is loaded and traced once. ``problems`` are what keeps the recipe from running, ``notes`` what
    could not be looked at or is left out, each with its place.
    """

    recipe: Recipe
    trust_code: bool = False
    problems: list[tuple[Place, str]] = field(default_factory=list)
    notes: list[tuple[Place, str]] = field(default_factory=list)
    _known: dict[tuple[str, bool], Parent] = field(default_factory=dict)

    def side(self, source: str, scratch: bool = False) -> Parent:
        """A network; weight files on this machine are read, published weights are not. Raises SourceError."""
        if (source, scratch) not in self._known:
            parsed = parse_source(source)
            blank = parsed.kind in PUBLISHED and parsed.path is None
            if blank and not scratch:
                _check_published(parsed)
            options: dict[str, Any] = {"scratch": scratch, "blank": blank, "seed": self.recipe.seed}
            self._known[source, scratch] = parent(load(parsed, trust_code=self.trust_code, **options))
        return self._known[source, scratch]

    def look(self, source: str, place: Place, number: int, step: Step) -> Parent | None:
        """The network of step ``number``, without its weights where those are what is wrong with it.

        None, and that is told, where there is none or it is not to be had yet.
        """
        parsed = parse_source(source)
        if parsed.kind == "python" and not self.trust_code:
            self.notes.append((place, f"{source} is code, not looked at without --trust-code"))
            return None
        if parsed.kind == "run" and (made := self._made(parsed, number)):
            self.notes.append((place, f"{source} is what step {made} makes; not looked at"))
            return None
        scratch = step.verb == "train"
        return self.tried(place, lambda: self.side(source, scratch)) or self._without_weights(parsed, scratch)

    def _without_weights(self, source: Source, scratch: bool) -> Parent | None:
        """The network of a source of which only the weights are wrong, so that the rest can be looked at."""
        if source.kind not in DRAWN or source.random:
            return None
        with suppress(Exception):
            return self.side(str(replace(source, weights="none")), scratch)
        return None

    def context(self, sides: Sequence[Parent], classes: int | None = None) -> "Dry":
        """Its data have so many classes, else those of the last network."""
        dry = Dry(self.recipe.model_copy(update={"device": "cpu"}), trust_code=self.trust_code, desk=self)
        if classes is None:
            network: Any = sides[-1].network
            classes = outputs(network, dry.data(network))
        return replace(dry, classes=classes)

    def tried(self, place: Place, work: Callable[[], Found]) -> Found | None:
        """What ``work`` gives, or None, and what it raised is a problem of ``place``."""
        try:
            return work()
        except Exception as error:  # what networks raise when they are built and run has no common root
            self.wrong(place, error)
            return None

    def wrong(self, place: Place, error: Exception) -> None:
        told = error.line if isinstance(error, SutureError) else f"fails: {type(error).__name__}: {error}"
        self.problems.append((place, told))

    def _made(self, source: Source, number: int) -> int | None:
        """The number, from 1, of the earlier step whose folder a ``run:`` source is."""
        names = {f"{k}-{step.verb}": k for k, step in enumerate(self.recipe.steps[:number], 1) if step}
        return names.get(Path(source.name).name)


@dataclass(frozen=True)
class Dry(Context):
    """What a verb is given to be prepared with: networks of a desk, and images that stand in for the data."""

    desk: Desk | None = None
    classes: int = 10
    each: int = EACH

    def network(self, source: str, **options: Any) -> Network:
        assert self.desk is not None
        network = self.desk.side(source, bool(options.get("scratch"))).network
        assert isinstance(network, Network)
        return network

    def data(self, *networks: Network) -> DataSet:
        return standin(self.classes, max(network.decode_size for network in networks), self.each)


def _check_published(source: Source) -> None:
    """Raises SourceError for a network of timm that has no weights to be fetched."""
    if source.random or source.kind != "timm":
        return
    known = next((entry for entry in catalog() if entry.name == f"timm:{source.name}"), None)
    if known and (not known.tags or source.weights not in (None, *known.tags)):
        raise SourceError(
            f"timm publishes no weights for {source}",
            expected="a file on this machine, or random weights",
            instead=f"timm:{source.name}@PATH, or timm:{source.name}@none",
        )
