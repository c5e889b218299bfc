"""Follow a network by the first rung that gives its own answers back."""

from collections.abc import Callable, Iterable
from typing import Final, Literal

from torch import Tensor

from suture.graph import chainroute
from suture.graph.auxiliary import without_auxiliary
from suture.graph.costs import observe
from suture.graph.graphroute import GraphRoute
from suture.graph.inventory import Inventory
from suture.graph.piece import Piece
from suture.graph.program import Program
from suture.graph.route import Route
from suture.graph.rungs import export, fx
from suture.graph.verify import Answer, Wanted, agree, answer

Rung = Literal["fx", "export", "hooks"]
Climb = Callable[[Inventory, Tensor, Wanted], Route]


class RungError(Exception):
    """A rung that does not hold; the next one may."""


def by_fx(inventory: Inventory, example: Tensor, wanted: Wanted) -> Route:
    return _by_graphs((fx.follow(inventory, False), fx.follow(inventory, True)), example, wanted)


def _by_graphs(programs: tuple[Program, Program], example: Tensor, wanted: Wanted, sizes: Iterable[int] = ()) -> Route:
    """``sizes`` are other numbers of images that the eval graph must hold for."""
    inventory = programs[0].inventory
    network = inventory.network
    whole = Piece(inventory, [program.graph for program in programs])

    def check(mode: bool, images: Tensor, answered: Answer) -> None:
        if not agree(answer(network, mode, lambda: whole.train(mode)(images.clone())), answered):
            told = f"in {'train' if mode else 'eval'} mode for {len(images)} images"
            raise RungError(f"the graph does not give the network's own output {told}")

    check(False, example, wanted(False))
    # One graph for both modes has been seen to hold; what differs then are the modes of the network's own modules.
    if not whole.same_in_both_modes:
        check(True, example, wanted(True))
    for size in sizes:
        images = example[:1].expand(size, *example.shape[1:])
        check(False, images, answer(network, False, lambda images=images: network(images.clone())))  # type: ignore[misc]
    facts = observe(programs[0], whole, example, False)
    calm, (wild, auxiliary) = programs[0], without_auxiliary(programs[1], wanted(False).output, example)
    return GraphRoute((calm, wild), (facts, observe(wild, whole, example, True)), example, auxiliary)


def by_export(inventory: Inventory, example: Tensor, wanted: Wanted) -> Route:
    programs = export.follow(inventory, False, example), export.follow(inventory, True, example)
    return _by_graphs(programs, example, wanted, sizes=(1, 5))


def by_hooks(inventory: Inventory, example: Tensor, _wanted: Wanted) -> Route:
    return chainroute.follow(inventory, example)


RUNGS: Final[dict[Rung, Climb]] = {"fx": by_fx, "export": by_export, "hooks": by_hooks}
