"""JSON Schema of what a model file may write: of an annotation, of an attribute, of all attributes of a record.

Only what draft 7 and 2020-12 have in common is used, since editors check against either.
"""

from __future__ import annotations

import inspect
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from ourdl_core.attributes import DTYPES, REQUIRED, DType, Field, Length, Named, Range, describe
from ourdl_core.record import Record
from ourdl_core.tables import plain

Schema = dict[str, Any]

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def schema_of(annotation: Any) -> Schema:
    """What a file may write where an attribute has this annotation; a plugin by name is in ``$defs``, under its noun."""
    origin = get_origin(annotation)
    if annotation is Any:
        return {}
    if origin is Annotated:
        return _of_annotated(annotation)
    if origin is Literal:
        return {"enum": list(get_args(annotation))}
    if origin in (typing.Union, types.UnionType):
        return _of_union([schema_of(choice) for choice in get_args(annotation)])
    if origin is tuple:
        return _of_tuple(get_args(annotation))
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(get_args(annotation)[1])}
    if annotation is DType:
        return {"enum": list(DTYPES)}
    if annotation in _PLAIN:
        return {"type": _PLAIN[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return record_schema(annotation)
    return {"not": {}}  # an object that only Python can make


def _of_annotated(annotation: Any) -> Schema:
    base, *extras = get_args(annotation)
    for extra in extras:
        if isinstance(extra, Named):
            return {"$ref": f"#/$defs/{extra.noun}"}
    schema = schema_of(base)
    for extra in extras:
        if isinstance(extra, Range):
            schema = _bounded(schema, _bounds(extra))
        elif isinstance(extra, Length):
            schema = {**schema, ("minProperties" if schema["type"] == "object" else "minItems"): extra.low}
    return schema


def _bounds(limits: Range) -> Schema:
    """The keywords of a Range; JSON has no number that is not finite."""
    low = "exclusiveMinimum" if limits.open_low else "minimum"
    high = "exclusiveMaximum" if limits.open_high else "maximum"
    found = {low: limits.low, high: limits.high}
    return {word: number for word, number in found.items() if number is not None and math.isfinite(number)}


def _bounded(schema: Schema, bounds: Schema) -> Schema:
    """A schema with bounds on its number, or on each number of its list."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_bounded(each, bounds) for each in schema["anyOf"]]}
    kinds = kinds_of(schema)
    found = {**schema, **bounds} if {"integer", "number"} & kinds else schema
    items = found.get("items", {})
    return {**found, "items": {**items, **bounds}} if {"integer", "number"} & kinds_of(items) else found


def kinds_of(schema: Schema) -> set[str]:
    """The types that a schema names."""
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _of_tuple(inner: tuple[Any, ...]) -> Schema:
    if len(inner) == 2 and inner[1] is Ellipsis:
        return {"type": "array", "items": schema_of(inner[0])}
    each = [schema_of(one) for one in inner]
    found: Schema = {"type": "array", "minItems": len(each), "maxItems": len(each)}
    if all(one == each[0] for one in each):
        return {**found, "items": each[0]} if each else found
    return {**found, "prefixItems": each, "items": {"anyOf": each}}  # draft 7 knows no prefixItems


def _of_union(choices: list[Schema]) -> Schema:
    """One schema of several types where it can be, since messages of ``anyOf`` say only that nothing fits."""
    if {"type": "number"} in choices:
        choices = [each for each in choices if each != {"type": "integer"}]
    kinds = [kind for each in choices for kind in ({"integer", "number"} & kinds_of(each) and {"number"}) or kinds_of(each)]
    if not all(kinds_of(each) and "anyOf" not in each for each in choices) or len(set(kinds)) < len(kinds):
        return {"anyOf": choices}
    if len(choices) == 1:
        return choices[0]
    merged: Schema = {"type": [kind for each in choices for kind in sorted(kinds_of(each))]}
    for each in choices:  # keywords speak of one type each
        merged.update({word: value for word, value in each.items() if word != "type"})
    return merged


# ---- attributes and records -----------------------------------------------------------------------------------------


def attribute_schema(field: Field, schema: Schema | None = None) -> Schema:
    """The schema of an attribute, described as ``ourdl show`` does. ``schema`` is that of its values, if not of its type."""
    found = schema_of(field.annotation) if schema is None else schema
    kind = "any value" if field.annotation is Any else describe(field.annotation)
    if field.default is REQUIRED:
        return {**found, "description": f"{kind}, required"}
    try:
        default = plain(field.default, field)
        shown = "none" if default is None else json.dumps(default, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError):  # a number that is not finite, an object
        return {**found, "description": f"{kind}, default {field.default}"}
    found = {**found, "description": f"{kind}, default {shown}"}
    return found if default is None else {**found, "default": default}  # TOML has no null, and Taplo fails at one


def record_schema(cls: type[Record]) -> Schema:
    """The schema of the table by which a file describes a record."""
    fields = cls.fields()
    return {
        "type": "object",
        "description": paragraph(cls),
        "properties": {name: attribute_schema(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.default is REQUIRED],
        "additionalProperties": False,
    }


def plugins_in(annotation: Any) -> Iterator[Named]:
    """The plugins by name that an attribute may be."""
    if isinstance(annotation, Named):
        yield annotation
    if isinstance(annotation, type) and issubclass(annotation, Record):
        for field in annotation.fields().values():
            yield from plugins_in(field.annotation)
    for part in get_args(annotation):
        yield from plugins_in(part)


def paragraph(thing: Any) -> str:
    """The first paragraph of a docstring, as Markdown."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")
