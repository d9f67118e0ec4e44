"""JSON Schema of the rows of a model file that are no nodes: inputs, parameters, constants, functions, blocks."""

from __future__ import annotations

from typing import Any

from ourdl_core.attributes import DType
from ourdl_core.initializers import InitializerName
from ourdl_core.rows import KINDS
from ourdl_core.schemas import Schema, schema_of
from ourdl_files.block_definitions import RESERVED
from ourdl_files.schema_values import ATTRIBUTE, IN_BLOCK

TEXT: Schema = {"type": "string"}
DTYPE: Schema = {**schema_of(DType), "description": "The dtype, as `float32`."}
INITIALIZER: Schema = {**schema_of(InitializerName), "description": "How the first value is drawn."}
SIZE: Schema = {"type": "integer", "minimum": 0}
# Letters and digits of every script, '_', '-' and '.'; said by what of ASCII is not allowed, since \w differs.
NAMES: Schema = {
    "pattern": "^[^\\x00-\\x2c\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x7f]+$",
    "patternErrorMessage": "A name is made of letters, digits, '_', '-' and '.'.",
}


def table(text: str, each: Schema, **more: Any) -> Schema:
    """A section of named entries."""
    return {"type": "object", "description": text, "propertyNames": NAMES, "additionalProperties": each, **more}


def row_definitions() -> dict[str, Schema]:
    """The rows that have a form for blocks too."""
    shape = {
        "type": "array",
        "items": {"type": ["integer", "string"], "minimum": 0},
        "description": 'The sizes: numbers, or a word such as "batch" for one that varies.',
    }
    given: Schema = {"shape": shape, "dtype": DTYPE}
    value = {"description": "The first value: a number, or lists of numbers."}
    return {
        "numbers": {"type": ["number", "boolean", "array"], "items": {"$ref": "#/$defs/numbers"}},
        "input": _row("An input of the model.", given),
        "parameter": _row(
            "A value that no op makes.",
            {
                **given,
                "init": INITIALIZER,
                "value": {"anyOf": [{"$ref": "#/$defs/numbers"}, {"type": "null"}], **value},
                "kind": {"enum": list(KINDS), "description": "What it is: trained, a state, or a key."},
            },
        ),
        "constant": _row(
            "A value that does not change.",
            {
                "value": {"$ref": "#/$defs/numbers", "description": "A number, or lists of numbers."},
                "dtype": DTYPE,
                "shape": {"type": "array", "items": SIZE, "description": "The sizes, if they are not those of the lists."},
            },
            "value",
        ),
    }


def _row(text: str, properties: Schema, *required: str) -> Schema:
    found = {"type": "object", "description": text, "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def function_schema() -> Schema:
    """A function, in which no block can be used."""
    inputs = {"type": "object", "additionalProperties": {"$ref": "#/$defs/input"}}
    outputs = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/parent"}, "description": "Names of its nodes."}
    nodes = {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}}
    properties = {"inputs": inputs, "nodes": nodes, "outputs": outputs}
    return _row("A function that ops take as an attribute.", properties, "outputs")


def block_schema() -> Schema:
    """A block: what it is given, its nodes, and which of them it gives."""
    names: Schema = {"type": "array", "uniqueItems": True, "items": TEXT}
    free: Schema = {"not": {"enum": list(RESERVED)}}
    properties = {
        "inputs": {**names, "description": "Names for what `in` gives where the block is used."},
        "attributes": {
            **names,
            "items": {**TEXT, **free},
            "description": 'What must be given where the block is used; `"$name"` stands for it in the block.',
        },
        "defaults": {
            "type": "object",
            "propertyNames": free,
            "description": "Attributes that may be given, with their defaults.",
        },
        "outputs": {
            "type": ["string", "array"],
            "minItems": 1,
            "items": TEXT,
            "description": "What the block gives: one of its nodes, or a list of them.",
        },
        "nodes": table("What a copy of the block computes.", {"$ref": f"#/$defs/node-or-block{IN_BLOCK}"}, minProperties=1),
        "parameters": table("Trained values, of each copy its own.", {"$ref": f"#/$defs/parameter{IN_BLOCK}"}),
        "constants": table("Values that do not change.", {"$ref": f"#/$defs/constant{IN_BLOCK}"}),
    }
    return _row("Nodes that are written once and used several times.", properties, "nodes", "outputs")


def use_schema(inside: bool) -> Schema:
    """A node that uses a block: its further keys are the attributes of the block, which only the file knows."""
    text = "How many copies, each given what the one before it gives."
    count: Schema = {"type": "integer", "minimum": 1, "description": text}
    return {
        "properties": {
            "block": {**TEXT, "description": "The name of a block in this file."},
            "in": {"$ref": "#/$defs/in"},
            "repeat": {**count, "type": ["integer", "string"], "pattern": ATTRIBUTE["pattern"]} if inside else count,
        },
        "required": ["block"],
    }
