"""Layers of one network against layers of another: all pairs and measures in one pass, in bounded memory."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from suture.measures.comparison import Comparison
from suture.measures.found import Found, Sides
from suture.measures.passes import Pass
from suture.measures.similarity import Similarity

Batches = Callable[[int], Iterable[Tensor]]


@torch.no_grad()
def compare_pairs(asked: Comparison, batches: Batches, device: Any = None) -> tuple[Similarity, ...]:
    """The values of every measure. ``batches(size)`` gives the images anew, so many at a time.

    All is done in one pass over the images, in as many as it takes where the activations of the layers that are
    needed whole do not fit the memory at once. The networks are moved to ``device`` (None leaves them) and run in
    eval mode. Raises MeasureError for what cannot be compared or does not fit the memory, before any work; for
    activations of a named pair that are constant or not finite, and where that leaves no value at all; any other pair
    is then None.
    """
    asked.check()
    found = Found(asked)
    sides: Sides = {}
    with asked.watch.task("reading activations", len(asked.passes) * asked.images) as advance:
        for number, kept in enumerate(asked.passes):
            done = Pass(asked, kept, streaming=number == 0)
            done.run(batches, device, advance)
            found.streamed(done)
            for family in asked.families:
                found.prepare(family, done, sides)
                if len(asked.passes) == 1:  # then what one family keeps is not needed for the next
                    found.relate(family, sides)
                    sides.clear()
    for family in asked.families if sides else ():
        found.relate(family, sides)
    return found.similarities()
