"""A recipe's network in Python, before any training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from suture.errors import RecipeError
from suture.hybrids import chain, find_seams, fuse, model_of, parent, patch
from suture.recipes.document import Problem, read_mapping
from suture.recipes.extends import extended
from suture.recipes.macros import expanded
from suture.recipes.read import Reading, find_recipe, read, read_text, refused
from suture.spec.at import At, read_at
from suture.spec.recipe import FuseStep, PatchStep, StitchStep


def load_yaml_recipe(
    path: str | Path,
    num_classes: int | None = None,
    *,
    freeze_backbone: bool | None = None,
    unfreeze_stages: Iterable[int | str] | None = None,
    settings: Iterable[str] = (),
    seed: int | None = None,
    trust_code: bool = False,
) -> nn.Module:
    """The network that a recipe of one step describes, with its pretrained weights and untrained otherwise.

    For the form of backbone, head and training, and for a step ``patch``, that is the ``HybridModel`` that a
    HybridBuilder makes: raw, without preprocessing. It comes frozen where ``training`` says so, or as
    ``freeze_backbone`` and ``unfreeze_stages`` do. For ``stitch`` it is a Hybrid with random adapters, for ``fuse`` a
    Fusion, which both take images in [0, 1]. ``num_classes`` and ``seed`` go before the recipe's, ``settings`` are
    those of ``--set``. Raises RecipeError, and what building raises.
    """
    if num_classes is not None and num_classes < 1:
        raise RecipeError(f"num_classes={num_classes}", expected="a whole number, 1 or more", instead="num_classes=10")
    reading = read(find_recipe(Path(path)), settings=settings, trust_code=trust_code)
    recipe = reading.recipe
    step: Any = recipe.steps[0]
    options: dict[str, Any] = {"seed": recipe.seed if seed is None else seed, "trust_code": trust_code}
    if len(recipe.steps) == 1 and isinstance(step, PatchStep):
        frozen, thawed = _frozen(reading)
        frozen = frozen if freeze_backbone is None else freeze_backbone
        if unfreeze_stages is not None and not frozen:
            raise RecipeError(
                f"unfreeze_stages={list(unfreeze_stages)} where nothing is frozen",
                expected="stages to thaw of a frozen backbone",
                instead="freeze_backbone=True beside it",
            )
        classes = step.num_classes if num_classes is None else num_classes
        model = model_of(patch(step.model, step.all_patches, num_classes=classes, dropout=step.dropout, **options))
        if frozen:
            model.freeze_backbone(thawed if unfreeze_stages is None else unfreeze_stages)
        return model
    if freeze_backbone is not None or unfreeze_stages is not None:
        raise RecipeError(
            f"{path} has no one backbone to freeze: {', '.join(step.verb for step in recipe.steps)}",
            expected="a recipe of a backbone, or of one step patch",
            instead="no freeze_backbone and unfreeze_stages; freeze(...) of what is built",
        )
    if len(recipe.steps) == 1 and isinstance(step, FuseStep):
        shape: dict[str, Any] = {name: getattr(step, name) for name in ("method", "hidden", "width", "dropout")}
        return fuse(step.networks, num_classes=num_classes, at=step.at or None, **shape, **options)
    if len(recipe.steps) == 1 and isinstance(step, StitchStep):
        sides = [parent(source, **options) for source in step.networks.values()]
        at: At = tuple((x.name, y.name) for x, y in find_seams(sides, read_at(step.at) if step.at else None))
        return chain(*sides, at=at, adapter=step.spec, classes=num_classes, seed=options["seed"])
    raise RecipeError(
        f"{path} describes no one network: {', '.join(step.verb for step in recipe.steps)}",
        expected="a backbone, or one step patch, stitch or fuse",
        instead=f'suture.run("{path}", out="runs/NAME"), and then suture.load("run:runs/NAME")',
    )


def load_yaml_config(path: str | Path) -> dict[str, Any]:
    """What a recipe file says as plain data, on top of what it extends, its macros expanded. Raises RecipeError."""
    path = find_recipe(Path(path))
    problems: list[Problem] = []
    document = extended(read_mapping(read_text(path), path.name), path.name, path.parent)
    config: dict[str, Any] = expanded(document, problems).data
    if problems:
        raise refused(path.name, problems)
    return config


def _frozen(reading: Reading) -> tuple[bool, list[int]]:
    """Whether ``training`` freezes the backbone, and which stages it leaves."""
    training: Any = reading.document.at(("training",)) or {}
    return bool(training.get("freeze_backbone")), list(training.get("unfreeze_stages") or ())
