import sys

import pytest
import torch
from safetensors.torch import save_file

from raising import raises
from suture.errors import SourceError, TrustError, WeightsError
from suture.sources import load

CODE = """
import sys
import torch
from torch import nn
from helping_hand import WIDTH

class Net(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        self.fc = nn.Linear(WIDTH, num_classes)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))

def make(num_classes=4):
    return Net(num_classes)

def plain():
    return Net(6)

def wanting(width):
    return Net(width)

def nothing():
    return "a network"

def leaving():
    sys.exit(3)

number = 7
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "helping_hand.py").write_text("WIDTH = 3\n")
    path = tmp_path / "place" / "my_nets.py"
    path.write_text(CODE)
    yield path
    for name in ("helping_hand", "my_nets", "suture_user_my_nets"):
        sys.modules.pop(name, None)


def outputs(source, **options):
    return load(source, trust_code=True, **options)(torch.rand(2, 3, 5, 4)).shape[1]


def test_a_file_may_import_what_lies_beside_it(file):
    before = list(sys.path)
    assert outputs(f"python:{file}:make") == 4
    assert sys.path == before


def test_a_module_of_the_working_folder(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = list(sys.path)
    assert outputs("python:my_nets:make") == 4
    assert outputs("python:my_nets.py:Net") == 4
    assert sys.path == before


def test_an_installed_module():
    assert outputs("python:torchvision.models:squeezenet1_1?size=64") == 1000


def test_num_classes_is_passed_where_it_is_taken(file):
    assert outputs(f"python:{file}:make", num_classes=9) == 9
    assert outputs(f"python:{file}:plain", num_classes=9) == 6


def test_without_an_override_images_stay_as_they_are(file):
    plain = load(f"python:{file}:make", trust_code=True)
    assert plain.preprocess.size is None
    assert plain.input_size == 224
    assert plain.origin == "python:my_nets.py:make"
    images = torch.rand(1, 3, 7, 9)
    assert torch.equal(plain(images), plain.body(images))


def test_an_override_is_obeyed(file):
    network = load(f"python:{file}:make?norm=half&size=6&interpolation=nearest", trust_code=True)
    assert network.input_size == network.preprocess.size == 6
    assert network.preprocess(torch.ones(1, 3, 9, 8)).tolist() == torch.ones(1, 3, 6, 6).tolist()


def test_weights_from_a_file(file, tmp_path):
    state = {"fc.weight": torch.ones(4, 3), "fc.bias": torch.zeros(4)}
    save_file(state, tmp_path / "w.safetensors")
    network = load(f"python:{file}:make@{tmp_path / 'w.safetensors'}", trust_code=True)
    assert network.state_dict().keys() == state.keys()
    assert torch.equal(network.state_dict()["fc.weight"], state["fc.weight"])
    with raises(WeightsError, "w.safetensors is of another network", "fc.weight (4, 3) for (6, 3)"):
        load(f"python:{file}:plain@{tmp_path / 'w.safetensors'}", trust_code=True)


def test_nothing_runs_without_trust(tmp_path):
    trace = tmp_path / "it-ran"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\ndef make(): ...\n")
    with raises(TrustError, f"would run code from {tmp_path / 'evil.py'}", "--trust-code"):
        load(f"python:{tmp_path / 'evil.py'}:make")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("mkae", ["no function 'mkae'", "my_nets.py:make"]),
        ("number", ["no function 'number'"]),
        ("wanting", ["failed when called: TypeError", "'width'", "needs no arguments"]),
        ("leaving", ["failed when called: SystemExit: 3"]),
        ("nothing", ["returned a str", "an nn.Module"]),
        ("make@best", ["names the weights 'best'", "a weight file"]),
    ],
)
def test_callables_that_make_no_network(file, call, words):
    with raises(SourceError, *words):
        load(f"python:{file}:{call}", trust_code=True)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import no_such_thing", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("exit(1)", "SystemExit"),
    ],
)
def test_a_file_that_cannot_be_imported(tmp_path, code, told):
    (tmp_path / "bad.py").write_text(code)
    with raises(SourceError, f"bad.py:make could not be imported: {told}", "python:PATH/TO/FILE.py:CALLABLE"):
        load(f"python:{tmp_path / 'bad.py'}:make", trust_code=True)


@pytest.mark.parametrize("place", ["no/such/file.py", "no_such_module", "no/such/file"])
def test_a_place_that_is_not_there(place):
    with raises(SourceError, f"python:{place}:make could not be imported", "NotFoundError"):
        load(f"python:{place}:make", trust_code=True)


@pytest.mark.shared
def test_a_users_own_network_with_real_weights(shared):
    weights = shared / "weights" / "akamaster-resnet20.safetensors"
    code = shared / "models" / "cifar_resnet.py"
    network = load(f"python:{code}:resnet20@{weights}?norm=imagenet&size=32", trust_code=True)
    assert network(torch.rand(2, 3, 40, 60)).shape == (2, 10)
    assert network.origin == "python:cifar_resnet.py:resnet20@akamaster-resnet20.safetensors?norm=imagenet&size=32"
