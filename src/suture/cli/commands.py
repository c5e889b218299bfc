"""Every command, one module each; importing them registers them, in the order that help shows."""

from suture.cli import demo, stitch, search, train, run, ls, layers, evaluate  # noqa: I001

__all__ = ["demo", "evaluate", "layers", "ls", "run", "search", "stitch", "train"]
