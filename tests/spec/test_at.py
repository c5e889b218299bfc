import pytest

from raising import raises
from suture.errors import PlanError
from suture.spec.at import read_at, spelled

ONE, TWO = (("x", "y"),), (("x", "y"), ("layer1.0", "z"))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("x:y", ONE),
        (["x:y"], ONE),
        ([("x", "y")], ONE),
        ("x:y, layer1.0:z", TWO),
        ([["x", "y"], "layer1.0:z"], TWO),
        (TWO, TWO),
    ],
)
def test_any_spelling_is_read(given, read):
    assert read_at(given) == read_at(spelled(read)) == read_at(given, len(read) + 1) == read


@pytest.mark.parametrize("given", ["", "x", "x:", ":y", "x:y:z", "x:y,", [], ["x"], [("x",)], [("x", 2)], None, 3, [3]])
def test_what_names_no_two_layers_is_said(given):
    with raises(PlanError, "names no two layers", "X:Y", "relu5:layer2.2"):
        read_at(given)


@pytest.mark.parametrize(("networks", "instead"), [(2, "--at X:Y"), (4, "--at X1:Y1,X2:Y2,X3:Y3")])
def test_there_are_as_many_joins_as_places_to_meet(networks, instead):
    with raises(PlanError, "x:y,layer1.0:z joins 3 networks", f"there are {networks}", instead):
        read_at(TWO, networks)
