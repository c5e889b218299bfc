"""The two parents of a hybrid, checked against each other and the data."""

from dataclasses import dataclass

from suture.data.dataset import DataSet, SplitName
from suture.errors import PlanError
from suture.evaluation import Scores, evaluate
from suture.hybrids import Parent, parent
from suture.recipes.context import Context
from suture.recipes.train import outputs
from suture.spec.recipe import Joined


@dataclass(frozen=True)
class Parents:
    """Both parents, the data, and how many outputs each parent has."""

    a: Parent
    b: Parent
    data: DataSet
    outputs: tuple[int, int]

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    def scored(self, split: SplitName, device: str) -> tuple[Scores | None, Scores | None]:
        """Scores of both parents on one split; None for a parent with other classes than the data."""
        found = [
            evaluate(side.network, self.data.split(split), device=device) if count == self.classes else None
            for side, count in zip((self.a, self.b), self.outputs, strict=True)
        ]
        return found[0], found[1]


def load_parents(step: Joined, context: Context) -> Parents:
    a, b = context.network(step.a), context.network(step.b)
    data = context.data(a, b)
    return Parents(parent(a), parent(b), data, (outputs(a, data), outputs(b, data)))


def head_wanted(parents: Parents, asked: bool, context: Context) -> int | None:
    """How many classes a new head must have; None where the decoder keeps its own.

    Asked for, or because ``b`` does not have the data's classes; then it is said. Raises PlanError where the
    parents' classes differ, the data fit ``b``, and nobody asked.
    """
    first, second = parents.outputs
    if second != parents.classes:
        context.watch.say(
            f"{parents.b.origin} has {second} outputs, {parents.data.name} has {parents.classes} classes: "
            "the hybrid gets a new head"
        )
        return parents.classes
    if asked:
        context.watch.say(f"the hybrid gets a new head for {parents.classes} classes, as asked")
        return parents.classes
    if first != second:
        raise PlanError(
            f"{parents.a.origin} tells {first} classes apart, {parents.b.origin} {second}",
            expected="parents with the same classes, or your word that a new head may be made",
            instead="--new-head, which trains one for the data; or suture train the first parent on them",
        )
    return None
