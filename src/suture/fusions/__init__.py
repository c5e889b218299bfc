"""Heads that make one answer of the features of several backbones.

A new kind is one file here whose class is decorated with ``register``, and its name in ``spec.names.FUSIONS``.
"""

from importlib import import_module

from suture.fusions.fusion import Head, build, register
from suture.spec.fusion import FusionSpec
from suture.spec.names import FUSIONS

__all__ = ["FusionSpec", "Head", "build", "register"]

for _name in FUSIONS:
    import_module(f"suture.fusions.{_name.replace('-', '_')}")
