"""Tensors go from network to network by name, by rule and by structure; the rest stays bit for bit."""

from collections import OrderedDict
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models

from raising import raises
from suture.errors import WeightsError
from suture.sources import load, transfer_weights
from suture.sources.matching import by_structure, matches


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    """Two networks with different weights, for what changes neither."""
    return models.resnet18(), models.resnet18()


@pytest.mark.parametrize("exclude", [["fc"], ["fc", "classifier"], "fc", ["fc.*"], ["fc.weight", "fc.bias"]])
def test_a_backbone_without_its_head(exclude):
    torch.manual_seed(0)
    source, target = load("zoo:resnet20@none"), load("zoo:resnet20@none", num_classes=4, seed=1)
    for p in source.state_dict().values():
        p.add_(1)
    before = state_of(target)
    report = transfer_weights(source, target, exclude_patterns=exclude)
    assert len(report.loaded) == len(before) - 2
    assert report.missing == ("fc.weight", "fc.bias")
    assert (report.mismatched, report.unexpected, report.initialised) == ((), (), ())
    assert changed(before, target) == set(report.loaded)
    assert all(torch.equal(source.state_dict()[name], target.state_dict()[name]) for name in report.loaded)


def test_resnet18_for_other_classes_without_its_head(pair):
    target = models.resnet18(num_classes=10)
    before = state_of(target)
    report = transfer_weights(pair[0], target, exclude_patterns=["fc"])
    assert (len(report.loaded), report.missing) == (120, ("fc.weight", "fc.bias"))
    assert changed(before, target) <= set(report.loaded)
    report = transfer_weights(pair[1], target)
    assert [name for name, _, _ in report.mismatched] == ["fc.weight", "fc.bias"]
    assert len(report.loaded) == 120


@pytest.mark.parametrize(
    ("pattern", "name", "match"),
    [
        ("fc", "fc.weight", True),
        ("fc", "head.fc.bias", True),
        ("fc", "fc1.weight", False),
        ("fc", "fc", True),
        ("layer4.1", "layer4.1.conv1.weight", True),
        ("layer4.1", "layer4.10.conv1.weight", False),
        ("layer4.1", "layer4.0.1.weight", False),
        ("1.conv1", "layer4.1.conv1.weight", True),
        ("layer*", "layer4.1.conv1.weight", True),
        ("layer*.1", "layer4.1.conv1.weight", True),
        ("layer*.1", "layer4.0.conv1.weight", False),
        ("*", "anything", True),
        ("*.weight", "weight", False),
        ("fc.weight.x", "fc.weight", False),
    ],
)
def test_patterns_match_whole_components(pattern, name, match):
    assert matches(pattern, name) is match


def test_included_and_excluded(pair):
    source, target = pair
    report = transfer_weights(source, target, ["layer3", "layer4"], ["layer*.1", "bn*"])
    assert report.loaded == tuple(
        name for name in source.state_dict() if name.startswith(("layer3.0.", "layer4.0.")) and ".bn" not in name
    )
    assert report.unexpected == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"include_patterns": ["layr4"]}, ("'layr4'", "include_patterns=['layer4'")),
        ({"include_patterns": ["fc1"]}, ("'fc1'",)),
        ({"exclude_patterns": ["fc", "layr4"]}, ("'layr4'", "exclude_patterns=['layer4'")),
        ({"exclude_patterns": ["classifier"]}, ("'classifier'",)),
        ({"exclude_patterns": ["fc", "clasifier"]}, ("'clasifier'",)),
        ({"mapping": {"layr4": "layer3"}}, ("begins with 'layr4'", "mapping={'layer4': 'layer3'}")),
        ({"mapping": {"layer1": "layer2"}}, ("layer1.0.conv1.weight and layer2.0.conv1.weight both become",)),
        ({"match": "shape"}, ("match='shape'", "'name', 'structure'")),
        ({"include_patterns": ["fc"], "exclude_patterns": ["fc"]}, ("none at all",)),
    ],
)
def test_what_matches_nothing_is_told_and_nothing_is_changed(pair, options, words):
    source, target = pair
    before = state_of(target)
    with raises(WeightsError, *words):
        transfer_weights(source, target, **options)
    assert not changed(before, target)


def test_rules_rename_whole_components_the_longest_first():
    source = nn.ModuleDict({"backbone": nn.ModuleDict({"encoder": nn.Linear(2, 2), "fc": nn.Linear(2, 2)})})
    target = nn.ModuleDict({"stem": nn.Linear(2, 2), "fc": nn.Linear(2, 2)})
    report = transfer_weights(source, target, mapping={"backbone": "", "backbone.encoder.": "stem"})
    assert report.load_ratio == 1
    assert torch.equal(source["backbone"]["encoder"].weight, target["stem"].weight)
    one = transfer_weights(source, target, mapping={"backbone.encoder.weight": "fc.weight"})
    assert one.loaded == ("fc.weight",)
    assert len(one.unexpected) == 3
    back = transfer_weights(target["fc"], target, mapping={"": "stem"})
    assert back.loaded == ("stem.weight", "stem.bias")


def test_networks_from_sources_and_plain_ones_go_either_way():
    source, target = load("torchvision:resnet18@none?size=64"), models.resnet18()
    assert transfer_weights(source, target).load_ratio == 1
    assert transfer_weights(target, source).load_ratio == 1
    assert transfer_weights(target.state_dict(), source, exclude_patterns=["fc"]).missing == ("fc.weight", "fc.bias")


def stack(*widths: int, names: str = "") -> nn.Module:
    layers: list[tuple[str, nn.Module]] = []
    for number, (one, other) in enumerate(pairwise(widths)):
        layers += [(f"{names}conv{number}", nn.Conv2d(one, other, 3)), (f"{names}bn{number}", nn.BatchNorm2d(other))]
    return nn.Sequential(OrderedDict(layers))


def test_structure_pairs_the_same_network_under_other_names():
    torch.manual_seed(0)
    source, target = stack(3, 8, 8, 8, 16), stack(3, 8, 8, 8, 16, names="my_")
    report = transfer_weights(source, target, match="structure")
    assert report.load_ratio == 1
    assert report.paired[0] == ("conv0.weight", "my_conv0.weight")
    for one, other in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_structure_leaves_alone_what_could_be_paired_in_several_ways():
    torch.manual_seed(0)
    source, target = stack(3, 8, 8, 16), stack(3, 8, 8, 8, 16, names="my_")
    before = state_of(target)
    report = transfer_weights(source, target, match="structure")
    assert {name.partition(".")[0] for name in report.loaded} == {"my_conv0", "my_conv3", "my_bn3"}
    assert {name.partition(".")[0] for name in report.ambiguous} == {
        f"my_{n}" for n in ("bn0", "conv1", "bn1", "conv2", "bn2")
    }
    assert set(report.ambiguous) < set(report.missing)
    assert changed(before, target) <= set(report.loaded)
    assert "could be paired in several ways" in report.summary()


def test_structure_looks_only_at_what_names_left_over():
    source, target = stack(3, 8, 8), stack(3, 8, 8)
    source.append(nn.Linear(8, 10))
    target.append(nn.Linear(8, 5))
    target.add_module("other", nn.Linear(8, 10))
    report = transfer_weights(source, target, match="structure")
    assert [name for name, _, _ in report.mismatched] == ["4.weight", "4.bias"]
    assert report.missing == ("other.weight", "other.bias")
    assert not report.paired


def test_structure_forgives_a_count_of_batches_that_is_not_there():
    source, target = stack(3, 8, 16), stack(3, 8, 16, names="my_")
    old = {name: tensor for name, tensor in state_of(source).items() if "num_batches" not in name}
    report = transfer_weights(old, target, match="structure")
    assert report.missing == ("my_bn0.num_batches_tracked", "my_bn1.num_batches_tracked")
    assert len(report.loaded) == len(old)


def sequences(kinds: str) -> dict[str, Tensor]:
    return {f"{place}.weight": torch.zeros(ord(kind)) for place, kind in enumerate(kinds)}


@pytest.mark.parametrize(
    ("given", "own", "pairs"),
    [
        ("abc", "abc", {0: 0, 1: 1, 2: 2}),
        ("aaa", "aaa", {0: 0, 1: 1, 2: 2}),
        ("aa", "aaa", {}),
        ("ab", "ba", {}),
        ("abc", "axc", {0: 0, 2: 2}),
        ("aab", "ab", {2: 1}),
        ("abac", "abc", {0: 0, 1: 1, 3: 2}),
        ("", "a", {}),
    ],
)
def test_modules_are_paired_where_every_longest_common_subsequence_does(given, own, pairs):
    found = by_structure(sequences(given), sequences(own)).names
    assert found == {f"{one}.weight": f"{other}.weight" for one, other in pairs.items()}


def all_longest(one: str, other: str) -> list[set[tuple[int, int]]]:
    """Every longest common subsequence of two short words, as its set of pairs, by trying all."""
    best: list[set[tuple[int, int]]] = [set()]
    frontier = [(frozenset[tuple[int, int]](), -1, -1)]
    while frontier:
        frontier = list(
            dict.fromkeys(
                (taken | {(i, j)}, i, j)
                for taken, a, b in frontier
                for i in range(a + 1, len(one))
                for j in range(b + 1, len(other))
                if one[i] == other[j]
            )
        )
        best = [set(taken) for taken, _, _ in frontier] or best
    return best


@settings(max_examples=80, deadline=None)
@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_pairs_are_those_that_all_longest_common_subsequences_share(one, other):
    every = all_longest(one, other)
    pairs = by_structure(sequences(one), sequences(other))
    assert pairs.names == {f"{i}.weight": f"{j}.weight" for i, j in set.intersection(*every)}
    some = {j for taken in every for _, j in taken} - {j for _, j in set.intersection(*every)}
    assert set(pairs.ambiguous) == {f"{j}.weight" for j in some}
