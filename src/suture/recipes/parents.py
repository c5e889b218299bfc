"""The parents of a hybrid, checked against each other and the data."""

from dataclasses import dataclass, field

from suture.data.dataset import DataSet, Split, SplitName
from suture.evaluation import Scores, evaluate
from suture.hybrids import Parent, parent
from suture.recipes.context import Context
from suture.recipes.train import outputs
from suture.spec.recipe import Joined


@dataclass(frozen=True)
class Parents:
    """The parents by letter, in the order in which their parts run; the data; and how many outputs each parent has.

    ``seed`` drew those that are random; ``known`` keeps the scores that were asked for before.
    """

    named: dict[str, Parent]
    data: DataSet
    outputs: dict[str, int]
    seed: int = 0
    known: dict[tuple[str, Split], Scores] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[Parent, ...]:
        return tuple(self.named.values())

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    @property
    def macs(self) -> int:
        """Of one image through every parent: the unit FPE."""
        return sum(side.macs for side in self.sides)

    def scored(self, split: SplitName, device: str) -> dict[str, Scores | None]:
        """Scores of the parents on one split; None for a parent with other classes than the data."""
        images = self.data.split(split)
        for name, side in self.named.items():
            if self.outputs[name] == self.classes and (name, images) not in self.known:
                self.known[name, images] = evaluate(side.network, images, device=device)
        return {name: self.known.get((name, images)) for name in self.named}


def load_parents(step: Joined, context: Context) -> Parents:
    networks = {name: context.network(source) for name, source in step.networks.items()}
    data = context.data(*networks.values())
    named = {name: parent(network) for name, network in networks.items()}
    counts = {name: outputs(network, data) for name, network in networks.items()}
    return Parents(named, data, counts, context.seed)


def head_wanted(parents: Parents, asked: bool, context: Context) -> int | None:
    """How many classes a new head must have; None where the decoder keeps its own.

    Asked for, or because the last parent does not have the data's classes; that is said, and also where another
    parent has other classes, whose head is not used.
    """
    *others, last = parents.named
    found, origin = parents.outputs[last], parents.named[last].origin
    if found != parents.classes:
        context.watch.say(
            f"{origin} has {found} outputs, {parents.data.name} has {parents.classes} classes: "
            "the hybrid gets a new head"
        )
        return parents.classes
    if asked:
        context.watch.say(f"the hybrid gets a new head for {parents.classes} classes, as asked")
        return parents.classes
    for other in others:
        if parents.outputs[other] != found:
            context.watch.say(
                f"{parents.named[other].origin} tells {parents.outputs[other]} classes apart, {origin} {found}: "
                f"the hybrid keeps the head of {origin}"
            )
    return None
