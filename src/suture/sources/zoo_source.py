"""``zoo:NAME``: bundled networks by name, and small architectures with weights from a file."""

from collections.abc import Callable
from importlib.resources import as_file

from torch import nn

from suture.errors import SourceError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights
from suture.sources.zoo import ARCHITECTURES, bundled, provenance
from suture.spec.names import BUNDLED, NORMS, ZOO

SIZE = 32


@register("zoo")
def load_zoo(request: Request) -> Body:
    """``zoo:tiny10-a@none`` and ``zoo:tiny10-a@PATH`` are its architecture with other weights."""
    source = request.source
    if source.name in BUNDLED and source.weights is None and not request.blank:
        return _bundled(source.name, request)
    if source.name not in (*BUNDLED, *ARCHITECTURES):
        close = nearest(source.name, (*BUNDLED, *ZOO))
        raise SourceError(
            f"the zoo has no {source.name!r}",
            expected=f"one of {', '.join(BUNDLED)}, or {', '.join(ZOO)} with @PATH",
            instead=" or ".join(f"zoo:{name}" for name in close),
        )
    make = _architecture(source.name)
    if request.path:
        state = read_weights(request.path)
        head = state.get("fc.weight")
        count = head.shape[0] if head is not None and head.ndim == 2 else 10
        module = make(count)
        load_weights(module, state, str(request.path))
        request.check_classes(count)
    elif request.random or (request.scratch and source.weights is None):
        module = make(request.num_classes or 10)
    else:
        raise SourceError(
            f"zoo:{source.name} has no weights" + (f" named {source.weights!r}" if source.weights else " of its own"),
            expected=f"zoo:{source.name}@PATH, zoo:{source.name}@none, or a trained one: {', '.join(BUNDLED)}",
            instead=f"zoo:{source.name}" if source.name in BUNDLED else f"zoo:{source.name}-a",
        )
    return _body(module)


def _architecture(name: str) -> Callable[..., nn.Module]:
    return ARCHITECTURES[name.rpartition("-")[0] if name in BUNDLED else name]


def _bundled(name: str, request: Request) -> Body:
    with as_file(bundled(name)) as path:
        state = read_weights(path)
    told = provenance(name)
    request.check_classes(len(told["classes"]))
    module = _architecture(name)(len(told["classes"]))
    load_weights(module, state, f"zoo:{name}")
    return _body(module, classes=tuple(told["classes"]), licence=told["licence"])


def _body(module: nn.Module, classes: tuple[str, ...] | None = None, licence: str = "unknown") -> Body:
    return Body(module, input_size=SIZE, norm=NORMS["cifar10"], size=SIZE, classes=classes, licence=licence)
