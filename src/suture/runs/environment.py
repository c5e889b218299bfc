"""Which versions, on what machine: what a result must be read with."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
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
    """The commit of the checkout that suture runs from; None for an installed package."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()
