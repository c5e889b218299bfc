"""``zoo:NAME``: bundled networks by name, and small architectures with weights from a file."""

from importlib.resources import as_file
from pathlib import Path

from torch import nn

from suture.errors import SourceError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights
from suture.sources.zoo import ARCHITECTURES, bundled, provenance
from suture.spec.names import BUNDLED, NORMS, ZOO

SIZE = 32


@register("zoo")
def load_zoo(request: Request) -> Body:
    source = request.source
    if source.name in BUNDLED and source.weights is None:
        return _bundled(source.name)
    if source.name not in ARCHITECTURES:
        close = nearest(source.name, (*BUNDLED, *ZOO))
        raise SourceError(
            f"the zoo has no {source.name!r}" + (" with other weights" if source.name in BUNDLED else ""),
            expected=f"one of {', '.join(BUNDLED)}, or {', '.join(ZOO)} with @PATH",
            instead=" or ".join(f"zoo:{name}" for name in close),
        )
    make = ARCHITECTURES[source.name]
    if source.path:
        state = read_weights(Path(source.path))
        head = state.get("fc.weight")
        module = make(request.num_classes or (head.shape[0] if head is not None else 10))
        load_weights(module, state, source.path)
    elif source.random or (source.weights is None and request.scratch):
        module = make(request.num_classes or 10)
    else:
        raise SourceError(
            f"zoo:{source.name} is an architecture"
            + (f" and has no weights named {source.weights!r}" if source.weights else " without weights"),
            expected=f"zoo:{source.name}@PATH, zoo:{source.name}@none, or a trained one: {', '.join(BUNDLED)}",
            instead=f"zoo:{source.name}-a",
        )
    return _body(module)


def _bundled(name: str) -> Body:
    with as_file(bundled(name)) as path:
        state = read_weights(path)
    module = ARCHITECTURES[name.rpartition("-")[0]](state["fc.weight"].shape[0])
    load_weights(module, state, f"zoo:{name}")
    told = provenance(name)
    return _body(module, classes=tuple(told["classes"]), licence=told["licence"])


def _body(module: nn.Module, classes: tuple[str, ...] | None = None, licence: str = "unknown") -> Body:
    return Body(module, input_size=SIZE, norm=NORMS["cifar10"], size=SIZE, classes=classes, licence=licence)
