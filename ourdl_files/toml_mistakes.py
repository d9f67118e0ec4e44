"""What is wrong with a text that is no TOML, where, and what to do about it, in plain words."""

from __future__ import annotations

import re
import tomllib

from ourdl_files.places import line_and_column
from ourdl_files.scanning import CURLY, Open
from ourdl_files.toml_places import TomlScanner

_Found = tuple[int, str] | None

_LOST = re.compile(r"[ \t]*(?:\[{1,2}[ \t]*[A-Za-z_][^\n,\"']*\][ \t]*(?:#[^\n]*)?$|[A-Za-z0-9_.-]+[ \t]*=)", re.MULTILINE)
_WORDS = re.compile(r"[^,\[\]{}#\n\"'=]*+")
_TOKEN = re.compile(r"[^\s,\[\]{}#\"'=]++")
_COLON = "TOML writes = where YAML and JSON write :"
_ONE_LINE = "a table in braces stands in one line"
_NO_QUOTE = "this text has no closing quote"


def toml_error(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """Where a text is no TOML, and what to do about it; a message that is not known is told as it is."""
    message, at = _reported(text, str(error))
    before = TomlScanner(text[:at]).scan()  # the parser understood all of it
    for rule in (_taken, _no_quote, _quote_within, _not_closed, _between, _value, _key, _line, _text):
        found = rule(text, at, message, before)
        if found is not None:
            return found
    return at, message


def _reported(text: str, message: str) -> tuple[str, int]:
    """The message of the parser, and the offset that it tells as a line and a column."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if found is None:
        return message, 0
    if found[2] is None:
        return found[1], len(text)
    at = 0
    for _ in range(int(found[2]) - 1):
        at = text.find("\n", at) + 1
    return found[1], min(at + int(found[3]) - 1, len(text))


def _taken(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """A name that stands for something else already: the innermost of the key that is there."""
    if not message.startswith(("Cannot ", "Duplicate ")):
        return None
    parts = before.open[-1].parts if before.open else before.parts
    there = [each for each in parts if each[2] is not None]
    if not there:
        return None
    path, span, place = there[-1]
    line, _ = line_and_column(text, (place.key or place.value)[0])  # type: ignore[union-attr]
    if there[-1] is parts[-1]:
        return span[0], f"the key '{path[-1]}' is given twice (first in line {line})"
    if message.startswith("Cannot redefine"):
        return span[0], f"'{path[-1]}' has a header of its own in line {line}: write this entry below it"
    inner = parts[len(there)][0][-1]
    if text.startswith("{", place.value[0]):  # type: ignore[union-attr]
        return span[0], f"'{path[-1]}' is closed in line {line}: write '{inner}' between its braces"
    return span[0], f"'{path[-1]}' in line {line} is not a table: there is no '{inner}' in it"


def _no_quote(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """Only a line end, or the end of the file, ends a text that has no quote."""
    if not message.startswith(("Unterminated", "Illegal", "Found", "Expected \"'")):
        return None
    if at < len(text) and text[at] != "\n":
        return at, f"the character {text[at]!r} cannot stand here: take it away, or in double quotes write it as an escape"
    begun = before.at < len(text) and text[before.at] in "\"'"
    return (before.at if begun else at), _NO_QUOTE


def _quote_within(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """A word directly after a quote: a quote that was meant as part of the text."""
    ended = at > 0 and text[at - 1] in "\"'" and text[at : at + 1].isalnum()
    if not ended or not message.startswith(("Expected newline", "Unclosed", "Expected '='")):
        return None
    quote, other = ("double", "single") if text[at - 1] == '"' else ("single", "double")
    return at - 1, f"the text ends here: put a text with {quote} quotes in it between {other} quotes"


def _not_closed(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """A list that goes on over what was meant as the next entry or header, or to the end of the file."""
    line = text.rfind("\n", 0, at) + 1
    if at >= len(text):
        return (before.open[-1].start, _ended(before.open[-1])) if before.open else None
    lists = [each for each in before.open if each.start < line]
    if lists and lists[-1].bracket == "[" and _LOST.match(text, line):
        return lists[-1].start, f"this list is not closed: write ] before line {line_and_column(text, at)[0]}"
    return None


def _ended(top: Open) -> str:
    return f"this {top.noun} is not closed: the file ends before its {top.closing}"


def _between(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """What is wrong after a value in a list or in a table in braces."""
    if not message.startswith("Unclosed") or not before.open:
        return None
    top, here = before.open[-1], text[at]
    line, column = line_and_column(text, top.start)
    opened = f"the {top.noun} that begins in line {line}, column {column}"
    if here in "]})":
        return at, f"{opened} ends with {top.closing}, not with {here}"
    if here in "\n#" and top.bracket == "{":
        return top.start, f"this table is not closed: {_ONE_LINE}, and ends with }}"
    if here == ":":
        return at, "a list holds values only: for keys write { key = value }"
    wrong = _number(text, at)
    return wrong or (at, f"a comma is missing before this, in {opened}")


def _number(text: str, at: int) -> _Found:
    """A value that goes on where the parser saw the end of a number, a date, true or false."""
    start = max(text.rfind(each, 0, at) for each in " \t\n,[{=") + 1
    if start == at or not (found := _TOKEN.match(text, start)) or found.end() <= at:
        return None
    word = found[0][:40]
    if word[0].isalpha():
        return start, f'a text needs quotes: write "{word}"'
    if re.match(r"\d{4}-\d\d|\d\d:", word):
        return start, "there is no such date or time"
    if re.match(r"[+-]?0\d", word):
        return start, f"{word}: a number has no 0 in front"
    return start, f'{word} is no number: write digits on both sides of the point, or "{word}" for a text'


def _value(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    if message.startswith("Invalid date"):
        return at, "there is no such date or time"
    return (at, _wrong_value(text, at)) if message == "Invalid value" else None


def _wrong_value(text: str, at: int) -> str:
    word = _WORDS.match(text, at)[0].strip()[:40]  # type: ignore[index]
    small = word.lower()
    if not word:
        return "one = is enough" if text.startswith("=", at) else "a value is missing here"
    if small in ("true", "false"):
        return f"true and false are written in small letters: {small}"
    if small in ("yes", "no", "on", "off"):
        return f'TOML has no {word}: write true or false, or "{word}" for the text'
    if small in ("none", "null", "nil", "~"):
        return f"TOML has no {word}: leave the key out"
    if small.lstrip("+-") in ("nan", "inf", "infinity"):
        return "not a number and infinity are written nan and inf"
    if word[0].isdigit() or word[0] in "+-.":
        return f"{word} is no number as TOML writes it: digits on both sides of the point, no 0 in front"
    if word[0] == "(":
        return "a list stands between [ and ]"
    if word[0] in CURLY:
        return 'a text stands in straight quotes: "..."'
    return f'a text needs quotes: write "{word}"'


def _key(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """What is wrong with a key or a header, or follows it."""
    here = text[at : at + 1]
    if message.startswith(("Expected '='", "Invalid statement", "Expected ']")) and here.isalpha() and not here.isascii():
        return at, f"a key with '{here}' in it stands in quotes"
    if message.startswith("Expected '='"):
        parts = before.open[-1].parts if before.open else before.parts
        after = f"the key '{parts[-1][0][-1]}'" if parts else "this key"
        return at, _COLON if here == ":" else f"expected = after {after}"
    if message.startswith("Expected ']"):
        return at, _header(text, at, message)
    if message == "Invalid statement":
        return at, "a comment begins with #" if here in "/;" else f"expected a key or a [header], found {here!r}"
    if not message.startswith("Invalid initial character"):
        return None
    if before.open and here == "}":
        return text.rindex(",", 0, at), "TOML allows no comma after the last entry of a table in braces"
    if before.open and here and here in "\n#":
        return before.open[-1].start, _ONE_LINE
    missing = not here.strip() or here in ".]=,"
    return at, "a key is missing here" if missing else f"a key cannot begin with {here!r}: put it in quotes"


def _header(text: str, at: int, message: str) -> str:
    end = text.find("\n", at)
    closing = message.split("'")[1]
    if closing in text[at : end if end >= 0 else len(text)] and text[at] != "]":
        return f"a name that is more than letters, digits, - and _ stands in quotes, found {text[at]!r}"
    return f"this header is not closed: write {closing}"


def _line(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """Something stands after an entry, in its line."""
    if not message.startswith("Expected newline"):
        return None
    if text[at] in ",;":
        return at, f"no {text[at]} here: each entry stands in a line of its own"
    if text[at] in "]})":
        return at, f"this {text[at]} has no beginning"
    if text.startswith("//", at):
        return at, "a comment begins with #"
    return _number(text, at) or (at, "expected the end of the line: each entry stands in a line of its own")


def _text(text: str, at: int, message: str, before: TomlScanner) -> _Found:
    """What is wrong with an escape within a text."""
    if not message.startswith(("Unescaped", "Invalid hex", "Escaped")):
        return None
    what = "a backslash begins an escape" if message.startswith("Unescaped") else "this escape stands for no character"
    return max(0, text.rfind("\\", 0, at)), f"{what}: write \\\\ for a backslash, or put the text in single quotes"
