"""Model files of an older format brought to the newest: edits of the text, so that comments and order stay the person's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from ourdl_core.atomic import write_atomically
from ourdl_core.problems import Path, Problem, path_text
from ourdl_core.reading import FORMAT
from ourdl_files.document import Document
from ourdl_files.formats import READERS, read_document
from ourdl_files.json_text import json_value
from ourdl_files.places import places_of
from ourdl_files.plain import same
from ourdl_files.problems import ModelFileError
from ourdl_files.spelling import SpellingError
from ourdl_files.toml_text import toml_key, toml_value
from ourdl_files.yaml_text import yaml_value


@dataclass(frozen=True)
class Rename:
    """The key that ends ``path`` is called ``name``."""

    path: Path
    name: str


@dataclass(frozen=True)
class Put:
    """The value at ``path`` is ``value``."""

    path: Path
    value: Any


Change = Rename | Put
Step = Callable[[Mapping[str, Any]], Iterable[Change]]

#: From the tree of a file of a format to what must change for the next: ``STEPS[1]`` leads to format 2.
STEPS: Mapping[int, Step] = {}


def migrate(path: str | File, *, check: bool = False, steps: Mapping[int, Step] = STEPS, newest: int = FORMAT) -> int:
    """Bring a model file to the newest format (only look, with ``check``); the format that it had."""
    document = read_document(path)
    version = _version(document, newest)
    found = migrated(document, steps, newest)
    if version < newest and not check:
        content = _as_bytes(found.text, File(path).read_bytes())
        write_atomically(path, content, lambda beside: _check(beside, found))
    return version


def migrated(document: Document, steps: Mapping[int, Step] = STEPS, newest: int = FORMAT) -> Document:
    """The document in the newest format; ModelFileError where its text cannot be edited to mean just that."""
    for version in range(_version(document, newest), newest):
        changes = [*steps[version](document.tree), Put(("ourdl",), version + 1)]
        document = _changed(document, changes)
    return document


def _version(document: Document, newest: int) -> int:
    found = document.tree.get("ourdl")
    if type(found) is int and 1 <= found <= newest:
        return found
    if type(found) is int and found > newest:
        from importlib.metadata import version  # only on the way to an error

        reads = f"this OurDL ({version('ourdl')}) reads up to {newest}"
        message = f"is of format {found}, {reads}: upgrade OurDL: python -m pip install --upgrade ourdl"
        raise _refused(document, ("ourdl",), message, "newer-format")
    if "ourdl" not in document.tree:
        raise _refused(document, (), "the version of the format is missing: begin the file with ourdl = 1", "missing-format")
    raise _refused(document, ("ourdl",), f"the version of a format is a whole number, found {found!r:.60}", "wrong-format")


def _refused(document: Document, path: Path, message: str, code: str) -> ModelFileError:
    return ModelFileError(document.source, [Problem(path, message, code)], document)


# ---- edits ----------------------------------------------------------------------------------------------------------


def _changed(document: Document, changes: list[Change]) -> Document:
    """The document with changes made in its text, which then means the tree with these changes, and nothing else."""
    text = _edited(document, changes)
    try:
        tree = READERS[document.ending](text)
    except SpellingError:
        tree = None
    if not same(tree, _applied(document.tree, changes)):
        where = ", ".join(path_text(change.path) for change in changes[:-1])
        message = f"cannot be migrated, since one of these is written in several places: {where}"
        raise _refused(document, (), f"{message}. Write each in one place, then migrate again", "not-migrated")
    return Document(document.source, text, document.ending, tree)


def _edited(document: Document, changes: list[Change]) -> str:
    places = places_of(document.text, document.ending)
    edits = []
    for change in changes:
        place = places.get(change.path)
        span = None if place is None else place.key if isinstance(change, Rename) else place.value
        if span is None:
            raise _refused(document, change.path, "cannot be migrated: it is not found in the text", "not-migrated")
        edits.append((*span, _spelt(change, document.ending)))
    text = document.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _spelt(change: Change, ending: str) -> str:
    if isinstance(change, Rename):
        return {".toml": toml_key, ".json": json_value}.get(ending, yaml_value)(change.name)
    return {".toml": toml_value, ".json": json_value}.get(ending, yaml_value)(change.value)


def _applied(tree: Any, changes: Iterable[Change], path: Path = ()) -> Any:
    """The tree with changes; their paths are those of the tree as it was."""
    by_path = {(type(change), change.path): change for change in changes}
    if (Put, path) in by_path:
        return by_path[Put, path].value  # type: ignore[union-attr]
    if isinstance(tree, Mapping):
        found = {}
        for key, value in tree.items():
            rename = by_path.get((Rename, (*path, key)))
            found[rename.name if isinstance(rename, Rename) else key] = _applied(value, changes, (*path, key))
        return found
    if isinstance(tree, list):
        return [_applied(value, changes, (*path, place)) for place, value in enumerate(tree)]
    return tree


# ---- bytes ----------------------------------------------------------------------------------------------------------


def _as_bytes(text: str, before: bytes) -> bytes:
    """The text with the line ends and the mark at the beginning that the file had."""
    crlf = before.count(b"\r\n") * 2 > before.count(b"\n")
    content = (text.replace("\n", "\r\n") if crlf else text).encode()
    return b"\xef\xbb\xbf" + content if before.startswith(b"\xef\xbb\xbf") else content


def _check(beside: File, expected: Document) -> None:
    if not same(read_document(beside).tree, expected.tree):
        raise ValueError(f"{expected.source} is not written: its text would be read as something else. A fault of OurDL")
