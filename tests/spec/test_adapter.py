"""Which choices of an adapter make sense together."""

from itertools import product

import pytest

from raising import raises
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.names import MASKS, STARTS, WEIGHTINGS


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mask": "semi-mach"}, ("no adapter mask 'semi-mach'", "mask='semi-match'")),
        ({"weighting": "gradients"}, ("no adapter weighting 'gradients'", "weighting='gradient'")),
        ({"start": "procrustes"}, ("no adapter start 'procrustes'", "start=")),
        ({"start": "reduced-rank"}, ("reduced-rank start", "'linear', which has every rank", "--rank 16")),
        ({"kind": "lowrank", "mask": "matching"}, ("matching mask", "'lowrank'", "without --rank")),
        ({"kind": "mlp", "mask": "semi-match"}, ("semi-match mask", "'mlp'", "--mask identity")),
        ({"start": "orthogonal", "mask": "matching"}, ("a start that is orthogonal", "--init least-squares")),
        ({"start": "perm", "mask": "random-permutation"}, ("a start that is perm", "--mask identity")),
        ({"kind": "conv3x3", "flatten": True}, ("'conv3x3'", "linear, lowrank", "no --flatten")),
        ({"kind": "identity", "start": "perm"}, ("perm", "an identity, which has nothing to set", "--adapter linear")),
        ({"kind": "identity", "weighting": "gradient"}, ("weighted by gradient", "an identity")),
        ({"start": "random", "weighting": "gradient"}, ("weighted by gradient", "fitted to none", "no --weight")),
    ],
)
def test_what_makes_no_sense_says_why(wrong, words):
    with raises(AdapterError, *words):
        AdapterSpec(**wrong)


@pytest.mark.parametrize(("start", "mask", "weighting"), list(product(STARTS, MASKS, WEIGHTINGS)))
def test_a_linear_adapter_takes_every_other_choice(start, mask, weighting):
    fitted = start in ("least-squares", "orthogonal") or mask in ("semi-match", "abs-semi-match", "matching")
    refused = (
        start == "reduced-rank"
        or (mask != "identity" and start in ("orthogonal", "perm"))
        or (weighting != "none" and not fitted)
    )
    if refused:
        with raises(AdapterError):
            AdapterSpec(start=start, mask=mask, weighting=weighting)
    else:
        assert AdapterSpec(start=start, mask=mask, weighting=weighting).wants_fit == fitted
