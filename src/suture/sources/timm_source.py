"""``timm:NAME[@TAG|@none|@PATH]``: the networks of timm."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from suture.errors import SourceError, WeightsError, listed, nearest
from suture.sources.imagenet import class_names
from suture.sources.registry import Body, Request, first_line, register, sized
from suture.sources.weights import digest, load_weights, read_weights
from suture.spec.source import Interpolation, Source

HEADS = ("head", "fc", "classifier")


@register("timm")
def load_timm(request: Request) -> Body:
    """``timm:NAME@TAG`` is timm's own ``NAME.TAG``; a file gets the preprocessing of ``NAME``'s default weights.

    timm reads a file and renames what is in a format of its authors. A network of a fixed image size is built for
    that of ``?size=``. Networks without a head (``num_classes`` 0 in timm: DINO, MAE …) give features (N, C).
    Raises SourceError where timm has no such network or weights, or crops as Preprocess cannot: five networks that
    are not square, six that pad. ``?size=`` cuts a square from the centre for these too.
    """
    import timm  # here, not above: it takes a second or two, which no other source should pay

    source = request.source
    cfg = _configuration(source)
    name = f"{source.name}.{cfg.tag}" if cfg.tag else source.name
    config = timm.data.resolve_data_config(pretrained_cfg=cfg.to_dict())
    side = _side(source, config)
    # Only such networks take img_size; the others take images of any size.
    options: dict[str, Any] = (
        {"img_size": source.override.size} if source.override.size and cfg.fixed_input_size else {}
    )
    count, trained = cfg.num_classes, False
    if request.path:
        module, count = _from_file(request, request.path, name, cfg, options)
        request.check_classes(count)
    elif request.random or (request.scratch and source.weights is None and not cfg.has_weights):
        with sized(source):
            module = timm.create_model(name, num_classes=request.num_classes, **options)
    else:
        trained = True
        _check_published(source, cfg)
        request.check_classes(count)
        module = _published(source, name, options)
    kind: Interpolation = "bicubic" if config["interpolation"] == "bicubic" else "bilinear"
    return Body(
        module,
        side,
        (config["mean"], config["std"]),
        side,
        math.floor(side / config["crop_pct"]),
        kind,
        class_names(count, cfg.num_classes) if (trained or request.path) and cfg.has_weights else None,
        (cfg.license if trained else None) or "unknown",
        stretch=config["crop_mode"] == "squash",
    )


def _configuration(source: Source) -> Any:
    """What timm says of the weights: those of the tag, else the default ones. Raises SourceError."""
    import timm

    known = timm.list_models()
    if source.name not in known:
        plain, _, tag = source.name.partition(".")
        renamed = timm.models.get_deprecated_models().get(source.name)
        if renamed:
            close = [renamed.replace(".", "@", 1)]
        else:
            close = [f"{plain}@{tag}"] if tag and plain in known else nearest(plain, known)
        raise SourceError(
            f"timm has no network {source.name!r}",
            expected=f"one of its {len(known)} names (suture ls models --filter timm:), its weights after an @",
            instead=" or ".join(f"timm:{name}" for name in close),
        )
    if source.weights is None or source.random or source.path:
        return timm.models.get_pretrained_cfg(source.name)
    cfgs = timm.models.get_arch_pretrained_cfgs(source.name)
    if f"{source.name}.{source.weights}" not in cfgs:
        tags = [cfg.tag for cfg in cfgs.values() if cfg.tag and cfg.has_weights]
        begun = [tag for tag in tags if tag.startswith(source.weights)]
        raise SourceError(
            f"timm has no weights {source.weights!r} for {source.name}",
            expected=f"one of {listed([*tags, 'none'])}, or a file",
            instead=" or ".join(
                f"timm:{source.name}@{tag}" for tag in begun or nearest(source.weights, [*tags, "none"])
            ),
        )
    return cfgs[f"{source.name}.{source.weights}"]


def _side(source: Source, config: dict[str, Any]) -> int:
    """The side of the square RGB images the network takes. Raises SourceError for other images."""
    channels, height, width = config["input_size"]
    odd = channels != 3 or ((height != width or config["crop_mode"] == "border") and not source.override.size)
    if odd:
        raise SourceError(
            f"{source} takes images of {channels}x{height}x{width}, {config['crop_mode']} crop",
            expected="a network for square RGB images that are not padded",
            instead=f"timm:{source.name}?size={min(height, width)} for the centre of RGB images, or another network",
        )
    return int(height)


def _check_published(source: Source, cfg: Any) -> None:
    if not cfg.has_weights:
        raise SourceError(
            f"timm publishes no weights for {source}",
            expected="a file on this machine, or random weights",
            instead=f"timm:{source.name}@PATH, or timm:{source.name}@none",
        )


def _published(source: Source, name: str, options: dict[str, Any]) -> nn.Module:
    import timm

    try:
        module: nn.Module = timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # what a hub, a connection and a cache raise has no common root
        raise WeightsError(
            f"the weights of {source} could not be fetched: {first_line(error)}",
            expected="a connection for the first use, or a file on this machine",
            instead=f"timm:{source.name}@PATH, or @none for random weights",
        ) from error
    return module


def _from_file(request: Request, path: Path, name: str, cfg: Any, options: dict[str, Any]) -> tuple[nn.Module, int]:
    """The network with the weights of a file, and its number of classes. Raises WeightsError."""
    import timm

    state = read_weights(path)  # first, so that a file with code in it, or none, is told as for other sources
    count = _classes(cfg, state)
    with sized(request.source):
        plain = timm.create_model(name, num_classes=count, **options)
    overlay = {"file": str(path), "num_classes": count, "custom_load": False}

    def read() -> nn.Module:
        with _quiet():
            return timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=count, **options
            )

    try:
        module = read()
    except Exception:  # nothing that a conversion may stumble over in a strange file says what is wrong with the file
        load_weights(plain, state, str(path))
        return plain, count
    # A few networks (DLA) leave what is not in the file as it was drawn, and do not tell. Names that differ may
    # also have been renamed; but what was read is the same the second time, what was drawn is not.
    if not module.state_dict().keys() <= state.keys() and digest(read().state_dict()) != digest(module.state_dict()):
        load_weights(plain, state, str(path))
    return module, count


@contextmanager
def _quiet() -> Iterator[None]:
    """Without timm's warnings, which list every name in a file that does not fit."""
    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _classes(cfg: Any, state: dict[str, Tensor]) -> int:
    """The rows of the head in a checkpoint; where it has none by any usual name, the network's own number."""
    own = [cfg.classifier] if isinstance(cfg.classifier, str) else list(cfg.classifier or ())
    heads = [state[f"{name}.weight"] for name in (*own, *HEADS) if f"{name}.weight" in state]
    return int(heads[0].shape[0]) if heads and heads[0].ndim else int(cfg.num_classes)
