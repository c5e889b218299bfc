"""``python:FILE_OR_MODULE:CALLABLE[@PATH]``: a user's own function that returns a network."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from suture.errors import SourceError, TrustError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights


@register("python")
def load_python(request: Request) -> Body:
    """Runs the user's code, therefore only with ``trust_code``. Without ``?size=`` images keep their size.

    The code may import what lies beside its file and what lies in the working folder.
    """
    source = request.source
    if not request.trust_code:
        raise TrustError(
            f"{source} would run code from {source.name.rpartition(':')[0]}",
            expected="your word that the code may run",
            instead="the same command with --trust-code (in Python: trust_code=True)",
        )
    place, _, function = source.name.rpartition(":")
    if source.weights and not source.path and not source.random:
        raise SourceError(
            f"{source} names the weights {source.weights!r}",
            expected="a weight file after the @, none, or nothing for what the callable returns",
            instead=f"python:{source.name}@./{source.weights}.safetensors",
        )
    with _beside(place):
        module = _make(place, function, str(source), request.num_classes)
    if request.path:
        load_weights(module, read_weights(request.path), str(request.path))
    size = source.override.size
    return Body(module, input_size=size or 224, size=size)


@contextmanager
def _beside(place: str) -> Iterator[None]:
    """What Python would find for a script of its own, after all that is installed."""
    folders = [str(Path(place).resolve().parent)] if place.endswith(".py") else []
    added = [folder for folder in (*folders, str(Path.cwd())) if folder not in sys.path]
    sys.path.extend(added)
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


def _make(place: str, function: str, text: str, num_classes: int | None) -> nn.Module:
    namespace = _import(place, text)
    make = getattr(namespace, function, None)
    if not callable(make):
        names = [name for name, value in vars(namespace).items() if callable(value) and name[0] != "_"]
        raise SourceError(
            f"{place} has no function {function!r}",
            expected="a function or class that returns an nn.Module",
            instead=" or ".join(f"python:{place}:{name}" for name in nearest(function, names)) or "another name",
        )
    return _call(make, text, num_classes)


def _import(place: str, text: str) -> ModuleType:
    """A file by its path, or a module by its dotted name. Whatever the user's code raises is told as it is."""
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = Path(place).resolve()
        spec = importlib.util.spec_from_file_location(f"suture_user_{path.stem}", path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise FileNotFoundError(f"there is no file {place}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        raise SourceError(
            f"{text} could not be imported: {type(error).__name__}: {error}",
            expected="a Python file, or a module that can be imported from here",
            instead="python:PATH/TO/FILE.py:CALLABLE",
        ) from error


def _call(make: Any, text: str, num_classes: int | None) -> nn.Module:
    try:
        accepts = "num_classes" in inspect.signature(make).parameters
        module = make(num_classes=num_classes) if num_classes and accepts else make()
    except (Exception, SystemExit) as error:
        raise SourceError(
            f"{text} failed when called: {type(error).__name__}: {error}",
            expected="a callable that needs no arguments (num_classes is passed where it is taken and asked for)",
            instead="a function of your own that calls it with the arguments it needs",
        ) from error
    if not isinstance(module, nn.Module):
        raise SourceError(
            f"{text} returned a {type(module).__name__}",
            expected="an nn.Module",
            instead="a callable that returns the network itself",
        )
    return module
