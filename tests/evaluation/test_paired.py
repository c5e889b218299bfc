"""McNemar's test against scipy's exact binomial test."""

import pytest
import torch
from scipy.stats import binomtest

from suture.evaluation import mcnemar, score


@pytest.mark.parametrize(("won", "lost", "both"), [(0, 0, 5), (1, 0, 3), (8, 2, 40), (30, 31, 7), (600, 500, 100)])
def test_it_is_the_exact_binomial_test(won, lost, both):
    labels = torch.zeros(won + lost + both, dtype=torch.long)
    first, second = torch.zeros_like(labels), torch.zeros_like(labels)
    second[:won] = 1
    first[won : won + lost] = 1
    found = mcnemar(score(torch.eye(2)[first], labels), score(torch.eye(2)[second], labels), labels)
    assert (found.only_first, found.only_second) == (won, lost)
    wanted = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert found.p_value == pytest.approx(wanted, rel=1e-9)
