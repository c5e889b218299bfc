"""Which of all possible hybrids are worth training."""

from suture.selection.pairs import Grid, PairScore, score_pairs

__all__ = ["Grid", "PairScore", "score_pairs"]
