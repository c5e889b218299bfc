"""What torchvision fetches; its small files are written here in its own format, the others cannot be made."""

import gzip
import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from torchvision.datasets import MNIST

from data.files import write_idx, write_mnist
from raising import raises
from suture.data.fetched import FETCHED
from suture.data.load import load_data
from suture.errors import DataError


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_grey_digits_and_clothes_become_rgb_and_it_is_said_once(tmp_path, name):
    held = write_mnist(tmp_path / FETCHED[name][1])
    heard = []
    data = load_data(f"{name}:{tmp_path}", tell=heard.append)
    assert data.name == name
    assert len(data.classes) == 10
    for split, part in ((data.train, "train"), (data.test, "t10k")):
        images = split.images.batch(range(len(split)))
        assert images.shape == (len(held[part]), 3, 28, 28)
        assert all(np.array_equal(images[:, channel], held[part]) for channel in range(3))
        assert split.labels.tolist() == [k % 10 for k in range(len(split))]
    assert heard == [f"{name}: grey 28x28 images become RGB; networks for 32x32 enlarge them"]


def test_suture_data_says_where_they_lie(tmp_path, monkeypatch):
    write_mnist(tmp_path / FETCHED["mnist"][1])
    monkeypatch.setenv("SUTURE_DATA", str(tmp_path))
    assert len(load_data("mnist").train) == 100
    (tmp_path / "file").write_text("")
    with raises(DataError, f"read from {tmp_path / 'file'}"):
        load_data(f"mnist:{tmp_path / 'file'}")


@pytest.mark.parametrize("name", FETCHED)
def test_what_cannot_be_fetched(tmp_path, name):
    (tmp_path / "file").write_text("")
    with raises(DataError, f"{name} could not be read from", "or fetched", FETCHED[name][1], f"{name}:ROOT"):
        load_data(f"{name}:{tmp_path / 'file'}")


@pytest.mark.parametrize("content", [b"", bytes([0, 0, 9, 1, 0, 0, 0, 1, 7]), bytes([0, 0, 8, 3]) + b"\x7f" * 12])
def test_broken_files_are_told(tmp_path, content):
    folder = tmp_path / FETCHED["mnist"][1]
    write_mnist(folder)
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with raises(DataError, "mnist could not be read from", "the whole folder MNIST/raw"):
        load_data(f"mnist:{tmp_path}")


def test_labels_outside_the_classes_are_told(tmp_path):
    folder = tmp_path / FETCHED["mnist"][1]
    write_mnist(folder)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.full(20, 10))
    with raises(DataError, "20 labels of mnist (test) are outside the classes"):
        load_data(f"mnist:{tmp_path}")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A folder, and where a server of this machine shows it."""
    folder = tmp_path / "mirror"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_what_is_fetched_is_unpacked_and_read(tmp_path, monkeypatch, mirror):
    folder, address = mirror
    held, resources = write_mnist(folder), []
    for path in sorted(folder.iterdir()):
        packed = gzip.compress(path.read_bytes())
        (folder / f"{path.name}.gz").write_bytes(packed)
        resources.append((f"{path.name}.gz", hashlib.md5(packed).hexdigest()))
        path.unlink()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(MNIST, "mirrors", [address])
    monkeypatch.setattr(MNIST, "resources", resources)
    data = load_data(f"mnist:{tmp_path / 'data'}")
    assert np.array_equal(data.test.images.batch(range(20))[:, 0], held["t10k"])
