"""Blocks that patch can add to a network, or put in the place of its layers.

A new kind is one file here whose function is decorated with ``register``, and its name in ``spec.names.BLOCKS``.
"""

from importlib import import_module

from suture.blocks.block import (
    AnyLayout,
    Gate,
    IdentityGate,
    IdentityStart,
    OnGrid,
    Site,
    build,
    check,
    described,
    parameters_of,
    register,
)
from suture.spec.names import BLOCKS

__all__ = [
    "AnyLayout",
    "Gate",
    "IdentityGate",
    "IdentityStart",
    "OnGrid",
    "Site",
    "build",
    "check",
    "described",
    "parameters_of",
    "register",
]

for _name in BLOCKS:
    import_module(f"suture.blocks.{_name}")
