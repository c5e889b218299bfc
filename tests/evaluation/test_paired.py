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


def test_of_several_labels_an_image_counts_once():
    """An image falls to whichever has more of its labels right, as labels of one image are no independent trials."""
    labels = torch.zeros(5, 3)
    first = torch.tensor([[0, 0, 0], [0, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 1]])
    second = torch.tensor([[0, 0, 1], [1, 1, 1], [1, 1, 1], [0, 0, 1], [1, 0, 0]])
    found = mcnemar(*(score(2.0 * answers - 1, labels) for answers in (first, second)), labels)
    assert (found.only_first, found.only_second) == (2, 1)
    assert found.p_value == pytest.approx(binomtest(2, 3).pvalue)
