"""Where the real networks and all of CIFAR-10 lie, for the tests that want them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# The same examples on every machine: CI tells of a change, never of luck. --hypothesis-profile=explore draws new ones.
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.register_profile("suture", derandomize=True)
settings.load_profile("suture")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and golden values: SUTURE_SHARED, or ``shared`` beside the checkout."""
    folder = Path(os.environ.get("SUTURE_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip("there is no ../shared; SUTURE_SHARED may name it")
    return folder


@pytest.fixture(scope="session")
def cifar10_npz(shared: Path) -> Path:
    """All of CIFAR-10 as one npz: SUTURE_TEST_CIFAR10, or fetched once by the script in ``../shared`` and kept."""
    if given := os.environ.get("SUTURE_TEST_CIFAR10"):
        return Path(given)
    cache = Path(os.environ.get("SUTURE_CACHE") or Path.home() / ".cache" / "suture") / "tests"
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / "cifar10.npz"
    with FileLock(cache / "cifar10.lock"):
        if not kept.exists():
            part = cache / "fetched.npz"
            script = shared / "data" / "get_cifar10.py"
            done = subprocess.run([sys.executable, script, part], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"CIFAR-10 could not be fetched: {done.stderr.strip().splitlines()[-1:]}")
            part.replace(kept)
    return kept
