"""The command line. Importing it imports no torch; commands do that themselves."""

from suture.cli.app import main

__all__ = ["main"]
