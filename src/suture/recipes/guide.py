"""A recipe of backbone, head and training as a recipe of one ``patch`` step."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from suture.errors import PlanError, SutureError
from suture.recipes.document import Document, Place, Problem, Where
from suture.recipes.wrong import checked, tell
from suture.spec.guide import Guide
from suture.spec.recipe import Inputs, Recipe

FROM_SCRATCH = ("stem", "stages")
OWN = ("backbone", "head", "training", "input_shape", "num_classes")
_UNFROZEN: tuple[Place, str] = ("training", "unfreeze_stages"), "unfreeze_stages"
_MODEL: tuple[Place, str] = ("backbone", "name"), "model"  # as it is told where it is built
_STEP: Place = ("steps", 0, "patch")
_MOVED: dict[Place, Place] = {
    (): ("backbone",),
    ("model",): ("backbone", "name"),
    ("patches",): ("backbone", "patches"),
    ("identity_start",): ("backbone", "identity_start"),
    ("num_classes",): ("head", "num_classes"),
    ("dropout",): ("head", "dropout"),
    ("stages",): ("training",),
}


def is_guide(fields: Mapping[str, Any]) -> bool:
    """Whether these are a recipe's fields in the form of the guide: a backbone, and no steps."""
    return "backbone" in fields


def read_guide(
    document: Document, problems: list[Problem], notes: list[Problem], trust_code: bool
) -> tuple[Recipe, Document]:
    """The recipe, and the document with every place of the step told by what it was made of.

    Where something is wrong, its step is of what remains without it, or None where that makes no step.
    """
    fields = dict(document.data)
    if "steps" in fields:
        problems.append((document.told(("steps",)), "steps: a recipe has steps or a backbone, not both"))
        fields.pop("steps")
    also = ("macros", "version", "description", "extends")
    guide, left = checked(Guide, fields, document, (), problems, also)
    if guide is None:
        guide, left = checked(Guide, {"backbone": fields["backbone"]}, document, (), [])
    moved = _moved(Document(left, document.where))
    if guide is None:
        return Recipe.model_construct(steps=(None,)), moved
    training = guide.training
    if training is not None:
        notes += [(document.told(("training", *place)), said) for place, said in training.left_out()]
    try:
        step = guide.step(_last(guide, trust_code))
    except ValidationError as error:
        tell(error, Guide, document, ("training",), problems)
    except SutureError as error:
        at, name = _UNFROZEN if isinstance(error, PlanError) else _MODEL
        problems.append((document.told(at), f"{name}: {error.line}"))
    else:
        inputs = {name: getattr(guide, name) for name in Inputs.model_fields}
        return Recipe(**inputs, steps=(step,)), moved
    return Recipe.model_construct(steps=(guide.model_copy(update={"training": None}).step(),)), moved


def _last(guide: Guide, trust_code: bool) -> int:
    """How many of the backbone's last stages learn. Raises what loading it raises, without its weights."""
    training = guide.training
    if training is None or not (training.freeze_backbone and training.unfreeze_stages):
        return 0
    from suture.recipes.stages import last_stages

    return last_stages(guide.source, training.unfreeze_stages, trust_code=trust_code)


def _moved(document: Document) -> Document:
    where: dict[Place, Where] = dict(document.where)
    for to, came in _MOVED.items():
        where[*_STEP, *to] = document.told(came)
        where |= {(*_STEP, *to, *inner): told for inner, told in document.within(came).items() if to and inner}
    patches = document.at(("backbone", "patches"))
    return Document({**document.data, "steps": [{"patch": {"patches": patches}}]}, where)
