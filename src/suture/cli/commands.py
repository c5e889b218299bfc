"""Every command, one module each; importing them registers them, in the order that help shows."""

# ruff: noqa: I001
from suture.cli import demo, stitch, fuse, patch, search, sweep, train, tune, run, validate, init
from suture.cli import ls, layers, evaluate, predict, explain, compare, schema

__all__ = [
    "compare",
    "demo",
    "evaluate",
    "explain",
    "fuse",
    "init",
    "layers",
    "ls",
    "patch",
    "predict",
    "run",
    "schema",
    "search",
    "stitch",
    "sweep",
    "train",
    "tune",
    "validate",
]
