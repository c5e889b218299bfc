"""``suture.compare``: what a program asks, and the labelled matrix that it gets."""

import builtins
import io

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

import suture
from raising import raises
from small import write_npz
from suture.errors import CutError, DataError, MeasureError, PlanError, UsageError
from suture.recipes.matrix import SimilarityMatrix

A, B = "zoo:tiny10-a", "zoo:tiny10-b"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('data') / 'small.npz')}"


@pytest.fixture(scope="module")
def found(data) -> SimilarityMatrix:
    return suture.compare(A, B, data=data, layers="relu[678]", samples=40)


def test_sources_networks_and_modules_are_compared_and_left_alone(data):
    network = suture.load(B).train()
    found = suture.compare(A, network, data=data, layers=[("relu8", "relu8"), "bn5:bn5"], samples=30)
    assert isinstance(found, SimilarityMatrix)
    assert (found.measure, found.n, found.batch, found.layers_a) == ("cka_linear_minibatch", 30, 30, ("relu8", "bn5"))
    assert 0 < found.value("relu8", "relu8") < 1
    assert found.value("relu8", "bn5") is None
    assert (found.origin_a, found.origin_b) == (A, B)
    assert all(module.training for module in network.modules())
    torch.manual_seed(0)
    raw = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))
    same = suture.compare(raw, raw, data=data, example=torch.rand(2, 3, 32, 32), measure="l2", samples=10)
    assert all(same.value(name, name) == 0 for name in same.layers_a)


def test_layers_are_told_as_on_the_command_line(data):
    spelled = suture.compare(A, B, data=data, layers="relu3:relu4,relu8:relu8")
    listed = suture.compare(A, B, data=data, layers=[("relu3", "relu4"), "relu8:relu8"])
    assert spelled == listed
    assert suture.compare(A, B, data=data, layers="relu8").values == ((listed.value("relu8", "relu8"),),)


def test_several_measures_are_a_dict_by_the_names_that_were_asked_for(data, found):
    several = suture.compare(A, B, data=data, layers="relu[678]", samples=40, measure="cka, procrustes", spatial="mean")
    assert list(several) == ["cka", "procrustes"]
    assert several["procrustes"].measure == "procrustes_normalised"
    (alone,) = suture.compare(A, B, data=data, layers="relu[678]", samples=40, measure=["cka"]).values()
    assert alone == found
    assert several["cka"].values != found.values
    permuted = suture.compare(A, B, data=data, layers="relu[678]", samples=40, null=19)
    assert permuted.values == found.values
    assert permuted.permutations == 19
    assert all(p * 20 == pytest.approx(round(p * 20)) for row in permuted.p_values for p in row)


def test_the_best_matches_and_the_data_frame_are_those_of_the_values(found):
    frame = found.to_dataframe()
    assert list(frame.index) == ["relu6", "relu7", "relu8"]
    assert list(frame.columns) == ["relu6", "relu7", "relu8"]
    assert [match.b for match in found.best_match()] == list(frame.idxmax(axis=1))
    assert frame.loc["relu6", "relu8"] == found.value("relu6", "relu8")


def test_without_pandas_a_data_frame_is_an_error_that_says_so(found, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with raises(MeasureError, "pandas is not installed", "pip install"):
        found.to_dataframe()


def test_a_plot_is_a_figure_and_a_file_of_the_kind_that_its_name_says(found, tmp_path):
    assert isinstance(found.plot(), Figure)
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")):
        found.plot(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    figure = Figure()
    left, _ = figure.subplots(1, 2)
    assert found.plot(ax=left) is figure
    with raises(UsageError, "a.txt does not say what kind of picture", "a.png"):
        found.plot(tmp_path / "a.txt")
    with raises(UsageError, "kind of picture"):
        found.plot("plot")
    with raises(UsageError, "there is no folder", "for a.png", 'plot("a.png")'):
        found.plot(tmp_path / "none" / "a.png")
    assert not (tmp_path / "a.txt").exists()


def test_a_notebook_shows_the_heatmap(found):
    shown = found._repr_html_()
    _, _, picture = shown.partition("data:image/png;base64,")
    with Image.open(io.BytesIO(__import__("base64").b64decode(picture.partition('"')[0]))) as image:
        assert image.format == "PNG"


class Half(nn.Module):
    """A network with a layer that is always 0."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.dead, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 10)
        nn.init.zeros_(self.dead.weight)
        nn.init.zeros_(self.dead.bias)

    def forward(self, x):
        x = self.seen(x)
        return self.head((x + self.dead(x)).mean((2, 3)))


def test_a_layer_that_says_nothing_is_a_warning_and_none_or_where_it_was_named_an_error(data):
    given = {"data": data, "samples": 20, "example": torch.rand(2, 3, 32, 32), "measure": "cka_linear_biased"}
    with pytest.warns(UserWarning, match=r"^dead of module:Half, cka_linear_biased: the activations are the same"):
        found = suture.compare(Half(), A, layers=["seen:relu8", "dead:relu[8]"], **given)
    assert found.value("dead", "relu8") is None
    assert 0 < found.value("seen", "relu8") < 1
    with raises(MeasureError, "dead of module:Half, cka_linear_biased: the activations are the same"):
        suture.compare(Half(), A, layers=["seen:relu8", "dead:relu8"], **given)


def test_what_is_wrong_is_said(data):
    with raises(MeasureError, "no measure 'ckaa'", "cka"):
        suture.compare(A, B, data=data, measure="ckaa")
    with raises(DataError, "no split 'tset'"):
        suture.compare(A, B, data=data, split="tset")
    with raises(DataError, "samples=0"):
        suture.compare(A, B, data=data, samples=0)
    with raises(MeasureError, "no spatial handling 'flat'", 'spatial="flatten"'):
        suture.compare(A, B, data=data, spatial="flat")
    for null in (-1, 10**6):
        with raises(MeasureError, f"null={null} permutations", "null=200"):
            suture.compare(A, B, data=data, null=null)
    with raises(PlanError, "names no layers"):
        suture.compare(A, B, data=data, layers=["relu5:"])
    with raises(CutError, f"{A}: the network has no layer 'relu99'", "relu8"):
        suture.compare(A, B, data=data, layers=["relu99"])
    with raises(CutError, f"{B}: the network has no layer 'relu99'"):
        suture.compare(A, B, data=data, layers="relu8:relu99")
    with raises(MeasureError, "2 samples are too few"):
        suture.compare(A, B, data=data, samples=2)
    with raises(MeasureError, "no measure was named"):
        suture.compare(A, B, data=data, measure=[])
    with raises(MeasureError, "no measure ''"):
        suture.compare(A, B, data=data, measure="")
