"""Which of several processes this is, as torchrun tells each that it starts."""

import os


def rank() -> int:
    """The number of this process, from 0; 0 where it is the only one."""
    return int(os.environ.get("RANK", 0)) if world() > 1 else 0


def local_rank() -> int:
    """Its number on this machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0)) if world() > 1 else 0


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", 1))
