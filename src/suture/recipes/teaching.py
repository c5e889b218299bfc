"""What an objective wants to know from the parents of a hybrid, and whether it can learn from that."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from suture.data.examples import Teach, nothing
from suture.errors import PlanError
from suture.graph import recording
from suture.hybrids import Hybrid, Seam, head
from suture.recipes.parents import Parents
from suture.spec.objective import Objective
from suture.spec.stage import Stage


def teacher(objective: Objective, parents: Parents, seam: Seam, device: str = "cpu") -> Teach:
    """Images to what ``training.criterion`` wants: logits of A and B, B's own activations. All in eval mode.

    ``seam`` is the last one, A the first network and B the last one.
    """
    wanted = objective.teachers
    if not (wanted or objective.at_cut or objective.at_penultimate):
        return nothing
    first, *_, last = parents.sides
    encoder, decoder = (half.eval() for half in last.traced.split(seam[1].name))
    goes_on = "b" in wanted or objective.at_penultimate

    @torch.no_grad()
    def teach(images: Tensor) -> Mapping[str, Tensor]:
        images = images.to(device)
        known = {"a": first.network(images)} if "a" in wanted else {}
        if goes_on or objective.at_cut:
            own = encoder(images)
            known |= {"cut": own.clone()} if objective.at_cut else {}
        if goes_on:
            ends = {"penultimate": head(decoder)[1]} if objective.at_penultimate else {}
            with recording(inputs=ends) as seen:
                logits = decoder(own)
            known |= dict(seen) | ({"b": logits} if "b" in wanted else {})
        return known

    return teach


def taught_macs(objective: Objective, parents: Parents, seam: Seam) -> int:
    """What one image costs the teachers."""
    first, *_, last = parents.sides
    goes_on = "b" in objective.teachers or objective.at_penultimate
    own = last.macs if goes_on else seam[1].macs_before if objective.at_cut else 0
    return own + (first.macs if "a" in objective.teachers else 0)


@contextmanager
def watched(hybrid: Hybrid, objective: Objective) -> Iterator[Mapping[str, Tensor]]:
    """What a loss looks at inside the hybrid, filled by every forward pass."""
    inputs = {"penultimate": head(hybrid.decoder)[1]} if objective.at_penultimate else {}
    outputs = {"cut": hybrid.adapters[-1]} if objective.at_cut else {}
    with recording(inputs=inputs, outputs=outputs) as seen:
        yield seen


def check_objective(hybrid: Hybrid, stage: Stage, parents: Parents, seam: Seam) -> None:
    """Raises PlanError where the parents cannot teach what the objective asks, or what moves cannot learn from it."""
    objective, moves = stage.objective, set(stage.moves)
    if not stage.epochs or objective.only_labels:
        return
    if objective.l1 and any(adapter.matrix is None for adapter in hybrid.adapters):
        raise PlanError(
            f"an L1 penalty on the map of an adapter of kind {hybrid.plan.adapter.kind!r}, which is no single matrix",
            expected="an adapter that is one linear map: linear, lowrank or conv3x3",
            instead="--adapter linear, or --l1 0",
        )
    if objective.target != "hard" and hybrid.plan.new_head is not None:
        raise PlanError(
            f"a new head, and the target {objective.target}, which knows nothing of its classes",
            expected="labels to train a new head with, or the last network's own head",
            instead="--target hard, or data with the classes of the last network",
        )
    if "a" in objective.teachers:
        (one, *_, other), (first, *_, last) = parents.outputs.values(), parents.sides
        if one != other:
            raise PlanError(
                f"the answers of {first.origin} are {one} classes, the hybrid's, from {last.origin}, {other}",
                expected="networks that tell the same classes apart",
                instead="--target soft-b, or --target match",
            )
    told = [name for name, weight in (("l1", objective.l1), ("cka-reg", objective.cka_reg)) if weight]
    if told and not moves & {"adapter", "encoder", "all"}:
        raise PlanError(
            f"--{told[0]}, and nothing before the cut that learns from it",
            expected="an adapter that moves",
            instead=f"--train adapter,{stage.moves[0]}, or no --{told[0]}",
        )
    if objective.target != "match":
        return
    if objective.at_penultimate:
        head(hybrid.decoder)
    behind = {"head", "all"} if objective.at_penultimate else {"head", "decoder", "all"}
    if moves & behind:
        raise PlanError(
            f"the {' and '.join(sorted(moves & behind))} cannot learn to match activations before it",
            expected="parts before the place that is matched",
            instead="--train adapter" + (", or --match-at penultimate" if moves & behind == {"decoder"} else ""),
        )
    if not objective.at_penultimate and _stays(hybrid, seam):
        raise PlanError(
            f"the adapter leaves the grid of {seam[0]} as it is, {seam[1]} has another",
            expected="activations of the same shape to match",
            instead="--resample bilinear, or --match-at penultimate",
        )


def _stays(hybrid: Hybrid, seam: Seam) -> bool:
    source, target = seam
    shape = hybrid.adapters[-1](torch.zeros(1, *source.shape)).shape[1:]
    return tuple(shape) != tuple(target.shape)
