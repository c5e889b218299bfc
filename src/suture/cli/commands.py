"""Every command, one module each; importing them registers them, in the order that help shows."""

# ruff: noqa: I001
from suture.cli import demo, stitch, fuse, search, sweep, train, tune, run
from suture.cli import ls, layers, evaluate, predict, explain, compare

__all__ = [
    "compare",
    "demo",
    "evaluate",
    "explain",
    "fuse",
    "layers",
    "ls",
    "predict",
    "run",
    "search",
    "stitch",
    "sweep",
    "train",
    "tune",
]
