"""What ``suture layers`` tells of a network."""

from collections.abc import Iterator
from typing import Any

from suture.graph.inventory import Inventory
from suture.hybrids import parent
from suture.sources import load


def describe(source: str, *, fine: bool = False, trust_code: bool = False) -> dict[str, Any]:
    """The block cuts of a network, or every legal one, with their cost. Raises SourceError, TraceError.

    At every cut ``params_before + params_after`` are the parameters less the ``unused``, and ``macs_before +
    macs_after`` the ``macs`` of one image. ``modules`` are the classes of what the cuts lie in, by name.
    """
    network = load(source, trust_code=trust_code)
    traced = parent(network).traced
    kinds = {name: type(module).__name__ for name, module in Inventory(network).modules.items()}
    cuts = traced.cuts(fine) or traced.cuts(fine=True)
    parameters = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return {
        "network": network.origin,
        "input_size": network.input_size,
        "tracer": traced.tracer,
        "why": traced.why,
        "parameters": sum(count for count, _ in parameters),
        "trainable": sum(count for count, learns in parameters if learns),
        "frozen": sum(count for count, learns in parameters if not learns),
        "macs": traced.macs,
        "auxiliary": list(getattr(traced, "auxiliary", ())),
        "unused": list(getattr(traced, "unused", ())),
        "modules": {name: kinds[name] for cut in cuts for name in around(cut.name) if name in kinds},
        "cuts": [
            {
                "name": cut.name,
                "module": next((kinds[name] for name in (cut.name, *cut.aliases) if name in kinds), None),
                "layout": str(cut.layout),
                "shape": list(cut.shape),
                "stride": cut.stride,
                "params_before": cut.params_before,
                "params_after": cut.params_after,
                "macs_before": cut.macs_before,
                "macs_after": cut.macs_after,
            }
            for cut in cuts
        ],
    }


def around(name: str) -> Iterator[str]:
    """The names of what a layer lies in, outermost first: ``a`` and ``a.b`` for ``a.b.c``."""
    parts = name.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts)))
