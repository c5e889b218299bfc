"""Every command, one module each; importing them registers them, in the order that help shows."""

from suture.cli import demo, stitch, search, sweep, train, run, ls, layers, evaluate, compare  # noqa: I001

__all__ = ["compare", "demo", "evaluate", "layers", "ls", "run", "search", "stitch", "sweep", "train"]
