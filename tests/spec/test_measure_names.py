"""The names of measures: numbers in them, short forms, and names that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.spec.measures import ALIASES, MEASURES, PARAMETERS, NumberError, measure_name, parse_measure


def test_every_name_is_its_own_full_name_and_short_forms_are_of_those():
    assert len(MEASURES) == len(PARAMETERS)
    for name in MEASURES:
        assert measure_name(name) == name
    for short, name in ALIASES.items():
        assert measure_name(short) == name
        assert name in MEASURES
        assert short not in MEASURES


def test_numbers_are_read_and_spelled_one_way():
    assert parse_measure("svcca_.50") == ("svcca_{}", 0.5)
    assert measure_name("svcca_.50") == "svcca_0.5"
    assert measure_name("cka_rbf_t2.0_biased") == "cka_rbf_t2_biased"
    assert measure_name("mutual_knn_k05_cosine") == "mutual_knn_k5_cosine"
    assert parse_measure("cca_mean") == ("cca_mean", None)


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False), st.integers(1, 10**9))
def test_every_number_is_read_back_from_the_name(t, k):
    assert parse_measure(measure_name(f"cka_rbf_t{t!r}_debiased")) == ("cka_rbf_t{}_debiased", t)
    assert parse_measure(measure_name(f"jaccard_knn_k{k}_cosine")) == ("jaccard_knn_k{}_cosine", k)


@pytest.mark.parametrize(
    ("name", "told", "usual"),
    [
        ("svcca_2", "2 is not a number above 0 to 1, the share", "svcca_0.99"),
        ("svcca_0", "0 is not a number above 0 to 1", "svcca_0.99"),
        ("svcca_1e-400", "above 0", "svcca_0.99"),
        ("svcca_-0.5", "above 0 to 1", "svcca_0.99"),
        ("svcca_{}", "'{}' is not a number", "svcca_0.99"),
        ("svcca_most", "'most' is not a number, the share", "svcca_0.99"),
        ("cka_rbf_tinf_biased", "inf is not a number above 0, the bandwidth", "cka_rbf_t1_biased"),
        ("cka_rbf_tnan_debiased", "nan is not a number above 0", "cka_rbf_t1_debiased"),
        ("mutual_knn_k0_cosine", "0 is not a whole number from 1, the number of neighbours", "mutual_knn_k10_cosine"),
        ("jaccard_knn_k2.5_cosine", "'2.5' is not a whole number", "jaccard_knn_k10_cosine"),
        (f"mutual_knn_k{'9' * 400}_cosine", "is not a whole number", "mutual_knn_k10_cosine"),
        ("cka_linear_minibatch_bs3", "3 is not a whole number from 4, the rows", "cka_linear_minibatch_bs256"),
    ],
)
def test_numbers_out_of_range_say_what_is_in_it(name, told, usual):
    with pytest.raises(NumberError, match="as in") as caught:
        measure_name(name)
    assert told in str(caught.value)
    assert str(caught.value).endswith(usual)
    assert caught.value.usual == usual


@pytest.mark.parametrize("name", ["", "prokrustes", "svcca_", "cka_rbf_t_biased", "svcca_0.5_x", "CKA"])
def test_other_names_are_told_the_nearest(name):
    with pytest.raises(ValueError, match=r"nearest: \w") as caught:
        measure_name(name)
    assert ("procrustes" in str(caught.value).partition("nearest")[2]) == (name == "prokrustes")
