"""What a patched network must show, tried on one: a block wrapped around, and one put behind, every stage."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import timm
import torch
from torch import Tensor
from torchvision import models

from suture import HybridBuilder, HybridModel

CLASSES = 10
SIDES = (64, 96, 128)
TOLERANCE = 1e-6


@dataclass
class Finding:
    """What one network showed. Shapes are for the images of its own size, ``side`` is that of the images tried."""

    name: str
    family: str
    parameters: int = 0
    side: int = 0
    stages: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    strides_never_fall: bool = False
    blocks: int = 0
    in_tree: int = 0
    heard: int = 0
    counted: bool = False
    names_kept: bool = False
    identity_gap: float = float("inf")
    seconds: float = 0.0
    failure: str = ""

    @property
    def good(self) -> bool:
        every = self.blocks > 0 and self.in_tree == self.heard == self.blocks
        told = self.strides_never_fall and self.counted and self.names_kept
        return not self.failure and every and told and self.identity_gap <= TOLERANCE

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.good}


def family(source: str) -> str:
    """The file of its library that defines the network."""
    library, _, name = source.partition(":")
    made = models.get_model_builder(name) if library == "torchvision" else timm.model_entrypoint(name)
    return f"{library}.{made.__module__.rpartition('.')[2]}"


def examine(source: str) -> Finding:
    """Build, patch and compare ``torchvision:NAME`` or ``timm:NAME``, with random weights."""
    found = Finding(source, family(source))
    clock = time.perf_counter()
    try:
        _examine(source, found)
    except Exception as error:
        # The list must be told to its end; what went wrong is the finding.
        found.failure = f"{type(error).__name__}: {error}".splitlines()[0]
    found.seconds = round(time.perf_counter() - clock, 1)
    return found


@torch.no_grad()
def _examine(source: str, found: Finding) -> None:
    plain = _awake(_built(source, {}))
    found.parameters = plain.count_parameters()
    found.stages = plain.stage_names
    images = _images(plain)
    found.side = images.shape[-1]
    logits = plain(images)
    targets = [section.output for section in plain.sections[1:]]
    maps = plain.get_stage_outputs(torch.rand(1, 3, plain.input_size, plain.input_size))
    found.shapes = tuple(tuple(value.shape[1:]) for value in maps)
    rows = [shape[1] for shape in found.shapes if len(shape) == 3]
    found.strides_never_fall = len(maps) > 1 and rows == sorted(rows, reverse=True)
    state = plain.state_dict()
    del plain, maps

    patches = {name: [{"wrap": "se"}, {"inject": "eca"}] for name in targets}
    patched = _built(source, patches)
    _compare(found, patched, state, images)
    del patched

    start = _built(source, patches, identity_start=True)
    start.load_state_dict(state, strict=False)
    found.identity_gap = float((start(images) - logits).abs().max() / logits.abs().max())


def _built(source: str, patches: dict[str, Any], identity_start: bool = False) -> HybridModel:
    library, _, name = source.partition(":")
    make = HybridBuilder().from_torchvision if library == "torchvision" else HybridBuilder().from_timm
    return make(name, weights=None, patches=patches, num_classes=CLASSES, identity_start=identity_start).eval()


def _awake(network: HybridModel) -> HybridModel:
    """Nothing in it is constant or tiny, as some heads and scales are at first: behind those no block is heard."""
    for parameter in network.parameters():
        if parameter.numel() < 2 or parameter.std() < 0.01:
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def _images(network: HybridModel) -> Tensor:
    """Two of the smallest that it takes."""
    for side in SIDES:
        images = torch.rand(2, 3, side, side)
        try:
            network(images)
        except (RuntimeError, ValueError, AssertionError, TypeError):
            continue
        return images
    return torch.rand(2, 3, network.input_size, network.input_size)


def _compare(found: Finding, patched: HybridModel, state: dict[str, Tensor], images: Tensor) -> None:
    modules = dict(patched.named_modules())
    names = [change.block for change in patched.changes]
    found.blocks, found.in_tree = len(names), sum(name in modules for name in names)
    own = sum(parameter.numel() for name in names for parameter in modules[name].parameters())
    found.counted = patched.count_parameters() == found.parameters + own > found.parameters
    load = patched.load_state_dict(state, strict=False)
    new = [key for key in patched.state_dict() if key not in state]
    beneath = all(any(key.startswith(f"{name}.") for name in names) for key in new)
    found.names_kept = not load.unexpected_keys and set(load.missing_keys) == set(new) and beneath
    logits = patched(images)
    found.heard = sum(_is_heard(patched, name, images, logits) for name in names)


def _is_heard(patched: HybridModel, name: str, images: Tensor, logits: Tensor) -> bool:
    """Whether other weights of a block give other logits, finite ones."""
    block = patched.get_submodule(name)
    kept = {key: value.clone() for key, value in block.state_dict().items()}
    for parameter in block.parameters():
        parameter.add_(torch.randn_like(parameter))
    other = patched(images)
    block.load_state_dict(kept)
    return bool(other.isfinite().all()) and not torch.equal(other, logits)
