"""The JSON schema of recipes, for editors."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from suture.spec.guide import Guide
from suture.spec.recipe import STEPS, Inputs

REF = "#/$defs/{}"


def schema() -> dict[str, Any]:
    """A recipe of steps, or one of backbone, head and training. JSON Schema, draft 2020-12."""
    kinds: list[type[BaseModel]] = [Inputs, Guide, *STEPS.values()]
    _, told = models_json_schema([(kind, "validation") for kind in kinds], ref_template=REF.format("{model}"))
    defs: dict[str, Any] = told["$defs"]
    meta = {
        "version": {"type": ["string", "number"], "description": "For people; it does nothing."},
        "description": {"type": "string", "description": "For people; it does nothing."},
        "extends": {"type": "string", "description": "A recipe that this one goes on top of: a file, or a name."},
        "macros": {"type": "object", "description": 'What "@name" stands for anywhere else.'},
    }
    step = {"oneOf": [_step(verb, kind.__name__) for verb, kind in STEPS.items()]}
    of_steps = defs.pop("Inputs")
    guide = defs.pop("Guide")
    of_steps["properties"] |= {"steps": {"type": "array", "minItems": 1, "items": step}, **meta}
    guide["properties"] |= meta
    guide["properties"]["backbone"] = {"anyOf": [{"type": "string"}, {"$ref": REF.format("Backbone")}]}
    guide["properties"]["head"] = {"anyOf": [{"type": ["string", "integer"]}, {"$ref": REF.format("Head")}]}
    of_steps |= {"title": "Steps", "required": ["steps"]}
    # What goes on top of another recipe may leave out anything.
    parts = {name: one for name, one in defs["Backbone"].items() if name != "required"}
    changed = guide["properties"] | of_steps["properties"]
    changed["backbone"] = {"anyOf": [{"type": "string"}, {"$ref": REF.format("BackboneChanged")}]}
    top = {"type": "object", "title": "OnTop", "properties": changed, "additionalProperties": False}
    defs |= {"Guide": guide, "Steps": of_steps, "OnTop": top, "BackboneChanged": parts}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of Suture",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"$ref": REF.format("OnTop")},
        "else": {
            "if": {"required": ["backbone"]},
            "then": {"$ref": REF.format("Guide")},
            "else": {"$ref": REF.format("Steps")},
        },
        "$defs": {name: _open(one) for name, one in defs.items()},
    }


def _step(verb: str, kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {verb: {"$ref": REF.format(kind)}},
        "required": [verb],
        "additionalProperties": False,
    }


def _open(model: dict[str, Any]) -> dict[str, Any]:
    """Any value of a model may be a macro instead."""
    properties = {name: _or_macro(one) for name, one in model.get("properties", {}).items()}
    return model | ({"properties": properties} if properties else {})


def _or_macro(value: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: value[name] for name in ("default", "title", "description") if name in value}
    own = {name: one for name, one in value.items() if name not in told}
    return {**told, "anyOf": [own, {"type": "string", "pattern": r"^@\w[\w-]*$"}]} if own else value
