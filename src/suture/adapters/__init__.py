"""Small modules from one cut's shape to another's, with closed-form fits.

A new kind is one file here whose class is decorated with ``register``, and its name in
``spec.names.ADAPTERS``.
"""

from importlib import import_module

from suture.adapters.adapter import Adapter, build, register
from suture.adapters.fit import fit
from suture.adapters.pairs import PairFits
from suture.adapters.solution import FitReport
from suture.spec.adapter import AdapterSpec
from suture.spec.names import ADAPTERS

__all__ = ["Adapter", "AdapterSpec", "FitReport", "PairFits", "build", "fit", "register"]

for _name in ADAPTERS:
    import_module(f"suture.adapters.{_name.replace('-', '_')}")
