"""Similarity of two activation matrices. Importing the room registers every measure.

A new measure is one file in ``functional`` whose comparison is decorated with ``register``, its import here, and its
name in ``spec.measures.PARAMETERS``.
"""

from suture.measures.comparison import Comparison
from suture.measures.compute import compute
from suture.measures.functional import cca, cka, dcor, l2, linreg, minibatch, neighbours, procrustes, rbf, rsa
from suture.measures.layers import Layers, look
from suture.measures.measure import Measure, find, register
from suture.measures.pairs import compare_pairs
from suture.measures.similarity import Match, Similarity

__all__ = [
    "Comparison",
    "Layers",
    "Match",
    "Measure",
    "Similarity",
    "cca",
    "cka",
    "compare_pairs",
    "compute",
    "dcor",
    "find",
    "l2",
    "linreg",
    "look",
    "minibatch",
    "neighbours",
    "procrustes",
    "rbf",
    "register",
    "rsa",
]
