"""The step that changes layers of one backbone."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from suture.errors import nearest
from suture.spec.fuse import STAGES as FUSED
from suture.spec.fuse import TestTime
from suture.spec.names import BLOCKS
from suture.spec.patch import OPERATIONS, POSITIONS, Fault, Patch, parse_patches
from suture.spec.stage import Stage
from suture.spec.step import Count, SourceText, Step, Width

PARTS = ("head", "blocks", "stem", "backbone", "all")
STAGES = (FUSED[0].model_copy(update={"moves": ("head", "blocks")}), FUSED[1])
_Parsed = tuple[tuple[int, ...], tuple[Patch, ...], tuple[Fault, ...]]


def _patches(given: Any) -> tuple[Patch, ...]:
    """Patches as they are, as the list that ``as_dict`` makes, or as ``read_patches`` takes them.

    Everything that is wrong is an error of its own, so that each is told with its line.
    """
    if given is None:
        return ()
    if isinstance(given, (list, tuple)) and all(isinstance(one, Patch) for one in given):
        return tuple(given)
    if isinstance(given, (list, tuple)) and all(isinstance(one, Mapping) and "target" in one for one in given):
        parsed: list[_Parsed] = [((number,), *parse_patches(_nested(one))) for number, one in enumerate(given)]
    else:
        parsed = [((), *parse_patches(given))]
    wrong = [_detail((*place, *fault.place), fault.text) for place, _, faults in parsed for fault in faults]
    if wrong:
        raise ValidationError.from_exception_data("patches", wrong)
    return tuple(patch for _, patches, _ in parsed for patch in patches)


def _detail(place: tuple[str | int, ...], said: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("patch", "{said}", {"said": said}), loc=place, input={})


def _nested(plain: Mapping[str, Any]) -> dict[Any, Any]:
    """One entry of a list as the mapping that ``read_patches`` takes."""
    told = {("type" if name == "block" else name): value for name, value in plain.items()}
    target, operation = told.pop("target"), told.pop("operation", "wrap")
    return {str(target): {str(operation): told}}


def _plain(patches: tuple[Patch, ...]) -> list[dict[str, Any]]:
    return [patch.as_dict() for patch in patches]


def _schema() -> dict[str, Any]:
    """What may be written, for editors."""
    names: dict[str, Any] = {"anyOf": [{"enum": list(BLOCKS)}, {"type": "string", "pattern": "^@"}]}
    flag = {"type": "boolean"}
    fields = {"type": names, "params": {"type": "object"}, "position": {"enum": list(POSITIONS)}}
    fields |= {"identity_start": flag, "allow_change": flag}
    whole = {"type": "object", "properties": fields, "required": ["type"], "additionalProperties": False}
    block = {"anyOf": [names, whole, {"type": "array", "items": {"anyOf": [names, whole]}}]}
    one = {"type": "object", "properties": dict.fromkeys(OPERATIONS, block), "additionalProperties": False}
    listed = {"type": "array", "items": {"type": "object"}}
    return {"anyOf": [{"type": "object", "additionalProperties": {"anyOf": [one, listed]}}, listed]}


Patches = Annotated[
    tuple[Patch, ...], BeforeValidator(_patches), PlainSerializer(_plain), WithJsonSchema(_schema(), mode="validation")
]


class PatchStep(Step):
    """Change layers of a backbone, and train it in stages.

    ``patches`` says what is done to which layers (none is done to a plain fine-tuning). ``dropout`` is the chance
    before the last layer (0: as the network has it); ``new_head`` makes a new head even where the network tells the
    data's classes apart; ``num_classes`` is how many the data must have, where it is given. ``identity_start`` lets
    every added block begin as the identity. ``controls`` trains the backbone without the patches in the same way, and
    says whether they helped; ``seeds`` is how many seeds everything is repeated with. A part of a stage is ``head``,
    ``blocks`` (what was added), ``stem``, ``backbone``, ``backbone:K`` (its last K stages), or ``all``.
    """

    verb: ClassVar[str] = "patch"
    model: SourceText
    patches: Patches = ()
    identity_start: bool = False
    new_head: bool = False
    num_classes: Width | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = STAGES
    controls: bool = False
    seeds: Count = 1
    tta: TestTime = "none"
    eval_batch: Count = 256

    @model_validator(mode="after")
    def _own_parts(self) -> Self:
        for stage in self.stages:
            for part in (*stage.moves, *stage.lr_of):
                name, _, last = part.partition(":")
                if name not in PARTS or (last and name != "backbone"):
                    raise ValueError(
                        f"a patched network has no part {part}; expected {', '.join(PARTS)}, or backbone:K; instead "
                        f"{nearest(name, PARTS, 1)[0]}"
                    )
            if stage.save_every:
                raise ValueError("a patched network keeps the ends of its stages and no steps between; no save_every")
            if not stage.objective.only_labels:
                raise ValueError(
                    "a patched network has no adapter and no other network to learn from; expected the target hard; "
                    "instead no objective"
                )
        return self

    @property
    def all_patches(self) -> tuple[Patch, ...]:
        """The patches, each beginning as the identity where all should."""
        if not self.identity_start:
            return self.patches
        spelled = [patch.as_dict() for patch in self.patches]
        return tuple(
            Patch.from_dict(one | ({"identity_start": True} if one["operation"] != "replace" else {}))
            for one in spelled
        )
