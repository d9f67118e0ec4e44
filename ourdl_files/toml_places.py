"""Where the parts of a TOML text stand. The standard library decides what a text means; this only looks where it stands."""

from __future__ import annotations

import re
import tomllib

from ourdl_core.problems import Path
from ourdl_files.places import Place, Places
from ourdl_files.scanning import Offsets, Open, Part, Scanner, StopError
from ourdl_files.spelling import MAX_DEPTH

# Nothing in these goes back, so their time is linear. A text ends at its last quote: there may be two more in it.
_TEXT = (
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}'''
    r"""|'''(?:[^']++|'(?!''))*+'{3,5}"""
    r'''|"(?!"")(?:[^"\\\n]++|\\[^\n])*+"'''
    r"""|'(?!'')[^'\n]*+'"""
)
_SCALAR = r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]++|[^\s,\[\]{}#\"'=]++"
_KEY = re.compile(rf"[A-Za-z0-9_-]++|{_TEXT}", re.DOTALL)
_BLANK = re.compile(r"[ \t]*+")


def toml_places(text: str) -> Places:
    """The place of every entry of a TOML text, as far as it can be understood."""
    return TomlScanner(text).scan().places


class TomlScanner(Scanner):
    """``parts`` are those of the last key of a header or of an entry outside of braces."""

    space = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
    scalar = re.compile(f"{_TEXT}|{_SCALAR}", re.DOTALL)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.defined: set[Path] = set()  # by a value or by a header of their own
        self.lists: dict[Path, int] = {}  # arrays of tables: the number of the last
        self.parts: list[Part] = []

    def _read(self) -> None:
        prefix: Path = ()
        while True:
            self._skip(self.space)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                prefix = self._header()
            else:
                self._value(*self._named(prefix, None))

    def _key(self) -> list[tuple[str, Offsets]]:
        """The parts of a dotted key, each with its span."""
        parts: list[tuple[str, Offsets]] = []
        while len(parts) < MAX_DEPTH:
            self._skip(_BLANK)
            found = _KEY.match(self.text, self.at)
            if found is None:
                raise StopError
            parts.append((_unquoted(found[0]), found.span()))
            self.at = found.end()
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1
        raise StopError

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; the path that it opens."""
        start = self.at
        bracket = "[[" if self.text.startswith("[[", start) else "["
        self.at += len(bracket)
        self.parts = []
        path, span = self._path((), self.parts)
        self._take("]" * len(bracket))
        here = (start, self.at)
        if bracket == "[":
            self._define(path, Place(here, span))
            return path
        self.lists[path] = number = self.lists.get(path, -1) + 1
        self.places.setdefault(path, Place(here, span))
        self._define((*path, number), Place(here))
        return (*path, number)

    def _named(self, path: Path, top: Open | None) -> tuple[Path, Offsets]:
        """``a.b =``."""
        parts: list[Part] = []
        if top is None:
            self.parts = parts
        else:
            top.parts = parts
        named = self._path(path, parts)
        self._take("=")
        return named

    def _path(self, path: Path, parts: list[Part]) -> tuple[Path, Offsets]:
        """Read a key within ``path``. Outer parts are tables by being mentioned; of a list the last item is meant."""
        *outer, (last, last_span) = self._key()
        for name, span in outer:
            path = (*path, name)
            parts.append((path, span, self.places.get(path)))
            self.places.setdefault(path, Place(span, span))
            if path in self.lists:
                path = (*path, self.lists[path])
        path = (*path, last)
        parts.append((path, last_span, self.places.get(path)))
        return path, last_span

    def _define(self, path: Path, place: Place) -> None:
        """The first place that is meant for the entry itself, not for something in it."""
        if path not in self.defined:
            self.defined.add(path)
            self.places.pop(path, None)
            super()._define(path, place)


def _unquoted(text: str) -> str:
    """What a key means as TOML reads it."""
    if text[0] not in "\"'":
        return text
    if "\\" not in text or text[0] == "'":
        return text[1:-1]
    try:
        return next(iter(tomllib.loads(f"{text} = 0")))
    except tomllib.TOMLDecodeError:
        return text[1:-1]
