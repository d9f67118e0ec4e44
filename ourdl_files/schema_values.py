"""JSON Schema of values inside of blocks, each of which may be an attribute of the block, ``"$name"``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ourdl_core.schemas import Schema, kinds_of

ATTRIBUTE = {"type": "string", "pattern": "^\\$[^$]"}
IN_BLOCK = "-in-block"
_NOTES = ("description", "default", "enumDescriptions")


def in_block(schema: Schema, own: Collection[str]) -> Schema:
    """A schema of values that also allows ``"$name"``, here and in its parts.

    ``own`` are the words in ``$defs`` that have a form for blocks.
    """
    if "$ref" in schema:
        word = schema["$ref"].rpartition("/")[2]
        return {**schema, "$ref": f"{schema['$ref']}{IN_BLOCK}"} if word in own else schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*(in_block(each, own) for each in schema["anyOf"]), ATTRIBUTE]}
    found = {**schema, **_parts(schema, own)}
    kinds = kinds_of(schema)
    if "enum" in schema or "not" in schema:
        notes = {word: schema[word] for word in _NOTES if word in schema}
        return {**notes, "anyOf": [{word: each for word, each in schema.items() if word not in notes}, ATTRIBUTE]}
    if not kinds or "string" in kinds:
        return found
    return {**found, "type": [*sorted(kinds), "string"], "pattern": ATTRIBUTE["pattern"]}


def _parts(schema: Schema, own: Collection[str]) -> Schema:
    found: Schema = {}
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            found[word] = in_block(schema[word], own)
    if "prefixItems" in schema:
        found["prefixItems"] = [in_block(each, own) for each in schema["prefixItems"]]
    if "properties" in schema:
        found["properties"] = values_in_block(schema["properties"], own)
    return found


def values_in_block(properties: dict[str, Any], own: Collection[str]) -> dict[str, Any]:
    """The values of a table, each as it may be inside of a block."""
    return {key: in_block(each, own) for key, each in properties.items()}
