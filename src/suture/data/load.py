"""Data by name: ``sample``, ``cifar10[:ROOT]`` and its like, ``celeba[:ROOT]``, ``folder:PATH``, ``npz:PATH``."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from typing import Any

from suture.data.celeba import read_celeba
from suture.data.dataset import DataSet, Split
from suture.data.fetched import FETCHED, fetch
from suture.data.folder import read_folder
from suture.data.npz import read_npz
from suture.data.options import Options
from suture.data.sample import read_sample
from suture.data.splits import divide
from suture.errors import DataError, nearest
from suture.spec.names import DATA
from suture.spec.recipe import Splits

Loader = Callable[[str, Options], DataSet]
NO_SPLITS = Splits()


def load_data(
    name: str,
    *,
    size: int = 224,
    skip_bad: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    splits: Splits = NO_SPLITS,
    seed: int = 0,
) -> DataSet:
    """A data set by its name, divided as ``splits`` says. ``tell`` hears what was left out or adapted.

    ``size`` is what image files are decoded to, in pixels a side. Raises DataError.
    """
    kind, _, where = name.partition(":")
    if kind not in LOADERS:
        close = nearest(kind, DATA, 2)
        raise DataError(
            f"there is no data set {name!r}",
            expected=f"one of {', '.join(DATA)}, as sample, cifar10[:ROOT], folder:PATH, npz:PATH",
            instead=" or ".join(close),
        )
    data = LOADERS[kind](where, Options(size, skip_bad, tell))
    named: dict[str, Any] = {part: _named(getattr(data, part), part) for part in ("train", "val", "test")}
    return divide(replace(data, **named), splits, seed, tell)


def _named(split: Split | None, part: str) -> Split | None:
    """Images of arrays are called by their split and number."""
    if split is None or split.names is not None:
        return split
    return replace(split, names=tuple(f"{part}/{number}" for number in range(len(split))))


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
