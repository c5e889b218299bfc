"""Data by name: ``sample``, ``cifar10[:ROOT]`` and its like, ``celeba[:ROOT]``, ``folder:PATH``, ``npz:PATH``."""

from collections.abc import Callable
from functools import partial
from importlib.resources import as_file, files

from suture.data.celeba import read_celeba
from suture.data.dataset import DataSet
from suture.data.fetched import FETCHED, fetch
from suture.data.folder import read_folder
from suture.data.npz import read_npz
from suture.data.options import Options
from suture.data.sample import read_sample
from suture.errors import DataError, nearest
from suture.spec.names import DATA

Loader = Callable[[str, Options], DataSet]


def load_data(
    name: str, *, size: int = 224, skip_bad: bool = False, tell: Callable[[str], None] = lambda _: None
) -> DataSet:
    """A data set by its name. ``tell`` hears what was left out or adapted. Raises DataError."""
    kind, _, where = name.partition(":")
    if kind not in LOADERS:
        close = nearest(kind, DATA, 2)
        raise DataError(
            f"there is no data set {name!r}",
            expected=f"one of {', '.join(DATA)}, as sample, cifar10[:ROOT], folder:PATH, npz:PATH",
            instead=" or ".join(close),
        )
    return LOADERS[kind](where, Options(size, skip_bad, tell))


def _sample(_where: str, _options: Options) -> DataSet:
    with as_file(files("suture.data") / "sample.zip") as path:
        return read_sample(path)


LOADERS: dict[str, Loader] = {
    "sample": _sample,
    **{name: partial(fetch, name) for name in FETCHED},
    "celeba": read_celeba,
    "folder": read_folder,
    "npz": read_npz,
}
