"""What ``suture layers`` tells of a network."""

from typing import Any

from suture.hybrids import parent
from suture.sources import load


def describe(source: str, *, fine: bool = False, trust_code: bool = False) -> dict[str, Any]:
    """The cuts of a network with their cost. Raises SourceError, TraceError."""
    network = load(source, trust_code=trust_code)
    traced = parent(network).traced
    return {
        "network": network.origin,
        "tracer": traced.tracer,
        "parameters": sum(p.numel() for p in network.parameters()),
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "macs": traced.macs,
        "cuts": [
            {
                "name": cut.name,
                "layout": str(cut.layout),
                "shape": list(cut.shape),
                "stride": cut.stride,
                "params_before": cut.params_before,
                "params_after": cut.params_after,
                "macs_before": cut.macs_before,
                "macs_after": cut.macs_after,
            }
            for cut in traced.cuts(fine)
        ],
    }
