"""From the bytes of a file to plain data: TOML, JSON, YAML. Nothing in a file can run code, and its size is bounded."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ourdl_core.errors import did_you_mean
from ourdl_core.problems import Path as TreePath
from ourdl_core.problems import Problem, kind_of
from ourdl_files.document import Document
from ourdl_files.problems import ModelFileError
from ourdl_files.spelling import MAX_BYTES, MAX_DEPTH, MAX_VALUES, SpellingError
from ourdl_files.yaml_reading import read_yaml

MAX_KEY = 16  # parts of a dotted key


def read_document(path: str | Path) -> Document:
    """The text and the tree of a model file, by the end of its name; ModelFileError for anything that is not one."""
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise _refused(path, "is a directory, not a model file", "directory")
    if reader is None:
        raise _refused(path, f"a model file is called {', '.join(f'*{end}' for end in READERS)}", "wrong-ending")
    text = _text(path)
    try:
        tree = reader(text)
        problem = excess(tree)
        if problem:
            raise SpellingError(problem, code="too-much")
        huge = huge_numbers(tree)
        if huge:
            raise ModelFileError(str(path), huge, Document(str(path), text, path.suffix.lower(), tree))
    except RecursionError:
        raise _refused(path, f"tables are nested more than {MAX_DEPTH} deep", "too-much") from None
    except ImportError as error:
        raise _refused(path, str(error), "needs-package") from None
    except SpellingError as error:
        document = Document(str(path), text, path.suffix.lower(), error.tree, error.slips)
        if isinstance(error.tree, dict) and not excess(error.tree) and not huge_numbers(error.tree):
            return document
        raise spelled_wrong([], document) from None
    if not isinstance(tree, dict):
        raise _refused(path, f"a model file is a table of sections, found {kind_of(tree)}", "wrong-type")
    return Document(str(path), text, path.suffix.lower(), tree)


def spelled_wrong(problems: Sequence[Problem], document: Document) -> ModelFileError:
    """The error of a document with slips, and of its other mistakes, but for those that slips led to."""
    slips = [(Problem((), message, code), document.around(at)) for at, message, code in document.slips]
    starts = {(span.line, span.column) for _, span in slips if span is not None}
    others = [(each, document.span(each.path, each.at_key)) for each in problems]
    told = [*slips, *((each, span) for each, span in others if span is None or (span.line, span.column) not in starts)]
    return ModelFileError(document.source, [each for each, _ in told], document, [span for _, span in told])


def _refused(path: Path, message: str, code: str) -> ModelFileError:
    return ModelFileError(str(path), [Problem((), message, code)])


def _text(path: Path) -> str:
    try:
        content = _content(path)
    except FileNotFoundError:
        raise _refused(path, f"no such file. {_beside(path)}".rstrip(), "no-file") from None
    except (OSError, ValueError) as error:
        raise _refused(path, getattr(error, "strerror", None) or str(error), "unreadable") from None
    if len(content) > MAX_BYTES:
        raise _refused(path, f"is larger than a model file may be ({MAX_BYTES // 1_000_000} MB)", "too-much")
    if not content.strip():
        raise _refused(path, "the file is empty", "empty")
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> str:
    """The text in UTF-8, with lines that end in one character."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, "is UTF-16 text: save it as UTF-8", "not-utf-8")
    if b"\0" in content:
        raise _refused(path, "is a binary file, not text", "binary")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        start = content[: error.start].decode("utf-8").replace("\r\n", "\n")
        text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
        document = Document(str(path), text, path.suffix.lower(), {})
        message = f"is not UTF-8 text: byte 0x{content[error.start]:02x} here. Save it as UTF-8"
        spans = [document.between(len(start), len(start) + 1)]
        raise ModelFileError(str(path), [Problem((), message, "not-utf-8")], document, spans) from None


def _content(path: Path) -> bytes:
    """The bytes of a regular file, one more than allowed at most; a pipe or a device would block or never end."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a regular file")
        return file.read(MAX_BYTES + 1)


def _beside(path: Path) -> str:
    try:
        return did_you_mean(path.name, [each.name for each in path.parent.iterdir() if each.suffix in READERS])
    except OSError:
        return ""


def huge_numbers(tree: Any) -> list[Problem]:
    """The first whole number that no array holds, at its place; Python takes seconds to write one of a million digits."""
    stack: list[tuple[TreePath, Any]] = [((), tree)]
    seen: set[int] = set()  # aliases make endless trees
    while stack:
        path, value = stack.pop()
        if isinstance(value, (dict, list)) and id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is int and value.bit_length() > 64:
            return [Problem(path, "this whole number needs more than 64 bits", "wrong-value")]
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        stack.extend(((*path, key), each) for key, each in items if isinstance(each, (dict, list, int)))
    return []


def excess(tree: Any) -> str | None:
    """What is too much in a tree, however it came about: values, or levels (aliases can make many from a few bytes)."""
    stack = [(tree, 0)]
    count = 0
    while stack:
        value, depth = stack.pop()
        count += 1
        if count > MAX_VALUES:
            return f"holds more than {MAX_VALUES:,} values"
        if depth > MAX_DEPTH:
            return f"tables are nested more than {MAX_DEPTH} deep"
        if isinstance(value, dict):
            stack.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            stack.extend((each, depth + 1) for each in value)
    return None


# Strings and comments of TOML, also those without an end. Nothing in it goes back, so its time is linear.
_TOML_TEXT = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'''
    r"""|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"""
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"?|'[^'\n]*+'?|#[^\n]*+""",
    re.DOTALL,
)


def read_toml(text: str) -> Any:
    """TOML by the standard library, which takes quadratic time for a key of many parts."""
    from ourdl_files.toml_mistakes import toml_error

    bare = _TOML_TEXT.sub(lambda found: "" if found[0].startswith("#") else "_", text)
    if any(piece.count(".") >= MAX_KEY for piece in re.split(r"[\n=,\[\]{}]", bare)):
        raise SpellingError(f"a key has more than {MAX_KEY} parts", code="too-much")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        offset, message = toml_error(text, error)
        raise SpellingError(message, offset) from None
    except ValueError as error:  # a whole number of more digits than Python reads
        raise SpellingError(str(error).partition(";")[0]) from None


def read_json(text: str) -> Any:
    """JSON; a key that is given twice is an error, and so are the numbers that only Python writes (NaN, Infinity)."""
    from ourdl_files.json_places import duplicate_key, json_error

    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        offset, message = json_error(text, error)
        raise SpellingError(message, offset) from None
    except _TwiceError:
        offset, message = duplicate_key(text)
        raise SpellingError(message, offset, "duplicate-key") from None
    except _ConstantError as error:
        message = f"JSON has no {error}: leave the key out, or write the model as TOML, which has nan and inf"
        raise SpellingError(message, next(each.start() for each in _NO_NUMBER.finditer(text) if each[1])) from None
    except ValueError as error:  # a whole number of more digits than Python reads
        raise SpellingError(str(error).partition(";")[0]) from None


# Texts, so that what stands in them is passed over, and the words that are meant.
_NO_NUMBER = re.compile(r'"(?:[^"\\]++|\\.)*+"|(NaN|-?Infinity)', re.DOTALL)


class _TwiceError(Exception):
    """A key is given twice."""


class _ConstantError(Exception):
    """A word that JSON does not know."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _no_number(word: str) -> Any:
    raise _ConstantError(word)


READERS: dict[str, Callable[[str], Any]] = {
    ".toml": read_toml,
    ".json": read_json,
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
