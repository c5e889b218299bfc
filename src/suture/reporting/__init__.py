"""Results to figures, cards and pages. Knows nothing of torch."""

from suture.reporting.card import card, joins, lines, place, sentence, share
from suture.reporting.drawing import drawing
from suture.reporting.figures import bars, curves, heatmap
from suture.reporting.page import page
from suture.reporting.similarity_page import similarity_page

__all__ = [
    "bars",
    "card",
    "curves",
    "drawing",
    "heatmap",
    "joins",
    "lines",
    "page",
    "place",
    "sentence",
    "share",
    "similarity_page",
]
