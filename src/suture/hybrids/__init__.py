"""Plans and networks to modules. Importing the room registers the ``run:`` source."""

from suture.hybrids import run_source
from suture.hybrids.heads import head, new_head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.parent import Parent, parent
from suture.hybrids.stitch import fit_adapter, join, stitch
from suture.hybrids.store import load, save

__all__ = [
    "Hybrid",
    "Parent",
    "fit_adapter",
    "head",
    "join",
    "load",
    "new_head",
    "parent",
    "run_source",
    "save",
    "stitch",
]
