"""Follow a network by the first rung that gives its own answers back."""

from collections.abc import Callable
from typing import Final, Literal

from torch import Tensor

from suture.graph import chainroute
from suture.graph.costs import observe
from suture.graph.graphroute import Facts, GraphRoute
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
    facts: list[Facts] = []
    owner = Piece(programs[0].inventory, programs[0].graph, programs[1].graph)
    for program, answered, training in zip(programs, wanted, (False, True), strict=True):

        def run(program: Program = program) -> object:
            known, output = observe(program, owner, example)
            facts.append(known)
            return output

        if not agree(answer(network, training, run), answered):
            mode = "train" if training else "eval"
            raise RungError(f"the graph does not give the network's own output in {mode} mode")
    return GraphRoute(programs, (facts[0], facts[1]), example)


def by_export(inventory: Inventory, example: Tensor, wanted: tuple[Answer, Answer]) -> Route:
    return _by_graphs(
        (export.follow(inventory, False, example), export.follow(inventory, True, example)), example, wanted
    )


def by_hooks(inventory: Inventory, example: Tensor, _wanted: tuple[Answer, Answer]) -> Route:
    return chainroute.follow(inventory, example)


RUNGS: Final[dict[Rung, Climb]] = {"fx": by_fx, "export": by_export, "hooks": by_hooks}
