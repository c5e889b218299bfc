"""The tuples that stand in for the registries say what is registered."""

from typing import get_args

import suture.hybrids  # noqa: F401  (registers the run: source)
from suture.adapters.adapter import KINDS
from suture.data.load import LOADERS as DATA_LOADERS
from suture.sources.registry import LOADERS
from suture.sources.zoo import ARCHITECTURES, WIDE
from suture.spec import names
from suture.spec.adapter import Start
from suture.spec.stage import Stage
from suture.training.schedules import SCHEDULES


def test_every_tuple_is_its_registry():
    fields = Stage.model_fields
    assert set(names.ADAPTERS) == set(KINDS)
    assert get_args(Start) == names.STARTS
    assert set(names.SOURCES) == set(LOADERS)
    assert set(names.ZOO) == {*ARCHITECTURES, WIDE}
    assert set(names.DATA) == set(DATA_LOADERS)
    assert get_args(fields["optimizer"].annotation) == names.OPTIMIZERS
    assert set(names.SCHEDULES) == set(SCHEDULES) == set(get_args(fields["schedule"].annotation))


def test_every_bundled_network_has_an_architecture():
    assert {name.rpartition("-")[0] for name in names.BUNDLED} <= set(names.ZOO)


def test_norms_are_three_means_and_three_deviations():
    for mean, std in names.NORMS.values():
        assert len(mean) == len(std) == 3
        assert min(std) > 0
