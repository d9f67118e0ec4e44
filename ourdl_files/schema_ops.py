"""JSON Schema of one op: its attributes, its inputs by place and by name."""

from __future__ import annotations

from typing import Any

from ourdl_core import Composite, Function
from ourdl_core.attributes import REQUIRED
from ourdl_core.schemas import Schema, attribute_schema, paragraph

PARENT = {"$ref": "#/$defs/parent"}
FUNCTION = {"type": "string", "minLength": 1}


def definitions() -> dict[str, Schema]:
    """What the schemas of nodes refer to, whatever is installed."""
    text = "The name of an input, a parameter, a constant or a node, as `h`, `h.weight` or `parts[1]`; or a number."
    made = f"{text} `false` leaves it out."
    return {
        "parent": {"type": ["string", "number", "boolean"], "description": text},
        "parent-or-none": {"type": ["string", "number", "boolean", "null"], "description": made},
        "in": {
            "type": ["string", "number", "boolean", "array"],
            "items": PARENT,
            "description": "The parents of the node: one by its name, several as a list, by position.",
        },
    }


# ---- one op ---------------------------------------------------------------------------------------------------------


def op_schema(op: Any) -> Schema:
    """What a node of this op may say."""
    slots = [slot for slot in op.slots() if slot.kind != "variadic"]
    fields = op.fields()
    found: Schema = {
        "description": paragraph(op),
        "properties": {
            "op": {"description": paragraph(op)},
            "in": {"$ref": "#/$defs/in"},
            **{slot.name: _slot(slot) for slot in slots},
            **{name: field_schema(field) for name, field in fields.items()},
        },
        "additionalProperties": False,
    }
    required = [name for name, field in fields.items() if field.default is REQUIRED]
    if required:
        found["required"] = required
    if issubclass(op, Composite):  # what its own ops make: "dense_1.weight"
        found["patternProperties"] = {"\\.": PARENT}
    rules = _rules(op)
    return {**found, "allOf": rules} if rules else found


def field_schema(field: Any) -> Schema:
    """The schema of an attribute in a file, where a function is meant by its name."""
    if field.annotation is Function:
        return {**FUNCTION, "description": "the name of one of the functions, required"}
    return attribute_schema(field)


def _slot(slot: Any) -> Schema:
    kinds = {"required": "input, required", "optional": "input, may be left out"}
    text = kinds.get(slot.kind) or f"{slot.made.kind}, made if not given"
    return {"$ref": f"#/$defs/parent{'' if slot.kind == 'required' else '-or-none'}", "description": text}


def _rules(op: Any) -> list[Schema]:
    """How many parents ``in`` may list: a required one must be there or have its name given, and none is given twice."""
    slots = op.slots()
    required = [slot.name for slot in slots if slot.kind == "required"]
    named = [(place, slot) for place, slot in enumerate(slots) if slot.kind != "variadic"]
    rules = []
    if len(named) == len(slots):
        rules.append(_at_most(len(slots)))
    if required:
        by_name = [{"required": [name]} for name in required]
        each = [{"if": {"required": [name]}, "else": _at_least(place + 1)} for place, name in enumerate(required)]
        rules.append({"if": {"anyOf": by_name}, "then": {"allOf": each}, "else": _at_least(len(required))})
    rules.extend({"if": {"required": [slot.name]}, "then": _at_most(place)} for place, slot in named)
    return rules


def _at_least(count: int) -> Schema:
    """``in`` with so many parents: a single one need not be a list."""
    several: Schema = {"type": "array"} if count > 1 else {}
    return {"required": ["in"], "properties": {"in": {**several, "minItems": count}}}


def _at_most(count: int) -> Schema:
    none: Schema = {} if count else {"type": "array"}
    return {"properties": {"in": {**none, "maxItems": count}}}
