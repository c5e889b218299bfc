"""From an ``nn.Module`` to its cuts, halves and activations. Only this room knows fx, export and hooks."""

from suture.graph.network import Network
from suture.graph.recording import recording
from suture.graph.traced import Traced, trace
from suture.graph.untouched import untouched

__all__ = ["Network", "Traced", "recording", "trace", "untouched"]
