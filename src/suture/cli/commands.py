"""Every command, one module each; importing them registers them."""

from suture.cli import train

__all__ = ["train"]
