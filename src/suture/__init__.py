"""Build one better vision network out of parts of pretrained ones, and see whether it really is better.

    import suture

    a, b = suture.load("zoo:tiny10-a"), suture.load("zoo:resnet20-a")
    [cut.name for cut in suture.cuts(a)]
    hybrid = suture.stitch(a, b, at=("relu5", "layer2.2"))

Every name is imported when first used: ``import suture`` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.explanation import Explanation, explain
    from suture.hybrids import Fusion, Hybrid, HybridBuilder, HybridModel, chain, fuse, patch, save, stitch
    from suture.recipes.face import compare, cuts, evaluate, load, load_hybrid, run, search, split, train
    from suture.recipes.predict import predict
    from suture.sources import partial_load, transfer_weights

__version__ = "0.1.0"

FACE = {
    "load": "suture.recipes.face",
    "load_hybrid": "suture.recipes.face",
    "cuts": "suture.recipes.face",
    "split": "suture.recipes.face",
    "stitch": "suture.hybrids",
    "chain": "suture.hybrids",
    "fuse": "suture.hybrids",
    "patch": "suture.hybrids",
    "HybridBuilder": "suture.hybrids",
    "HybridModel": "suture.hybrids",
    "partial_load": "suture.sources",
    "transfer_weights": "suture.sources",
    "save": "suture.hybrids",
    "Hybrid": "suture.hybrids",
    "Fusion": "suture.hybrids",
    "search": "suture.recipes.face",
    "run": "suture.recipes.face",
    "train": "suture.recipes.face",
    "evaluate": "suture.recipes.face",
    "compare": "suture.recipes.face",
    "predict": "suture.recipes.predict",
    "explain": "suture.explanation",
    "Explanation": "suture.explanation",
}

__all__ = [
    "Explanation",
    "Fusion",
    "Hybrid",
    "HybridBuilder",
    "HybridModel",
    "chain",
    "compare",
    "cuts",
    "evaluate",
    "explain",
    "fuse",
    "load",
    "load_hybrid",
    "partial_load",
    "patch",
    "predict",
    "run",
    "save",
    "search",
    "split",
    "stitch",
    "train",
    "transfer_weights",
]


def __getattr__(name: str) -> Any:
    if name not in FACE:
        raise AttributeError(f"suture has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(FACE[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
