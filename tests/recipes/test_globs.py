"""Layers by patterns: what is meant on real networks, and what is said where nothing is."""

import pytest

from raising import raises
from suture.errors import CutError
from suture.hybrids import parent
from suture.recipes.globs import matched


@pytest.fixture(scope="module")
def resnet():
    return parent("zoo:resnet20-a")


def test_a_pattern_stands_for_block_cuts_in_the_order_of_the_network(resnet):
    names = [cut.name for cut in resnet.cuts]
    assert matched(resnet, ["*"]) == names
    assert matched(resnet, ["layer2.*"]) == ["layer2.0", "layer2.1", "layer2.2"]
    assert matched(resnet, ["layer3.?", "layer1.[02]"]) == ["layer1.0", "layer1.2", "layer3.0", "layer3.1", "layer3.2"]
    assert matched(resnet, ["layer3.2", "layer3.*"]) == ["layer3.0", "layer3.1", "layer3.2"]


def test_where_no_block_matches_every_legal_cut_is_looked_at():
    tiny = parent("zoo:tiny10-a")
    blocks = {cut.name for cut in tiny.cuts}
    found = matched(tiny, ["bn*"])
    assert found == [f"bn{number}" for number in range(1, 9)]
    assert not blocks & set(found)


def test_a_name_without_a_pattern_is_any_value_that_the_network_computes(resnet):
    assert "layer1.0.conv1" not in [cut.name for cut in resnet.traced.cuts(fine=True)]
    assert matched(resnet, ["layer1.0.conv1", "layer1.1"]) == ["layer1.1", "layer1.0.conv1"]


def test_what_matches_nothing_is_told_with_the_network_and_the_nearest_names(resnet):
    with raises(CutError, "no layer of zoo:resnet20-a matches lyer3*", "layer3"):
        matched(resnet, ["layer1.*", "lyer3*"])
