"""Values in blocks: ``"$name"`` stands for an attribute, ``"$$name"`` for the text ``"$name"``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ourdl_core.problems import Path


def attribute_of(value: object) -> str | None:
    """The attribute that ``"$name"`` stands for; None for any other value."""
    named = isinstance(value, str) and value.startswith("$") and not value.startswith("$$")
    return str(value)[1:] if named else None


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts in a value, each with its path in there."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (list, Mapping)):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from texts(each, (*path, key if isinstance(key, int) else str(key)))


def attributes_in(value: Any) -> Iterator[str]:
    """The attributes that the texts in a value stand for."""
    for _, text in texts(value):
        word = attribute_of(text)
        if word is not None:
            yield word


def measure(value: Any) -> tuple[int, int]:
    """How many values there are in a value, itself included, and how many characters in its texts and keys."""
    if isinstance(value, str):
        return 1, len(value)
    if not isinstance(value, (list, Mapping)):
        return 1, 0
    inner = [measure(each) for each in (value.values() if isinstance(value, Mapping) else value)]
    keys = sum(len(key) for key in value if isinstance(key, str)) if isinstance(value, Mapping) else 0
    return 1 + sum(values for values, _ in inner), keys + sum(characters for _, characters in inner)


def unescaped(value: Any) -> Any:
    """A plain value whose texts with ``$$`` begin with one ``$``."""
    if isinstance(value, str):
        return value[1:] if value.startswith("$$") else value
    if isinstance(value, list):
        return [unescaped(each) for each in value]
    return {key: unescaped(each) for key, each in value.items()} if isinstance(value, Mapping) else value
