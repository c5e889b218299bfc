import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raising import raises
from suture.errors import AdapterError
from suture.spec.adapter import AdapterSpec
from suture.spec.names import ADAPTERS, STARTS
from suture.spec.plan import Part, Plan, chain_plan, stitch_plan

PARTS = st.builds(Part, st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
ADAPTER = st.builds(
    lambda kind, resample, start, ridge, rank: AdapterSpec(
        "lowrank" if start == "reduced-rank" else kind,
        resample,
        "eye" if kind == "identity" and start != "reduced-rank" else start,
        ridge,
        rank,
    ),
    st.sampled_from(ADAPTERS),
    st.sampled_from(["bilinear", "nearest", "none"]),
    st.sampled_from(STARTS),
    st.floats(0, 1e6),
    st.none() | st.integers(1, 64),
)
HEADS = st.none() | st.integers(1, 1000)
MIDDLES = st.builds(Part, *[st.text(max_size=8)] * 4)


@st.composite
def chains(draw) -> Plan:
    middles = draw(st.lists(MIDDLES, min_size=1, max_size=3))
    adapters = [draw(ADAPTER) for _ in range(len(middles) + 1)]
    return chain_plan([draw(PARTS), *middles, draw(PARTS)], adapters, draw(HEADS))


PLANS = st.builds(stitch_plan, PARTS, PARTS, ADAPTER, HEADS) | chains()
ONE = stitch_plan(Part("zoo:tiny10-a", "11", "relu5"), Part("zoo:resnet20-a", "22", "layer2"), AdapterSpec())


@given(PLANS)
def test_a_plan_survives_json(plan):
    again = Plan.from_dict(json.loads(json.dumps(plan.as_dict())))
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.key == plan.key


def test_a_stitch_is_told_as_before_there_were_chains():
    plain = ONE.as_dict()
    assert set(plain) == {"parts", "adapter", "join", "new_head"}
    assert all(set(part) == {"origin", "digest", "cut"} for part in plain["parts"])
    assert chain_plan(ONE.parts, [ONE.adapter]) == ONE
    assert ONE.at == (("relu5", "layer2"),)


def test_a_chain_says_where_its_parts_meet():
    middle = Part("zoo:tiny10-b", "33", "relu2", "relu4")
    plan = chain_plan([ONE.parts[0], middle, ONE.parts[1]], [AdapterSpec(), AdapterSpec("identity")])
    assert plan.at == (("relu5", "relu2"), ("relu4", "layer2"))
    assert plan.join == "chain"
    assert [spec["kind"] for spec in plan.as_dict()["adapters"]] == ["linear", "identity"]


def test_a_plan_from_before_ranks_is_read():
    plain = ONE.as_dict()
    del plain["adapter"]["rank"]
    assert Plan.from_dict(plain) == ONE


@given(PLANS, PLANS)
def test_two_plans_have_one_key_only_if_they_are_equal(one, other):
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, parts=ONE.parts[::-1]),
        replace(ONE, adapters=(AdapterSpec(ridge=1.0),)),
        replace(ONE, new_head=10),
        replace(ONE, join="chain"),
        *(
            replace(ONE, parts=(replace(ONE.parts[0], **{field: "x"}), ONE.parts[1]))
            for field in ("origin", "digest", "cut")
        ),
    ],
)
def test_every_field_counts(other):
    assert other.key != ONE.key


def test_a_key_is_the_same_in_another_process():
    code = f"from suture.spec.plan import *; from suture.spec.adapter import AdapterSpec; print({ONE!r}.key)"
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        asked = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert asked.stdout.strip() == ONE.key


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "linaer"}, ["adapter kind 'linaer'", "kind='linear'"]),
        ({"resample": "linear"}, ["adapter resample 'linear'", "resample='bilinear'"]),
        ({"start": "zero"}, ["adapter start 'zero'", "one of least-squares"]),
        ({"ridge": -1.0}, ["ridge is -1.0", "0 or more"]),
        ({"ridge": float("nan")}, ["ridge is nan"]),
        ({"ridge": float("inf")}, ["ridge is inf"]),
        ({"rank": 0}, ["rank is 0", "1 or more", "rank=None"]),
        ({"rank": 2.0}, ["rank is 2.0"]),
        ({"rank": True}, ["rank is True"]),
    ],
)
def test_bad_adapters(fields, words):
    with raises(AdapterError, *words):
        AdapterSpec(**fields)
