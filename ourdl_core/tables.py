"""Records as plain data: the table of attributes by which a model file describes an op, an initializer, an optimizer."""

from __future__ import annotations

from typing import Any

from ourdl_core.attributes import REQUIRED, Field
from ourdl_core.record import Record, exact


def table_of(record: Record, defaults: bool = False) -> dict[str, Any]:
    """The attributes of a record as plain data: those that differ from their defaults, or all of them."""
    fields = type(record).fields()
    return {
        name: plain(value, fields[name], defaults)
        for name, value in record.attributes().items()
        if defaults or is_changed(value, fields[name])
    }


def is_changed(value: Any, field: Field) -> bool:
    """Whether the attribute has another value than its default."""
    return field.default is REQUIRED or exact(value) != exact(field.convert(field.default, ""))


def plain(value: Any, field: Field, defaults: bool = False) -> Any:
    """The value of an attribute as a model file writes it; a plugin by its full id, with its own attributes."""
    if isinstance(value, Record):
        return table_of(value, defaults) if field.named is None else _plugin(value, field.named.registry, defaults)
    if field.item is not None and any(isinstance(each, Record) for each in value):
        return [plain(each, field.item, defaults) for each in value]
    try:
        return _unfrozen(value, field.holds_table)
    except TypeError as error:
        raise ValueError(f"attribute '{field.name}' is {error}: a file holds numbers, text, lists and tables") from None


def _plugin(record: Record, registry: Any, defaults: bool) -> Any:
    identity = registry.id_of(type(record))
    if identity is None:
        raise ValueError(f"{record!r:.80} has no name: publish its class as an entry point of {registry.group}")
    attributes = table_of(record, defaults)
    return {"name": identity, **attributes} if attributes else identity


def _unfrozen(value: Any, free: bool) -> Any:
    """Tuples as lists; where they may be tables (``free``), tuples of pairs as tables."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if not isinstance(value, tuple):
        raise TypeError(f"{value!r:.80}")
    pairs = [each for each in value if isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str)]
    if free and pairs and len({key for key, _ in pairs}) == len(value):
        return {key: _unfrozen(each, free) for key, each in pairs}
    return [_unfrozen(each, free) for each in value]
