"""Plans and networks to modules. Importing the room registers the ``run:`` source."""

from suture.hybrids import run_source
from suture.hybrids.builder import HybridBuilder
from suture.hybrids.chain import chain
from suture.hybrids.front import Front, Prefix, Seam, fit_macs, fronts, ready
from suture.hybrids.fuse import build_fusion, fuse, fusion_cuts
from suture.hybrids.fusion import Fusion
from suture.hybrids.heads import head, new_head
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.join import find_seams, fit_adapter, fit_adapters, join, planned
from suture.hybrids.maps import load_map, save_map
from suture.hybrids.model import Change, HybridModel
from suture.hybrids.parent import Parent, parent
from suture.hybrids.parts import Parts
from suture.hybrids.patch import build_patched, model_of, patch, preview
from suture.hybrids.stitch import stitch
from suture.hybrids.store import Saved, load, save

__all__ = [
    "Change",
    "Front",
    "Fusion",
    "Hybrid",
    "HybridBuilder",
    "HybridModel",
    "Parent",
    "Parts",
    "Prefix",
    "Saved",
    "Seam",
    "build_fusion",
    "build_patched",
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
    "model_of",
    "new_head",
    "parent",
    "patch",
    "planned",
    "preview",
    "ready",
    "run_source",
    "save",
    "save_map",
    "stitch",
]
