"""Similarity of two activation matrices. Importing the room registers every measure.

A new measure is one file in ``functional`` whose comparison is decorated with ``register``, its import here, and its
name in ``spec.names.MEASURES``.
"""

from suture.measures.compute import compute
from suture.measures.functional import cca, cka, l2, linreg, procrustes
from suture.measures.measure import Measure, find, register
from suture.measures.pairs import Comparison, Layers, Similarity, look

__all__ = [
    "Comparison",
    "Layers",
    "Measure",
    "Similarity",
    "cca",
    "cka",
    "compute",
    "find",
    "l2",
    "linreg",
    "look",
    "procrustes",
    "register",
]
