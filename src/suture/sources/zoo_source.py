"""``zoo:NAME``: bundled networks by name, and small architectures with weights from a file."""

from collections.abc import Mapping
from importlib.resources import as_file

import torch
from torch import Tensor, nn

from suture.errors import SourceError, nearest
from suture.sources.registry import Body, Request, register
from suture.sources.weights import load_weights, read_weights
from suture.sources.zoo import WIDE, WIDEST, Architecture, architecture, bundled, provenance
from suture.spec.names import BUNDLED, NORMS, ZOO

CLASSES = 10


@register("zoo")
def load_zoo(request: Request) -> Body:
    """``zoo:tiny10-a@none`` and ``zoo:tiny10-a@PATH`` are its architecture with other weights."""
    source = request.source
    known = _architecture(source.name)
    if source.name in BUNDLED and source.weights is None and not request.blank:
        return _bundled(source.name, known, request)
    if request.path:
        state = read_weights(request.path)
        count = _classes(known, state)
        module = known.make(count)
        load_weights(module, state, str(request.path))
        request.check_classes(count)
    elif request.random or (request.scratch and source.weights is None):
        module = known.make(request.num_classes or CLASSES)
    else:
        raise SourceError(
            f"zoo:{source.name} has no weights" + (f" named {source.weights!r}" if source.weights else " of its own"),
            expected=f"zoo:{source.name}@PATH, zoo:{source.name}@none, or a trained one: {', '.join(BUNDLED)}",
            instead=_with_weights(source.name),
        )
    return _body(known, module)


def _architecture(name: str) -> Architecture:
    """That of a bundled network or of an architecture's name. Raises SourceError."""
    found = architecture(name.rpartition("-")[0] if name in BUNDLED else name)
    if found:
        return found
    example = WIDE.replace("K", "4")
    if name.startswith(WIDE.removesuffix("K")):
        raise SourceError(
            f"the zoo has no {name!r}",
            expected=f"{WIDE} with K, the factor of the widths, a whole number from 1 to {WIDEST}",
            instead=f"zoo:{example}",
        )
    close = nearest(name, (*BUNDLED, *(example if other == WIDE else other for other in ZOO)))
    raise SourceError(
        f"the zoo has no {name!r}",
        expected=f"one of {', '.join(BUNDLED)}, or {', '.join(ZOO)} with @PATH",
        instead=" or ".join(f"zoo:{other}" for other in close),
    )


def _with_weights(name: str) -> str:
    """What to type for a network with weights: the bundled one, one of the same architecture, or none."""
    trained = [other for other in BUNDLED if name in (other, other.rpartition("-")[0])]
    return f"zoo:{trained[0]}" if trained else f"zoo:{name}@none, or suture train zoo:{name}"


def _classes(known: Architecture, state: Mapping[str, Tensor]) -> int:
    """How many classes a file is for: the rows of the last linear layer of the architecture, whatever its name."""
    with torch.device("meta"):
        modules = known.make(CLASSES).named_modules()
    head = [name for name, module in modules if isinstance(module, nn.Linear)][-1]
    weight = state.get(f"{head}.weight")
    return weight.shape[0] if weight is not None and weight.ndim == 2 else CLASSES


def _bundled(name: str, known: Architecture, request: Request) -> Body:
    with as_file(bundled(name)) as path:
        state = read_weights(path)
    told = provenance(name)
    request.check_classes(len(told["classes"]))
    module = known.make(len(told["classes"]))
    load_weights(module, state, f"zoo:{name}")
    return _body(known, module, classes=tuple(told["classes"]), licence=told["licence"])


def _body(
    known: Architecture, module: nn.Module, classes: tuple[str, ...] | None = None, licence: str = "unknown"
) -> Body:
    size = known.size
    return Body(module, input_size=size, norm=NORMS[known.norm], size=size, classes=classes, licence=licence)
