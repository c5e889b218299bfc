"""Plans and networks to modules. Importing the room registers the ``run:`` source."""

from suture.hybrids import run_source
from suture.hybrids.chain import chain
from suture.hybrids.front import Front, Prefix, Seam, fit_macs, fronts, ready
from suture.hybrids.fuse import build_fusion, fuse, fusion_cuts
from suture.hybrids.fusion import Fusion
from suture.hybrids.heads import head, new_head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.join import find_seams, fit_adapter, fit_adapters, join, planned
from suture.hybrids.maps import load_map, save_map
from suture.hybrids.parent import Parent, parent
from suture.hybrids.parts import Parts
from suture.hybrids.stitch import stitch
from suture.hybrids.store import load, save

__all__ = [
    "Front",
    "Fusion",
    "Hybrid",
    "Parent",
    "Parts",
    "Prefix",
    "Seam",
    "build_fusion",
    "chain",
    "find_seams",
    "fit_adapter",
    "fit_adapters",
    "fit_macs",
    "fronts",
    "fuse",
    "fusion_cuts",
    "head",
    "join",
    "load",
    "load_map",
    "new_head",
    "parent",
    "planned",
    "ready",
    "run_source",
    "save",
    "save_map",
    "stitch",
]
