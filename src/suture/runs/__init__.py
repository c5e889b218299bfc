"""Run folders, the trial ledger, and files that never change by half."""

from suture.runs.atomic import replacing, write_json, write_text
from suture.runs.environment import environment, versions
from suture.runs.folder import RunFolder, check_run, open_run
from suture.runs.ledger import Ledger
from suture.runs.watch import Watch

__all__ = [
    "Ledger",
    "RunFolder",
    "Watch",
    "check_run",
    "environment",
    "open_run",
    "replacing",
    "versions",
    "write_json",
    "write_text",
]
