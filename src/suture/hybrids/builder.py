"""HybridBuilder: a pretrained backbone with changed layers, in one call."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from torch import nn

from suture.errors import PlanError, UsageError
from suture.hybrids.heads import heads
from suture.hybrids.model import Change, HybridModel
from suture.hybrids.parent import Parent
from suture.hybrids.patch import build_patched, check_classes, model_of
from suture.sources import load, load_weights, read_weights
from suture.sources.catalog import torchvision_classifiers
from suture.sources.partial import partial_load
from suture.spec.patch import read_patches

Library = Literal["torchvision", "timm"]
Patches = Mapping[str, Any] | None


class HybridBuilder:
    """Makes ``HybridModel`` of networks by name: raw, as their libraries make them, without preprocessing.

    It holds nothing, so one serves for many. ``patches`` are as ``suture.patch`` takes them, such as
    ``{"layer3": {"wrap": "se"}}``. ``weights`` is DEFAULT (the library's own choice), the name of published weights
    (or torchvision's enum member), the path of a file, or None for random ones, drawn by ``seed``, also where a
    library starts its head at zero. ``num_classes`` None keeps the head with all its classes; another number than the
    network has gives it a new, random one. ``dropout`` is the chance before the head, 0 leaves it as it is. With
    ``freeze_backbone`` the head and all added blocks learn, and the stages ``unfreeze_stages`` (see
    ``HybridModel.freeze_backbone``). ``identity_start`` makes added blocks begin as the identity.

    Raises SourceError, WeightsError and PlanError, and builds nothing then.
    """

    def from_torchvision(
        self,
        name: str,
        weights: Any = "DEFAULT",
        patches: Patches = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        freeze_backbone: bool = False,
        unfreeze_stages: Iterable[int | str] | None = None,
        *,
        identity_start: bool = False,
        seed: int = 0,
    ) -> HybridModel:
        """A classifier of torchvision: ``from_torchvision("resnet50", patches={"layer3": {"wrap": "se"}})``."""
        return self._build(
            _source("torchvision", name, weights),
            patches,
            num_classes,
            dropout,
            freeze_backbone,
            unfreeze_stages,
            identity_start,
            seed,
        )

    def from_timm(
        self,
        name: str,
        weights: Any = "DEFAULT",
        patches: Patches = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        freeze_backbone: bool = False,
        unfreeze_stages: Iterable[int | str] | None = None,
        *,
        identity_start: bool = False,
        seed: int = 0,
    ) -> HybridModel:
        """A network of timm by its name; ``weights`` may be a tag, as in ``a1_in1k``."""
        return self._build(
            _source("timm", name, weights),
            patches,
            num_classes,
            dropout,
            freeze_backbone,
            unfreeze_stages,
            identity_start,
            seed,
        )

    def from_checkpoint(
        self,
        checkpoint_path: str | Path,
        backbone_name: str,
        patches: Patches = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        strict: bool = False,
        *,
        library: Library = "torchvision",
        identity_start: bool = False,
        seed: int = 0,
    ) -> HybridModel:
        """A network of ``library`` with the weights of a file, such as a patched one that was trained before.

        ``num_classes`` None takes as many as the head in the file has. What the file does not hold stays random, and
        what the network does not have is left out, unless ``strict``, which wants every tensor to fit; ``loaded`` of
        the model reports it. Raises WeightsError where nothing fits as well.
        """
        path = Path(checkpoint_path)
        state = read_weights(path)
        model = self._build(
            _source(library, backbone_name, None), patches, num_classes, dropout, False, None, identity_start, seed
        )
        if num_classes is None and (rows := _rows(model, state)) is not None:
            model = self._build(
                _source(library, backbone_name, None), patches, rows, dropout, False, None, identity_start, seed
            )
        if strict:
            load_weights(model, state, str(path))
        model.loaded = partial_load(model, state, init_new_layers=None)
        return model

    @staticmethod
    def list_backbones(filter: str = "") -> list[str]:
        """The names that ``from_torchvision`` takes, those alone that contain ``filter``."""
        return [name for name in torchvision_classifiers() if filter in name]

    def preview(self, name: str, patches: Patches, *, library: Library = "torchvision") -> tuple[Change, ...]:
        """What patches would change, on a network without its weights; raises as the real call."""
        return self._build(_source(library, name, None), patches, None, 0.0, False, None, False, 0).changes

    def _build(
        self,
        source: str,
        patches: Patches,
        num_classes: int | None,
        dropout: float,
        freeze_backbone: bool,
        unfreeze_stages: Iterable[int | str] | None,
        identity_start: bool,
        seed: int,
    ) -> HybridModel:
        read = read_patches(patches or {}, identity_start)
        check_classes(num_classes)
        if unfreeze_stages is not None and not freeze_backbone:
            raise PlanError(
                f"unfreeze_stages={list(unfreeze_stages)} where nothing is frozen",
                expected="stages to thaw of a frozen backbone",
                instead="freeze_backbone=True beside it",
            )
        random = source.endswith("@none")
        network = load(source, seed=seed, num_classes=num_classes if random else None)
        zero = _zero_head(network) if random else None
        classes = zero if num_classes is None else num_classes
        built = build_patched(
            Parent(network), read, classes=classes, dropout=dropout, seed=seed, fresh=zero is not None, owned=True
        )
        model = model_of(built)
        if freeze_backbone:
            model.freeze_backbone(unfreeze_stages)
        return model


def _source(library: str, name: str, weights: Any) -> str:
    """The source string of a network by name and weights. Raises UsageError for what is no name."""
    if not isinstance(name, str) or not name or ":" in name or "@" in name:
        bare = str(name).partition(":")[2].partition("@")[0] or str(name)
        raise UsageError(
            f"{name!r} is no name of a network of {library}",
            expected="a name alone, and the weights beside it",
            instead=f'from_{library}("{bare if isinstance(name, str) and name else "resnet18"}", weights="DEFAULT")',
        )
    if weights is None:
        return f"{library}:{name}@none"
    told = str(getattr(weights, "name", weights)) if not isinstance(weights, (str, Path)) else str(weights)
    return f"{library}:{name}" if told == "DEFAULT" else f"{library}:{name}@{told}"


def _zero_head(network: nn.Module) -> int | None:
    """The classes of a head that is all zero, as torchvision's ViT begins: no answer tells of what is before it."""
    with suppress(PlanError):
        for _, layer in heads(network):
            if not layer.weight.any():
                return int(layer.weight.shape[0])
    return None


def _rows(model: HybridModel, state: Mapping[str, Any]) -> int | None:
    """How many classes the head in a checkpoint has, where that is another number than the model's."""
    name = f"{model.head_names[0]}.weight" if model.head_names else ""
    own = model.state_dict()
    if name not in state or name not in own or state[name].shape[1:] != own[name].shape[1:]:
        return None
    rows = int(state[name].shape[0])
    return None if rows == own[name].shape[0] else rows
