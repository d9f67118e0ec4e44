"""Where the parts of a YAML text stand, by the marks of PyYAML's nodes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from ourdl_core.problems import Path
from ourdl_files.places import Place, Places
from ourdl_files.scanning import Offsets
from ourdl_files.spelling import MAX_DEPTH, MAX_VALUES
from ourdl_files.yaml_reading import check_events

_SPACE = frozenset(" \t\r\n")
_MERGE = "tag:yaml.org,2002:merge"


def yaml_places(text: str) -> Places:
    """The place of every entry of a YAML text; an alias, and what is merged, stands where its anchor is."""
    yaml: Any = importlib.import_module("yaml")
    loader = getattr(yaml, "CSafeLoader", None) or yaml.SafeLoader
    found: Places = {(): Place((0, len(text)))}
    try:
        check_events(yaml.parse(text, Loader=loader))  # the C parser builds by recursion, and ends the process when deep
        root = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError):
        return found
    return found if root is None else _walked(text, root, found)


def _walked(text: str, root: Any, found: Places) -> Places:
    """Add what is in ``root``: as much as a model file may hold, since aliases make much from little."""
    stack: list[tuple[Path, Any]] = [((), root)]
    spans = _Spans(text)
    steps = 0
    while stack:
        path, node = stack.pop()
        for key, value in () if isinstance(node.value, str) else _entries(node):
            steps += 1
            if steps > MAX_VALUES:
                return found
            name = key if isinstance(key, int) else key.value
            inner = (*path, name)
            if inner in found or not isinstance(name, (str, int)):
                continue
            found[inner] = Place(spans.of(value), None if isinstance(key, int) else spans.of(key))
            if len(inner) <= MAX_DEPTH:
                stack.append((inner, value))
    return found


def _entries(node: Any) -> Iterator[tuple[Any, Any]]:
    """Items with their numbers, or keys and values: those of a table itself come ahead of what is merged into it."""
    if node.id == "sequence":
        yield from enumerate(node.value)
        return
    waiting, seen = [node], set()
    while waiting:
        table = waiting.pop()
        if table.id != "mapping" or id(table) in seen:
            continue
        seen.add(id(table))
        merged: list[Any] = []
        for key, value in table.value:
            if key.tag == _MERGE:
                merged += reversed(value.value) if value.id == "sequence" else [value]
            else:
                yield key, value
        waiting += merged


class _Spans:
    """From the first to the last character of each node; a block ends with blank lines, which are left out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.known: dict[int, Offsets] = {}

    def of(self, node: Any) -> Offsets:
        if id(node) not in self.known:
            start, end = node.start_mark.index, node.end_mark.index
            while end > start and self.text[end - 1 : end] in _SPACE:
                end -= 1
            self.known[id(node)] = (start, end)
        return self.known[id(node)]
