"""What a map is before anything is fitted or trained."""

import torch
from torch import Tensor

from suture.errors import AdapterError
from suture.spec.adapter import Start
from suture.spec.cut import Cut

SQUARE = ("eye", "perm")


def first_map(start: Start, source: int, target: int, generator: torch.Generator) -> Tensor:
    """The weight (target, source): the identity, a random permutation, all ones, or zero until it is fitted.

    ``random`` has none here: it stays as torch draws it.
    """
    if start == "eye":
        return torch.eye(source)
    if start == "perm":
        return torch.eye(source)[torch.randperm(source, generator=generator)]
    if start == "ones-zeros":
        return torch.ones(target, source)
    return torch.zeros(target, source)


def check_start(start: Start, source: Cut, target: Cut, widths: tuple[int, int]) -> None:
    """Raise AdapterError for ``eye`` and ``perm`` between unequal ``widths``."""
    if start in SQUARE and widths[0] != widths[1]:
        raise AdapterError(
            f"{'an' if start == 'eye' else 'a'} {start} start from {source} to {target} has {widths[0]} channels "
            f"on one side and {widths[1]} on the other",
            expected="equal numbers of channels",
            instead="start='least-squares' or start='random' (--init least-squares, --init random)",
        )
