"""From an ``nn.Module`` to its cuts, halves and activations. Only this room knows fx, export and hooks."""

from suture.graph.ends import last_layers
from suture.graph.last_maps import last_maps
from suture.graph.network import Network
from suture.graph.penultimate import last_map, penultimate
from suture.graph.recording import recording
from suture.graph.sections import Section, sections
from suture.graph.shadow import Shadow
from suture.graph.sites import Layer, layers
from suture.graph.spatial import Spatial
from suture.graph.stages import stages
from suture.graph.surgery import Added, Patched, add, blocks_of, free_name, unpatched
from suture.graph.traced import Traced, batch_of, trace
from suture.graph.untouched import untouched
from suture.graph.watching import differentiable

__all__ = [
    "Added",
    "Layer",
    "Network",
    "Patched",
    "Section",
    "Shadow",
    "Spatial",
    "Traced",
    "add",
    "batch_of",
    "blocks_of",
    "differentiable",
    "free_name",
    "last_layers",
    "last_map",
    "last_maps",
    "layers",
    "penultimate",
    "recording",
    "sections",
    "stages",
    "trace",
    "unpatched",
    "untouched",
]
