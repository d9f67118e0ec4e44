"""A model file as it was read: its text, its tree, and where each part of the tree stands in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ourdl_core.problems import Path
from ourdl_files.spelling import Slip


@dataclass(frozen=True)
class Span:
    """A piece of text: from (line, column) to before (end_line, end_column), counted from 1 in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Document:
    """``source`` is the file as a person named it, ``ending`` that of its name (``.toml``).

    ``slips`` are mistakes in how the text is spelled, which is why its tree may be another than was meant.
    """

    source: str
    text: str
    ending: str
    tree: Mapping[str, Any]
    slips: Sequence[Slip] = ()

    @cached_property
    def _places(self) -> Any:
        from ourdl_files.places import places_of  # only when there is something to tell

        return places_of(self.text, self.ending)

    def span(self, path: Path, at_key: bool = False) -> Span | None:
        """Where a part of the tree stands, else what it would be in; None for the file as a whole.

        Of a table the key is shown, of anything else the value, unless ``at_key``.
        """
        if not path:
            return None
        place = self._places.get(path)
        if place is None:
            return self.span(path[:-1], at_key=True)
        by_key = place.key is not None and (at_key or isinstance(self._value(path), Mapping))
        return self.between(*(place.key if by_key else place.value))

    def _value(self, path: Path) -> Any:
        value: Any = self.tree
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def around(self, offset: int | None) -> Span | None:
        """The span of the character at an offset."""
        return None if offset is None else self.between(offset, offset + 1)

    def between(self, start: int, end: int) -> Span:
        """The span of two offsets."""
        from ourdl_files.places import line_and_column

        return Span(*line_and_column(self.text, start), *line_and_column(self.text, max(start + 1, end)))

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")
