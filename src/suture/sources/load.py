"""A source string in, a network out."""

import torch

from suture.data.preprocess import Preprocess
from suture.errors import SourceError
from suture.graph.network import Network
from suture.sources.registry import LOADERS, Body, Request, sized
from suture.spec.source import Source, parse_source


def load(
    source: str | Source,
    *,
    trust_code: bool = False,
    num_classes: int | None = None,
    seed: int = 0,
    scratch: bool = False,
    blank: bool = False,
) -> Network:
    """Load a network, in eval mode, with its preprocessing as its first module.

    ``source`` is a string such as ``zoo:tiny10-a`` or ``torchvision:resnet18@IMAGENET1K_V1``. ``num_classes`` asks
    for a head of so many classes where the weights are random; ``seed`` draws random weights (``@none``);
    ``scratch`` takes random weights where a source has none; ``blank`` reads and fetches no weights at all, and keeps
    the preprocessing that goes with them. The caller's random state is left alone. With ``?size=`` the network is
    tried on one image of that size. Raises SourceError, WeightsError, TrustError.
    """
    parsed = parse_source(source) if isinstance(source, str) else source
    loader = LOADERS.get(parsed.kind)
    if loader is None:
        raise SourceError(
            f"nothing loads {parsed.kind}: sources yet",
            expected=f"one of {', '.join(LOADERS)}",
            instead="import suture first; it registers every kind",
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        loaded = loader(Request(parsed, trust_code, num_classes, seed, scratch, blank))
        network = loaded if isinstance(loaded, Network) else _wrap(parsed, loaded)
        network.eval()
        if size := parsed.override.size:
            with sized(parsed), torch.no_grad():
                network.body(torch.zeros(1, 3, size, size))
    return network


def _wrap(source: Source, body: Body) -> Network:
    override = source.override
    mean, std = override.norm or body.norm
    size = override.size or body.size
    resize = override.size or body.resize
    interpolation = override.interpolation or body.interpolation
    preprocess = Preprocess(mean, std, size, resize, interpolation, body.stretch)
    return Network(
        body.module,
        preprocess,
        input_size=size or body.input_size,
        classes=body.classes,
        origin=source.origin,
        licence=body.licence,
    )
