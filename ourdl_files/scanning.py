"""Where the values of a text with brackets stand: what TOML and JSON have in common.

It reads a text that a parser has read already, so it is not strict; it stops at what it does not understand.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import ClassVar, Self

from ourdl_core.problems import Path
from ourdl_files.places import Place, Places
from ourdl_files.spelling import MAX_DEPTH, MAX_VALUES

Offsets = tuple[int, int]
Part = tuple[Path, Offsets, Place | None]  # of a key: its path, where it stands, where the same path stood before

_Following = tuple[Path, Offsets | None] | None
CURLY = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb`"  # quotes of word processors, which no format knows
_CLOSING = {"[": "]", "{": "}"}


class StopError(Exception):
    """Something that is not understood, or more than a model file may hold."""


class Open:
    """A list or a table in braces that is not closed yet; of a table the last key that was read, and where each name is."""

    def __init__(self, path: Path, key: Offsets | None, start: int, bracket: str) -> None:
        self.path, self.key, self.start, self.bracket = path, key, start, bracket
        self.noun = "list" if bracket == "[" else "table"
        self.closing = _CLOSING[bracket]
        self.count = 0  # of items of a list
        self.parts: list[Part] = []
        self.names: dict[str, int] = {}


class Scanner:
    """Reads values from ``at`` on. A text may nest them without end: what is open is kept in a list, not by recursion."""

    space: ClassVar[re.Pattern[str]]
    scalar: ClassVar[re.Pattern[str]]

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: Places = {(): Place((0, len(text)))}
        self.open: list[Open] = []

    def scan(self) -> Self:
        """Read the text as far as it can be understood."""
        with suppress(StopError):
            self._read()
        return self

    def _read(self) -> None:
        raise NotImplementedError

    def _named(self, path: Path, top: Open | None) -> tuple[Path, Offsets]:
        """Read a key and what follows it; the path that it names within ``path``, and where its last part stands."""
        raise NotImplementedError

    def _define(self, path: Path, place: Place) -> None:
        if len(self.places) > MAX_VALUES:
            self.open.clear()
            raise StopError
        if path:
            self.places.setdefault(path, place)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self.at = pattern.match(self.text, self.at).end()  # type: ignore[union-attr]

    def _take(self, token: str) -> None:
        if not self.text.startswith(token, self.at):
            raise StopError
        self.at += len(token)

    def _value(self, path: Path, key: Offsets | None) -> None:
        """One value with all that is in it."""
        while True:
            self._skip(self.space)
            following = self._one(path, key)
            while following is None:
                if not self.open:
                    return
                following = self._after(self.open[-1])
            path, key = following

    def _one(self, path: Path, key: Offsets | None) -> _Following:
        """A value without parts, or the beginning of a list or table; what follows in it, None where it is complete."""
        start = self.at
        found = self.scalar.match(self.text, start)
        if found is not None:
            self.at = found.end()
            self._define(path, Place((start, self.at), key))
            return None
        if not self.text.startswith(("[", "{"), start):
            raise StopError
        if len(path) > MAX_DEPTH or len(self.open) > MAX_DEPTH:
            self.open.clear()
            raise StopError
        self.at += 1
        self.open.append(Open(path, key, start, self.text[start]))
        return self._item(self.open[-1])

    def _item(self, top: Open) -> _Following:
        """The next item of a list, the next entry of a table; None where it ends."""
        self._skip(self.space)
        if self.text.startswith(top.closing, self.at):
            self.at += 1
            self.open.pop()
            self._define(top.path, Place((top.start, self.at), top.key))
            return None
        if top.bracket == "{":
            return self._named(top.path, top)
        top.count += 1
        return (*top.path, top.count - 1), None

    def _after(self, top: Open) -> _Following:
        """What follows a value in a list or table."""
        self._skip(self.space)
        if not self.text.startswith(top.closing, self.at):
            self._take(",")
        return self._item(top)
