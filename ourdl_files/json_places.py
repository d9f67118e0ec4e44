"""Where the parts of a JSON text stand, and in plain words what is wrong with a text that is no JSON.

The standard library decides what a text means. This only looks where it stands, and stops at what it does not understand.
"""

from __future__ import annotations

import json
import re

from ourdl_core.problems import Path
from ourdl_files.places import Places, line_and_column
from ourdl_files.scanning import CURLY, Offsets, Open, Scanner, StopError

_SPACE = re.compile(r"[ \t\r\n]*+")
_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rf'{_TEXT.pattern}|[^\s,\[\]{{}}:"]++', re.DOTALL)
_WORD = re.compile(r"[^\s,\[\]{}:\"']*+")
_TRAILING = "JSON allows no comma after the last entry"


def json_places(text: str) -> Places:
    """The place of every entry of a JSON text, as far as it can be understood."""
    return _JsonScanner(text).scan().places


def duplicate_key(text: str) -> tuple[int, str]:
    """The first key that a table has twice: where, and that it is so."""
    twice = _JsonScanner(text).scan().twice
    if twice is None:
        return 0, "a key is given twice"
    name, first, second = twice
    return second, f"the key '{name}' is given twice (first in line {line_and_column(text, first)[0]})"


class _JsonScanner(Scanner):
    """``twice`` is the first key that is given again: its name, where it stands first, and where again."""

    space = _SPACE
    scalar = _SCALAR

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: tuple[str, int, int] | None = None

    def _read(self) -> None:
        self._value((), None)

    def _named(self, path: Path, top: Open | None) -> tuple[Path, Offsets]:
        """``"a":``."""
        found = _TEXT.match(self.text, self.at)
        if found is None or top is None:
            raise StopError
        name = _unquoted(found[0])
        first = top.names.setdefault(name, self.at)
        if first != self.at and self.twice is None:
            self.twice = (name, first, self.at)
        self.at = found.end()
        self._skip(self.space)
        self._take(":")
        return (*path, name), found.span()


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text[1:-1]
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def json_error(text: str, error: json.JSONDecodeError) -> tuple[int, str]:
    """Where a text is no JSON, and what to do about it; a message that is not known is told as it is."""
    at, message = min(error.pos, len(text)), error.msg
    rest = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if message.startswith("Unterminated string"):
        return at, "this text has no closing quote"
    if message.startswith("Invalid control character"):
        return at, "a text cannot hold a line end or another control character: write it as an escape, \\n"
    if message.startswith("Invalid"):
        return at, "this escape is none of JSON: a backslash is written \\\\"
    if rest >= len(text):
        return _ended(text)
    if text.startswith(("//", "/*", "#"), rest):
        return rest, "JSON has no comments: write the model as TOML to have them"
    if message == "Extra data":
        return rest, "the file should end here: a model file is one table"
    return _unexpected(text, at, rest, message)


def _unexpected(text: str, at: int, rest: int, message: str) -> tuple[int, str]:
    """Something else than what must come next."""
    word = _WORD.match(text, rest)[0]  # type: ignore[index]
    comma = max(0, len(text[:rest].rstrip()) - 1)
    if text[rest] in "]}" and text.startswith(",", comma):
        return comma, _TRAILING
    if "trailing comma" in message:
        return at, _TRAILING
    if text[rest] in "'" + CURLY:
        return rest, 'JSON writes text and keys in double quotes: "..."'
    if message.startswith("Expecting property name"):
        return rest, f'a key stands in double quotes: "{word[:40]}"' if word else "a key in double quotes is missing here"
    if message.startswith("Expecting ':'"):
        return rest, "expected : after the key"
    if message.startswith("Expecting ','"):
        return _parted(text, rest)
    if message.startswith("Expecting value"):
        return rest, _wrong_value(word)
    return at, message


def _parted(text: str, rest: int) -> tuple[int, str]:
    """What follows a value is neither a comma nor the end of what it is in."""
    before = text[rest - 1 : rest]
    if before == '"' and text[rest].isalnum():
        return rest - 1, 'the text ends here: a quote in a text is written \\"'
    if before.isdigit() and not text[rest].isspace() and text[rest] not in '"[]{}:':
        return rest, "this is no number as JSON writes it: digits on both sides of the point, no 0 in front"
    if text[rest] in "]}":
        return rest, f"a {'table ends with }' if text[rest] == ']' else 'list ends with ]'}, not with {text[rest]}"
    return rest, "a comma is missing before this"


def _wrong_value(word: str) -> str:
    if word.lower() in ("true", "false", "none", "null"):
        return "JSON writes true, false and null, in small letters"
    if word[:1] in ("+", "-", ".") or word[:1].isdigit():
        return "this is no number as JSON writes it: digits on both sides of the point, no + and no 0 in front"
    return f'a text needs quotes: write "{word[:40]}"' if word else "a value is missing here"


def _ended(text: str) -> tuple[int, str]:
    """A file that ends too early: what is still open."""
    opened = _JsonScanner(text).scan().open
    if not opened:
        return len(text), "the file ends where a value is expected"
    return opened[-1].start, f"this {opened[-1].noun} is not closed: the file ends before its {opened[-1].closing}"
