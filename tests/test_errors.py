import inspect
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raising import raises
from suture import errors
from suture.errors import SourceError, SutureError, UsageError, listed, nearest
from suture.spec.source import parse_source

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SutureError)]
names = st.lists(st.text(max_size=8), max_size=8)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"^[ │├└─]*(\w+Error) ", errors.__doc__, re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in TREE)


@pytest.mark.parametrize("kind", TREE)
def test_wrong_use_exits_with_2_and_failure_with_1(kind):
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


@pytest.mark.parametrize("kind", TREE)
def test_an_error_says_three_things_and_still_does_after_pickling(kind):
    error = kind("it was this", expected="it was to be that", instead="type so")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert [line.strip() for line in str(again).splitlines()] == [
        "it was this",
        "expected: it was to be that",
        "instead:  type so",
    ]


def test_an_error_of_another_process_arrives_whole():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, raises(SourceError, "'zooo:tiny10-a'", "zoo:tiny10-a"):
        pool.submit(parse_source, "zooo:tiny10-a").result()


@given(st.text(max_size=8), names, st.integers(1, 4))
def test_nearest_gives_some_of_the_known(name, known, count):
    found = nearest(name, known, count)
    assert set(found) <= set(known)
    assert len(found) <= count
    assert bool(found) == bool(known)


@given(st.lists(st.text("abc-", min_size=1, max_size=8), min_size=1, unique=True), st.data())
def test_nearest_of_a_known_name_is_itself_in_any_case(known, data):
    name = data.draw(st.sampled_from(known))
    assert nearest(name, known)[0] == name
    assert nearest(name.upper(), known)[0] == name


@given(st.lists(st.text("abc", min_size=1), max_size=20), st.integers(1, 10))
def test_listed_shows_the_first_and_counts_the_rest(known, most):
    text = listed(known, most)
    assert text.startswith(", ".join(known[:most]))
    assert text.endswith(f"and {len(known) - most} more") == (len(known) > most)


def test_spec_and_runs_do_without_torch():
    code = "import sys, suture.spec.recipe, suture.spec.record, suture.runs; print('torch' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "False"
