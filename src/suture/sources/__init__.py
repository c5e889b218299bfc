"""Source strings to networks. Importing the room registers its kinds of source."""

from suture.sources import python_source, timm_source, torchvision_source, zoo_source
from suture.sources.load import load
from suture.sources.partial import LoadReport, partial_load, transfer_weights
from suture.sources.registry import LOADERS, register
from suture.sources.weights import digest, load_weights, read_weights

__all__ = [
    "LOADERS",
    "LoadReport",
    "digest",
    "load",
    "load_weights",
    "partial_load",
    "python_source",
    "read_weights",
    "register",
    "timm_source",
    "torchvision_source",
    "transfer_weights",
    "zoo_source",
]
