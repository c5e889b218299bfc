import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raising import raises
from suture.errors import SourceError
from suture.spec.names import NORMS, SOURCES
from suture.spec.source import INTERPOLATIONS, Override, Source, parse_source

WORDS = st.text("abz09._-/\\ é²٣", min_size=1, max_size=12)
NUMBERS = st.floats(-1e3, 1e3)
POSITIVE = st.floats(1e-3, 1e3)
OVERRIDES = st.builds(
    Override,
    st.none()
    | st.sampled_from(list(NORMS.values()))
    | st.tuples(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(POSITIVE, POSITIVE, POSITIVE)),
    st.none() | st.integers(1, 9999),
    st.none() | st.sampled_from(INTERPOLATIONS),
)
SOURCE = st.one_of(
    st.builds(Source, st.sampled_from(["zoo", "torchvision"]), WORDS, st.none() | WORDS, OVERRIDES),
    st.builds(
        lambda place, function, weights, override: Source("python", f"{place}:{function}", weights, override),
        WORDS,
        WORDS,
        st.none() | WORDS,
        OVERRIDES,
    ),
    st.builds(Source, st.just("run"), st.text("ab/@.", min_size=1)),
)
PIECES = [
    *(f"{kind}:" for kind in SOURCES),
    "tiny10-a",
    "@none",
    "@",
    "?",
    "&",
    "=",
    ":",
    "size=",
    "norm=",
    "7",
    "²",
    "nan",
]


@given(st.text() | st.lists(st.sampled_from([*PIECES, ",", "1", "interpolation=", "/x.pth"])).map("".join))
@example("zoo:a?size=²")
@example("zoo:a?size=" + "9" * 5000)
@example("zoo:a?norm=0,0,0,nan,1,1")
@example("zoo:a?norm=0,0,0,inf,1,1")
def test_any_text_is_a_source_or_a_source_error(text):
    try:
        source = parse_source(text)
    except SourceError as error:
        assert error.given
        assert error.expected
        assert error.instead
    else:
        assert parse_source(str(source)) == source
        assert parse_source(source.origin).kind == source.kind


@given(SOURCE)
def test_a_source_survives_its_own_spelling(source):
    assert parse_source(str(source)) == source


@given(SOURCE.filter(lambda source: source.kind in ("python", "run")))
def test_an_origin_holds_no_folder(source):
    place = source.origin.partition(":")[2].partition("?")[0]
    if source.kind == "python":
        place = place.rpartition(":")[0]
    assert not set(place) & set("/\\")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("zoo:tiny10-a", "zoo:tiny10-a"),
        ("zoo:tiny10@/home/me/a@b/w.safetensors?size=32", "zoo:tiny10@w.safetensors?size=32"),
        ("zoo:tiny10@C:\\nets\\w.PTH", "zoo:tiny10@w.PTH"),
        ("torchvision:resnet18@IMAGENET1K_V1", "torchvision:resnet18@IMAGENET1K_V1"),
        ("python:/home/me/nets.py:make@../w.pt?norm=imagenet", "python:nets.py:make@w.pt?norm=imagenet"),
        ("python:my.nets:make", "python:my.nets:make"),
        ("run:/home/me@work/runs/first/", "run:first"),
    ],
)
def test_origins(text, origin):
    assert parse_source(text).origin == origin


def test_two_preprocessings_are_two_origins():
    assert parse_source("zoo:tiny10-a?size=32").origin != parse_source("zoo:tiny10-a?size=64").origin


def test_the_parts_of_a_source():
    source = parse_source("python:nets.py:make@w.pth?norm=1,2,3,4,5,6&size=32&interpolation=bicubic")
    assert (source.kind, source.name, source.weights) == ("python", "nets.py:make", "w.pth")
    assert source.override == Override(((1, 2, 3), (4, 5, 6)), 32, "bicubic")


@pytest.mark.parametrize(
    ("weights", "path"),
    [("none", None), ("IMAGENET1K_V1", None), ("w.pth", "w.pth"), ("folder/w", "folder/w"), ("W.PT", "W.PT")],
)
def test_which_weights_are_a_file(weights, path):
    source = parse_source(f"zoo:tiny10@{weights}")
    assert source.path == path
    assert source.random == (weights == "none")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["''", "KIND:NAME"]),
        ("tiny10-a", ["'tiny10-a'", "instead:  zoo:tiny10-a"]),
        ("Zoo:tiny10-a", ["instead:  zoo:tiny10-a"]),
        ("torchvison:resnet18", ["instead:  torchvision:resnet18"]),
        ("zoo:", ["no name after zoo:"]),
        ("zoo:tiny10@", ["no weights after the @"]),
        ("python:nets.py", ["which function", "python:nets.py:NAME"]),
        ("python:nets.py:", ["which function", "python:nets.py:NAME"]),
        ("python::make", ["which function"]),
        ("run:runs/first?size=32", ["finished run", "run:runs/first"]),
        ("zoo:tiny10-a?size=big", ["size=big", "size=224"]),
        ("zoo:tiny10-a?size=0", ["size=0"]),
        ("zoo:tiny10-a?interpolation=cubic", ["interpolation=cubic", "instead:  interpolation=bicubic"]),
        ("zoo:tiny10-a?norms=half", ["'norms'", "instead:  norm=half"]),
        ("zoo:tiny10-a?norm=imgnet", ["norm=imgnet", "norm=imagenet"]),
        ("zoo:tiny10-a?norm=1,2,3", ["six numbers"]),
        ("zoo:tiny10-a?norm=0,0,0,1,1,0", ["positive"]),
    ],
)
def test_bad_sources(text, words):
    with raises(SourceError, *words):
        parse_source(text)
