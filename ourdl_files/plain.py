"""Plain data: what a model file can hold, and when two trees hold the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from ourdl_core.problems import Path, path_text


def same(first: Any, second: Any) -> bool:
    """Whether two trees hold the same: 1, 1.0 and true differ, and so do 0.0 and -0.0; nan is itself."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if type(first) is float and type(second) is float:
        return first.hex() == second.hex()
    return type(first) is type(second) and bool(first == second)


def values_of(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a tree that is no table and no list, in order, and every key as a value at its own path."""
    if isinstance(tree, Mapping):
        for key, each in tree.items():
            if not isinstance(key, str):
                raise TypeError(f"{path_text(path)}: a key is text, found {type(key).__name__} {key!r:.60}")
            yield (*path, key), key
            yield from values_of(each, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for place, each in enumerate(tree):
            yield from values_of(each, (*path, place))
    else:
        yield path, tree


def check_plain(tree: Any, ending: str) -> None:
    """ValueError that names the first value which a file of this kind cannot hold."""
    for path, value in values_of(tree):
        message = _refusal(value, ending)
        if message:
            raise ValueError(f"{path_text(path)}: {message}")


def _refusal(value: Any, ending: str) -> str | None:
    if value is None:
        return "TOML has no value for None: leave it out, or save as JSON" if ending == ".toml" else None
    if type(value) is int and ending == ".toml" and not -(2**63) <= value < 2**63:
        return f"{value} needs more than 64 bits, which TOML does not promise: save as JSON"
    if type(value) is float and ending == ".json" and (value != value or value in (float("inf"), float("-inf"))):
        return f"JSON has no {value}: save as TOML, which has inf and nan"
    if type(value) is str and any(unicodedata.category(c) == "Cs" for c in value if c >= "\ud800"):
        return f"{value!r:.60} holds half a character (a lone surrogate), which no text file can hold"
    if type(value) not in (bool, int, float, str):
        return f"{value!r:.60} is no plain data ({type(value).__name__}): a file holds numbers, text, lists and tables"
    return None


def unicode_escape(character: str) -> str:
    """A character as TOML and YAML both escape it."""
    code = ord(character)
    return f"\\u{code:04X}" if code < 2**16 else f"\\U{code:08X}"
