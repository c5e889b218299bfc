"""Activations as vectors of all their numbers."""

from dataclasses import replace
from math import prod

from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.cut import Cut, Layout

MOST_ENTRIES = 2**28  # of a map: 1 GiB in float32
MOST_COLUMNS = 8192  # of a fit: a Gram matrix of 0.5 GiB, whose eigenvectors take minutes


def ends(spec: AdapterSpec, source: Cut, target: Cut) -> tuple[Cut, Cut]:
    """The cuts that a map leads between: as they are, or with ``spec.flatten`` as vectors."""
    return (_flat(source), _flat(target)) if spec.flatten else (source, target)


def check_size(spec: AdapterSpec, source: Cut, target: Cut, *, fitted: bool | None = None) -> None:
    """Raise AdapterError for a flattened map that is too large to be kept, or to be fitted if it is to be.

    ``fitted`` says whether it is; None leaves that to the spec.
    """
    if not spec.flatten:
        return
    width_in, width_out = prod(source.shape), prod(target.shape)
    if width_in * width_out > MOST_ENTRIES:
        raise AdapterError(
            f"a flattened map from {source} to {target} has {width_in} x {width_out} = {width_in * width_out} entries",
            expected=f"at most {MOST_ENTRIES}, 1 GiB",
            instead="a later cut, or no --flatten",
        )
    if (spec.wants_fit if fitted is None else fitted) and width_in > MOST_COLUMNS:
        raise AdapterError(
            f"a fit of the flattened activations at {source} has {width_in} columns",
            expected=f"at most {MOST_COLUMNS}, as memory is their square and time their cube",
            instead="a later cut, or --init random",
        )


def _flat(cut: Cut) -> Cut:
    return replace(cut, layout=Layout.NC, shape=(prod(cut.shape),), cells=None)
