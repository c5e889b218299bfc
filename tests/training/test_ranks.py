"""Two real processes train as one does: each takes its share of every batch, and both end with the same weights."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from suture.training import ranks

LAWS = Path(__file__).with_name("two_processes.py")
Ended = dict[str, dict[str, torch.Tensor]]


def run(out: Path, world: int) -> Ended:
    """What each process of ``world`` ended with, by law and rank."""
    out.mkdir()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in range(world):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": str(LAWS.parents[1])}
        command = [sys.executable, str(LAWS), str(out)]
        processes.append(subprocess.Popen(command, env=os.environ | common | own, stderr=subprocess.PIPE))
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
    return {path.stem: load_file(path) for path in out.glob("*.safetensors")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def one(folder) -> Ended:
    return run(folder / "one", 1)


@pytest.fixture(scope="module")
def two(folder) -> Ended:
    return run(folder / "two", 2)


@pytest.mark.parametrize("law", ["plain", "weighted", "decayed"])
def test_a_step_is_that_of_one_process(one, two, law):
    """Where nothing looks at a whole batch; loss and accuracy are those of all images."""
    for name, tensor in one[f"{law}-0"].items():
        torch.testing.assert_close(two[f"{law}-0"][name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("law", ["plain", "weighted", "decayed", "normed", "kept"])
def test_all_end_with_the_same_weights_and_buffers(two, law):
    first, second = (two[f"{law}-{rank}"] for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_running_means_are_those_of_one_process(one, two):
    """Of the variance there is less, as half a batch has a mean of its own."""
    alone, together = one["normed-0"], two["normed-0"]
    torch.testing.assert_close(together["bn1.running_mean"], alone["bn1.running_mean"], rtol=1e-3, atol=1e-4)
    assert (together["bn1.running_var"] / alone["bn1.running_var"]).mean() == pytest.approx(1, abs=0.2)
    assert not torch.equal(together["bn1.running_var"], alone["bn1.running_var"])


def test_broken_off_they_go_on_from_the_state_of_the_first(two):
    for rank in (0, 1):
        ended = two[f"resumed-{rank}"]
        assert all(torch.equal(tensor, ended[name]) for name, tensor in two[f"unbroken-{rank}"].items())
    assert "broken-0" not in two


def test_what_gets_no_gradient_does_not_decay(two):
    assert torch.equal(two["decayed-1"]["unused.weight"], torch.full((2, 2), 3.0))


def test_the_first_one_says_which_epoch_was_the_best(two):
    assert two["kept-0"]["kept"] == two["kept-1"]["kept"] == 1


def test_the_first_one_alone_keeps_a_state(folder, two):
    assert two
    assert sorted(path.name for path in (folder / "two").glob("plain*.state")) == ["plain-0.state"]


def test_alone_nobody_is_asked():
    assert (ranks.rank(), ranks.world(), ranks.told("x"), ranks.total(1.0, 2.0)) == (0, 1, "x", [1.0, 2.0])
    parameter = torch.nn.Parameter(torch.ones(2))
    ranks.sum_gradients([parameter])
    assert parameter.grad is None
