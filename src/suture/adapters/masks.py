"""Which source channel a target channel may read: one, chosen by correlation, by matching, or at random.

Semi-matching and one-to-one matching by correlation: Li et al. 2015, "Convergent learning: do different neural
networks learn the same representations?"; as masks of a stitch, Csiszárik et al. 2021, arXiv 2110.14633. A mask is
(target channels, source channels), with one True in every row.
"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from suture.adapters.sums import Sums, correlation
from suture.errors import AdapterError
from suture.spec.adapter import Mask
from suture.spec.cut import Cut

ONE_TO_ONE = ("matching", "random-permutation")


def semi_match(correlations: Tensor) -> Tensor:
    """Every target channel reads the source channel of highest correlation; two may read the same one."""
    return _reading(correlations.argmax(1), correlations.shape[1])


def abs_semi_match(correlations: Tensor) -> Tensor:
    """Every target channel reads the source channel of highest absolute correlation."""
    return semi_match(correlations.abs())


def matching(correlations: Tensor) -> Tensor:
    """No two target channels read the same source channel, and the sum of the correlations is the greatest possible.

    By the Hungarian method. Needs at least as many source as target channels.
    """
    _, sources = linear_sum_assignment(correlations.cpu().numpy(), maximize=True)
    return _reading(torch.from_numpy(sources).to(correlations.device), correlations.shape[1])


def random_permutation(source: int, target: int, generator: torch.Generator) -> Tensor:
    """A random one-to-one choice, (target, source), by which no two target channels read the same source channel.

    The published code of arXiv 2110.14633 draws a source for every target by itself, which is no permutation.
    """
    return _reading(torch.randperm(source, generator=generator)[:target], source)


FITTED = {"semi-match": semi_match, "abs-semi-match": abs_semi_match, "matching": matching}


def fitted_mask(mask: Mask, sums: Sums) -> Tensor:
    """The mask of this name, one of ``spec.adapter.FITTED_MASKS``, of the one source's channels for the target's."""
    return FITTED[mask](correlation(sums))


def check_mask(mask: Mask, source: Cut, target: Cut, widths: tuple[int, int]) -> None:
    """Raise AdapterError for a one-to-one mask from fewer channels to more; ``widths`` are how many there are."""
    if mask in ONE_TO_ONE and widths[0] < widths[1]:
        raise AdapterError(
            f"a {mask} mask from {source} to {target} has {widths[0]} channels to give to {widths[1]}",
            expected="at least as many source as target channels, as each target channel reads one of its own",
            instead="--mask semi-match, where two may read the same one, or --mask identity",
        )


def _reading(sources: Tensor, width: int) -> Tensor:
    return torch.nn.functional.one_hot(sources, width).bool()
