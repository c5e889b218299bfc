import argparse
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from raising import raises
from suture.errors import WeightsError
from suture.sources import digest, load_weights, read_weights
from suture.sources.weights import named_tensors


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 4))


STATE = network().state_dict()


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["w.safetensors", "w.SAFETENSORS", "w.pth", "w.pt", "w.bin"])
def test_what_was_saved_is_read(tmp_path, name):
    (save_file if "safe" in name.lower() else torch.save)(STATE, tmp_path / name)
    assert same(read_weights(tmp_path / name), STATE)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {"state_dict": state, "args": argparse.Namespace(lr=0.1, data="imagenet")},
        lambda state: {"model_state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
    ],
)
def test_wrappers_are_taken_off(tmp_path, wrap):
    torch.save(wrap(STATE), tmp_path / "w.pth")
    assert same(read_weights(tmp_path / "w.pth"), STATE)


def test_a_submodule_named_module_keeps_its_name(tmp_path):
    state = {"module.weight": torch.ones(2), "fc.weight": torch.ones(3)}
    torch.save(state, tmp_path / "w.pth")
    assert same(read_weights(tmp_path / "w.pth"), state)


@pytest.mark.parametrize("name", ["no.safetensors", "no.pth", "folder.pth"])
def test_a_file_that_is_not_there(tmp_path, name):
    (tmp_path / "folder.pth").mkdir()
    with raises(WeightsError, f"no weight file {tmp_path / name}", "@none"):
        read_weights(tmp_path / name)


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("save", ["torch", "pickle"])
def test_a_malicious_checkpoint_does_not_run(tmp_path, save):
    path, trace = tmp_path / "w.pth", tmp_path / "it-ran"
    held = {"conv1.weight": torch.zeros(1), "more": Malice(trace)}
    torch.save(held, path) if save == "torch" else path.write_bytes(pickle.dumps(Malice(trace), 2))
    with raises(WeightsError, str(path), "cannot be read as weights", "nothing in it is executed"):
        read_weights(path)
    assert not trace.exists()


def test_a_whole_pickled_network_is_refused_by_name(tmp_path):
    torch.save(network(), tmp_path / "w.pth")
    with raises(WeightsError, "more than tensors (torch.nn.modules.container.Sequential)", "state_dict()"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("held", "told"), [([torch.zeros(1)], "a list"), ({"lr": 0.1}, "a float under 'lr'"), (torch.zeros(1), "a Tensor")]
)
def test_tensors_without_names(tmp_path, held, told):
    torch.save(held, tmp_path / "w.pth")
    with raises(WeightsError, f"holds {told}, not named tensors", "a state_dict"):
        read_weights(tmp_path / "w.pth")


def test_the_only_state_dict_of_a_checkpoint_is_meant_whatever_it_is_called(tmp_path):
    torch.save({"net": STATE, "acc": 92.1, "epoch": 3}, tmp_path / "w.pth")
    assert same(read_weights(tmp_path / "w.pth"), STATE)


@pytest.mark.parametrize(
    ("held", "instead"),
    [
        ({"net": STATE, "net_ema": STATE}, "one of 'net', 'net_ema' of it"),
        ({"net": network()}, "the state_dict() of what is under 'net'"),
        (network(), "its state_dict()"),
        ({**STATE, "epoch": 3}, "the tensors alone"),
    ],
)
def test_what_to_take_of_a_checkpoint_is_told(held, instead):
    with raises(WeightsError, "not named tensors", instead):
        named_tensors(held, "the checkpoint")


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["pth", "safetensors", "pickle"]), data=st.data())
def test_a_damaged_file_is_tensors_or_a_weights_error(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / ("damaged.pth" if kind == "pickle" else f"damaged.{kind}")
    if kind == "pickle":
        torch.save(STATE, path, _use_new_zipfile_serialization=False)
    else:
        (save_file if kind == "safetensors" else torch.save)(STATE, path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        state = read_weights(path)
    except WeightsError as error:
        assert str(path) in error.given
    else:
        assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def test_weights_are_copied_whole():
    module = network()
    nn.init.zeros_(module[0].weight)
    load_weights(module, STATE, "w.pth")
    assert same(module.state_dict(), STATE)


def test_old_files_without_a_batch_count_fit():
    load_weights(network(), {k: v for k, v in STATE.items() if "num_batches" not in k}, "w.pth")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"0.weight": None, "3.bias": None}, ["missing 0.weight, 3.bias"]),
        ({"extra.weight": torch.zeros(1)}, ["unexpected extra.weight"]),
        ({"3.weight": torch.zeros(5, 2)}, ["of another shape 3.weight (5, 2) for (4, 2)"]),
        ({"3.bias": None, "head.bias": torch.zeros(4)}, ["missing 3.bias; unexpected head.bias"]),
        ({f"layer{k}": torch.zeros(1) for k in range(9)}, ["unexpected layer0, ", " and 3 more"]),
    ],
)
def test_weights_of_another_network_change_nothing(change, words):
    module = network()
    before = digest(module.state_dict())
    state = {name: 2 * tensor for name, tensor in (STATE | change).items() if tensor is not None}
    with raises(WeightsError, "w.pth is of another network", "the 9 tensors of this Sequential", *words):
        load_weights(module, state, "w.pth")
    assert digest(module.state_dict()) == before


def test_a_digest_is_of_names_types_shapes_and_bytes():
    tensor = torch.arange(6, dtype=torch.float32)
    states = [
        {"a": tensor},
        {"b": tensor},
        {"a": tensor.view(2, 3)},
        {"a": tensor.view(torch.int32)},
        {"a": tensor + 1},
        {"a": tensor, "b": torch.zeros(0)},
        {"a": tensor.bfloat16()},
        {"a": tensor[0]},
        {},
    ]
    assert len({digest(state) for state in states}) == len(states)
    assert digest({"a": tensor, "b": tensor}) == digest({"b": tensor, "a": tensor})
    assert digest({"a": tensor.view(2, 3).T}) == digest({"a": tensor.view(2, 3).T.contiguous()})
