"""Follow a network by the first rung that gives its own answers back."""

from collections.abc import Callable
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
from suture.graph.verify import Answer, agree, answer

Rung = Literal["fx", "export", "hooks"]
Climb = Callable[[Inventory, Tensor, tuple[Answer, Answer]], Route]


class RungError(Exception):
    """A rung that does not hold; the next one may."""


def by_fx(inventory: Inventory, example: Tensor, wanted: tuple[Answer, Answer]) -> Route:
    return _by_graphs((fx.follow(inventory, False), fx.follow(inventory, True)), example, wanted)


def _by_graphs(programs: tuple[Program, Program], example: Tensor, wanted: tuple[Answer, Answer]) -> Route:
    network = programs[0].inventory.network
    whole = Piece(programs[0].inventory, [program.graph for program in programs])
    for training, answered in zip((False, True), wanted, strict=True):
        found = answer(network, training, lambda mode=training: whole.train(mode)(example.clone()))  # type: ignore[misc]
        if not agree(found, answered):
            mode = "train" if training else "eval"
            raise RungError(f"the graph does not give the network's own output in {mode} mode")
    programs, auxiliary = without_auxiliary(programs, (wanted[0].output, wanted[1].output))
    calm, wild = (
        observe(program, whole, example, training) for program, training in zip(programs, (False, True), strict=True)
    )
    return GraphRoute(programs, (calm, wild), example, auxiliary)


def by_export(inventory: Inventory, example: Tensor, wanted: tuple[Answer, Answer]) -> Route:
    return _by_graphs(
        (export.follow(inventory, False, example), export.follow(inventory, True, example)), example, wanted
    )


def by_hooks(inventory: Inventory, example: Tensor, _wanted: tuple[Answer, Answer]) -> Route:
    return chainroute.follow(inventory, example)


RUNGS: Final[dict[Rung, Climb]] = {"fx": by_fx, "export": by_export, "hooks": by_hooks}
