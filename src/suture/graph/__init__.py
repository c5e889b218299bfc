"""From an ``nn.Module`` to its cuts, halves and activations. Only this room knows fx, export and hooks."""

from suture.graph.ends import last_layers
from suture.graph.last_maps import last_maps
from suture.graph.network import Network
from suture.graph.penultimate import last_map, penultimate
from suture.graph.recording import recording
from suture.graph.spatial import Spatial
from suture.graph.stages import stages
from suture.graph.traced import Traced, trace
from suture.graph.untouched import untouched
from suture.graph.watching import differentiable

__all__ = [
    "Network",
    "Spatial",
    "Traced",
    "differentiable",
    "last_layers",
    "last_map",
    "last_maps",
    "penultimate",
    "recording",
    "stages",
    "trace",
    "untouched",
]
