"""YAML as plain data with lines: what other readers of YAML read, and RecipeError for all that is none."""

from io import StringIO

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from raising import raises
from suture.errors import RecipeError
from suture.recipes.document import MOST, Document, read_document

TEXT = """\
name: first
stage: &s {epochs: 2,
  lr: 1e-3}
steps:
  - a: [1,
      two]
  - <<: *s
    lr: 3
1: one
"""


def test_everything_has_its_line():
    document = read_document(TEXT, "x.yaml")
    for place, line in (
        (("name",), 1),
        (("stage", "lr"), 3),
        (("steps", 0, "a", 1), 6),
        (("steps", 1), 7),
        (("steps", 1, "epochs"), 2),  # merged: where it was written
        (("steps", 1, "lr"), 8),
        (("1",), 9),
        (("stage", "lr", "deeper", "still"), 3),
    ):
        assert document.told(place) == (line, f"line {line}"), place
    assert document.data["steps"][1] == {"epochs": 2, "lr": 3}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_what_was_written_is_read(tree):
    buffer = StringIO()
    YAML(typ="safe", pure=True).dump(tree, buffer)
    text = buffer.getvalue()
    try:
        read = YAML(typ="safe", pure=True).load(text)
    except YAMLError:  # ruamel writes {":0": null} so that it cannot read it
        reject()
    assert read_document(text, "x").data == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line 1 is not YAML"),
        ("a: &x [*x]", "holds itself"),
        ("a: 1\na: 2", "line 2: a stands there twice"),
        ("? [a, b]\n: 1", "a key is a single value"),
        ("<<: 3", "<< wants mappings"),
        ("--- a\n--- b", "found another document"),
        ("a: !foo bar", "constructor"),
        ("a: 2020-13-45", "month must be in"),
        ("\x00", "not YAML"),
        ("{" * 1200, "not YAML"),
    ],
)
def test_what_is_no_yaml_is_said(text, words):
    with raises(RecipeError, words):
        read_document(text, "x.yaml")


def test_a_file_that_unfolds_without_end_is_refused():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    with raises(RecipeError, f"more than {MOST} values"):
        read_document("\n".join(lines), "bomb.yaml")


def test_a_value_put_in_place_keeps_the_rest_and_its_lines():
    document = read_document(TEXT, "x.yaml")
    after = document.put(("steps", 0, "b", "c"), [7], (0, "--set"))
    assert after.at(("steps", 0)) == {"a": [1, "two"], "b": {"c": [7]}}
    assert after.told(("steps", 0, "b", "c", 0)) == after.told(("steps", 0, "b")) == (0, "--set")
    assert after.told(("steps", 0, "a")) == (5, "line 5")
    assert document.at(("steps", 0)) == {"a": [1, "two"]}
    assert document.at(("steps", 9, "a")) is None


def test_a_document_without_lines_is_told_as_the_whole():
    assert Document({"a": 1}, {(): (0, "recipe")}).told(("a", "b")) == (0, "recipe")
