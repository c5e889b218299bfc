"""The AUC against scikit-learn, and what has none."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from suture.evaluation import score


def auc(scores: list[float], positive: list[int]) -> float | None:
    labels = torch.tensor(positive).float()[:, None]
    return score(torch.tensor(scores, dtype=torch.float32)[:, None], labels).attributes[0].auc


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=1, max_size=30))
def test_it_is_that_of_scikit_learn_ties_included(pairs):
    scores, positive = zip(*pairs, strict=True)
    found = auc(scores, positive)
    if len(set(positive)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_it_depends_on_the_order_alone():
    generator = torch.Generator().manual_seed(0)
    scores, positive = torch.randn(5000, generator=generator), torch.rand(5000, generator=generator) < 0.01
    found = auc(scores.tolist(), positive.tolist())
    assert found == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert auc((3 * scores - 7).exp().tolist(), positive.tolist()) == found
    assert auc((-scores).tolist(), positive.tolist()) == pytest.approx(1 - found, abs=1e-12)


def test_an_attribute_without_an_auc_is_named_and_left_out_of_the_mean():
    logits = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])
    found = score(logits, torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    assert [attribute.auc for attribute in found.attributes] == [1.0, None, 0.0]
    assert [attribute.accuracy for attribute in found.attributes] == [1.0, 1.0, 0.0]
    assert found.auc == 0.5
    assert score(logits, torch.ones(2, 3)).auc is None
    assert score(logits, torch.tensor([0, 1])).auc is None
