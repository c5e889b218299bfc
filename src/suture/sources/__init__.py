"""Source strings to networks. Importing the room registers its kinds of source."""

from suture.sources import python_source, timm_source, torchvision_source, zoo_source
from suture.sources.load import load
from suture.sources.registry import LOADERS, register
from suture.sources.weights import digest, load_weights, read_weights

__all__ = [
    "LOADERS",
    "digest",
    "load",
    "load_weights",
    "python_source",
    "read_weights",
    "register",
    "timm_source",
    "torchvision_source",
    "zoo_source",
]
