"""Where the real networks and all of CIFAR-10 lie, for the tests that want them."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and golden values: SUTURE_SHARED, or ``shared`` beside the checkout."""
    folder = Path(os.environ.get("SUTURE_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip("there is no ../shared; SUTURE_SHARED may name it")
    return folder


@pytest.fixture(scope="session")
def cifar10_npz() -> Path:
    """All of CIFAR-10 as one npz: SUTURE_TEST_CIFAR10."""
    path = os.environ.get("SUTURE_TEST_CIFAR10")
    if not path:
        pytest.skip("SUTURE_TEST_CIFAR10 names no file")
    return Path(path)
