"""A tree as TOML, as a person would write it: sections, one line an entry, the equals signs below one another."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ourdl_core.problems import Path
from ourdl_core.visible import visible
from ourdl_files.plain import check_plain, unicode_escape

WIDTH = 110  # columns; a list that is longer is wrapped
_INDENT = "    "
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MOST_ALIGNED = 24  # columns: one long name does not push all others to the right

Comments = Mapping[Path, str]


def toml_text(tree: Mapping[str, Any], opened: Sequence[str] = (), comments: Comments | None = None) -> str:
    """The text of a tree; the standard library reads it back to the same tree.

    The entries of the sections ``opened`` are tables of sections, with headers of their own. ``comments`` stand at the end
    of the line of the entry with that path, or above it where they do not fit.
    """
    check_plain(tree, ".toml")
    writer = _Writer(comments or {})
    loose = {key: value for key, value in tree.items() if not isinstance(value, Mapping)}
    writer.entries((), loose)
    for key, value in tree.items():
        if isinstance(value, Mapping):
            writer.section((key,), value, key in opened)
    return "\n".join(writer.lines).strip("\n") + "\n"


class _Writer:
    def __init__(self, comments: Comments) -> None:
        self.comments = comments
        self.lines: list[str] = []

    def section(self, path: Path, table: Mapping[str, Any], opened: bool) -> None:
        """``[name]`` and its entries; of one that is opened a header for each table in it."""
        inner = {key: value for key, value in table.items() if opened and isinstance(value, Mapping)}
        if not inner or len(inner) < len(table):
            self.lines += ["", *self._noted(path, f"[{'.'.join(toml_key(str(part)) for part in path)}]")]
            self.entries(path, {key: value for key, value in table.items() if key not in inner})
        for key, value in inner.items():
            self.section((*path, key), value, len(path) == 1)

    def entries(self, path: Path, table: Mapping[str, Any]) -> None:
        """One entry a line; rows of tables have their equals signs below one another."""
        keys = {key: toml_key(key) for key in table}
        rows = all(isinstance(value, Mapping) for value in table.values())
        fitting = [len(key) for key in keys.values() if len(key) <= _MOST_ALIGNED]
        width = max(fitting, default=0) if rows else 0
        for key, value in table.items():
            start = f"{keys[key].ljust(width)} = "
            self.lines += self._noted((*path, key), start + _value(value, len(start), ""))

    def _noted(self, path: Path, line: str) -> list[str]:
        """The line of an entry, with its comment."""
        if path not in self.comments:
            return [line]
        comment = _comment(self.comments[path])
        if len(line.rpartition("\n")[2]) + len(comment) + 4 <= WIDTH:
            return [f"{line}  # {comment}"]
        above = textwrap.fill(comment, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)
        return [above, line]


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    return visible(json.dumps(text, ensure_ascii=False), unicode_escape)


def _comment(text: str) -> str:
    """Text for a comment, which ends with its line and holds no control characters."""
    return visible(" ".join(text.split()), unicode_escape)


def _value(value: Any, column: int, indent: str) -> str:
    """A value that begins at ``column`` of a line: a list that does not fit is wrapped, a table cannot be."""
    short = toml_value(value)
    if column + len(short) <= WIDTH:
        return short
    if isinstance(value, (list, tuple)):
        return _wrapped(value, indent)
    if isinstance(value, Mapping):
        return _long_table(value, column, indent)
    return short


def toml_value(value: Any) -> str:
    """A value on one line, as it stands after an equals sign."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return (
            f"{{ {', '.join(f'{toml_key(key)} = {toml_value(each)}' for key, each in value.items())} }}" if value else "{}"
        )
    return f"[{', '.join(map(toml_value, value))}]"


def _wrapped(items: Sequence[Any], indent: str) -> str:
    """A list over several lines: numbers and words as many as fit, lists and tables one a line."""
    inner = indent + _INDENT
    if any(isinstance(each, (list, tuple, Mapping)) for each in items):
        lines = [f"{_value(each, len(inner), inner)}," for each in items]
    else:
        lines = list(_filled([f"{toml_value(each)}," for each in items], WIDTH - len(inner)))
    return "\n".join(["[", *(inner + line for line in lines), f"{indent}]"])


def _filled(words: Iterable[str], width: int) -> Iterable[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _long_table(table: Mapping[str, Any], column: int, indent: str) -> str:
    """A table on one line, as TOML wants it, whose lists may go over several."""
    parts: list[str] = []
    for key, value in table.items():
        start = f"{toml_key(key)} = "
        parts.append(start + _value(value, column + len(start) + 2, indent))
        last = parts[-1].rpartition("\n")[2]
        column = len(last) if "\n" in parts[-1] else column + len(last) + 2
    return f"{{ {', '.join(parts)} }}"
