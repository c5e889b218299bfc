"""What is said of a patched network is no more than is known."""

from statistics import fmean

import pytest

from suture.reporting.fusions import verdict as fused
from suture.reporting.patches import spelled, verdict


def spread(values) -> dict:
    return {"mean": fmean(values), "sd": 0.01 if len(values) > 1 else None, "values": list(values)}


@pytest.mark.parametrize(
    ("own", "plain", "p_value", "words"),
    [
        ((0.8,), None, None, "--controls would say"),
        ((0.8,), (0.8,), 1.0, "as many as without the patches"),
        ((0.8,), (0.7,), 0.2, "the patches gain 10.00 points over the same network without them, trained alike; on"),
        (
            (0.8, 0.7),
            (0.7, 0.9),
            0.2,
            "the patches lose 5.00 points over the same network without them, trained alike (",
        ),
        ((0.8, 0.7), (0.7, 0.9), 0.2, "(with 1 of 2 seeds)"),
        ((0.8,), (0.7,), 0.2, "no more than chance does (McNemar, p = 0.2)"),
        ((0.8,), (0.7,), 0.01, "first seed more than chance does (McNemar, p = 0.01)"),
        ((0.7, 0.9), (0.8, 0.7), 0.01, "first seed it is the other way round (McNemar, p = 0.01)"),
    ],
)
def test_the_verdict_says_no_more_than_is_known(own, plain, p_value, words):
    told = {"split": "test", "n": {"test": 50}, "patches": [{}], "plain": None, "over_seeds": {"patched": spread(own)}}
    told |= {"stages": [{"chosen": True, "moves": ["head", "blocks"], "epochs": 2}]}
    if plain:
        told["plain"] = {"p_value": p_value, "gain": [a - b for a, b in zip(own, plain, strict=True)]}
        told["over_seeds"]["plain"] = spread(plain)
    assert words in verdict(told)
    assert "flatter" not in verdict(told)
    assert "flatter" in verdict(told | {"split": "val", "n": {"val": 50}})


def test_stages_that_only_the_patched_network_has_are_told():
    told = {"split": "test", "n": {"test": 50}, "patches": [{}], "plain": {"p_value": 0.2, "gain": [0.1]}}
    told["over_seeds"] = {"patched": spread((0.8,)), "plain": spread((0.7,))}
    told["stages"] = [{"chosen": False, "moves": [part], "epochs": 3} for part in ("head", "blocks", "all")]
    assert "trained alike but for 3 epochs of the blocks alone;" in verdict(told)


@pytest.mark.parametrize(("first", "words"), [(0.1, "more than chance does"), (-0.1, "it is the other way round")])
def test_of_a_fusion_too_the_first_seed_may_say_the_opposite(first, words):
    alone = {"accuracy": 0.7, "p_value": 0.01, "gain": [first, 0.2 - first]}
    told = {"split": "test", "n": {"test": 50}, "networks": {"a": "x"}, "alone": {"a": alone}}
    told |= {"over_seeds": {"fused": spread((0.8, 0.8)), "a": spread((0.7, 0.7))}, "stages": []}
    assert f"on the images of the first seed {words} (McNemar" in fused(told)


def test_nothing_is_asked_of_a_network_without_patches():
    told = {"split": "test", "n": {"test": 50}, "patches": [], "plain": None, "over_seeds": {"patched": spread((0.5,))}}
    assert verdict(told | {"stages": []}) == "The network gets 50.00% of 50 test images right."


def test_a_change_is_spelled_as_it_is_typed():
    change = {"block": "se", "params": {"reduction": 8}, "position": "before", "identity_start": True}
    assert spelled(change) == "se reduction=8 position=before identity_start"
