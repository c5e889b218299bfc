"""Which versions, on what machine: what a result must be read with."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("suture", "torch", "torchvision", "timm", "accelerate", "safetensors", "numpy")


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def environment() -> dict[str, Any]:
    """Versions, processor and threads; no host, user or folder name."""
    return {
        "versions": versions(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the checkout that suture runs from; None for an installed package.

    A virtual environment may lie inside another project's checkout, so this file must be part of the commit.
    """
    here = Path(__file__).resolve()
    command = ["git", "rev-parse", "HEAD", f"HEAD:./{here.name}"]
    try:
        asked = subprocess.run(command, cwd=here.parent, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.split()[0]
