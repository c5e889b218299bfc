"""Which of all possible hybrids are worth training."""

from suture.selection.chains import ChainScore, Explored, explore
from suture.selection.pairs import Grid, PairScore, score_pairs

__all__ = ["ChainScore", "Explored", "Grid", "PairScore", "explore", "score_pairs"]
