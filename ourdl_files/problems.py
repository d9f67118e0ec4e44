"""What is wrong with a model file: every mistake at once, each with its place in the file."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ourdl_core.problems import Problem, path_text
from ourdl_core.visible import visible
from ourdl_files.document import Document, Span

MAX_SHOWN = 100  # columns of a line that are shown around a mistake


@dataclass(frozen=True)
class Located:
    """A mistake and where it stands; None for the file as a whole, or where there is no file."""

    problem: Problem
    span: Span | None = None


class ModelFileError(ValueError):
    """A model file cannot be used. ``problems`` holds every mistake, ``located`` the same with their places.

    ``source`` is the file as it was named; ``document`` its text, where it could be read. ``spans`` are the places of
    mistakes in its spelling (TOML, JSON, YAML), which has no tree yet.
    """

    def __init__(
        self,
        source: str,
        problems: Sequence[Problem],
        document: Document | None = None,
        spans: Sequence[Span | None] = (),
    ) -> None:
        self.source = source
        self.document = document
        found = [replace(problem, message=shorten(problem.message)) for problem in problems]
        spans = spans or [None if document is None else document.span(each.path, each.at_key) for each in found]
        located = [Located(each, span) for each, span in zip(found, spans, strict=True)]
        self.located = sorted(located, key=_order)
        self.problems = [each.problem for each in self.located]
        super().__init__("\n".join(self._lines()))

    def __reduce__(self) -> Any:
        spans = [each.span for each in self.located]
        return type(self), (self.source, self.problems, self.document, spans)

    def _lines(self) -> list[str]:
        lines = [line for each in self.located for line in self._shown(each)]
        count = len(self.located)
        cut = any(each.code == "too-many" for each in self.problems)
        return lines if count == 1 or cut else [*lines, f"{count} mistakes in {self.source}"]

    def _shown(self, located: Located) -> list[str]:
        """One mistake: the message, the line with a caret, other places to look at, the package that is spoken of."""
        problem, span = located.problem, located.span
        message = _indented(problem.message if self.document else str(problem))
        lines = [f"{self._where(span)}: {message}"]
        edge = "    "
        if span is not None and self.document is not None:
            edge = " " * (len(str(span.line)) + 2) + " | "
            lines += _snippet(self.document.line(span.line), span)
        lines += [f"{edge}{self._related(path, text)}" for path, text in problem.related]
        return lines if problem.provider is None else [*lines, f"{edge}from {problem.provider}"]

    def _where(self, span: Span | None) -> str:
        return self.source if span is None else f"{self.source}:{span.line}:{span.column}"

    def _related(self, path: Any, text: str) -> str:
        span = None if self.document is None else self.document.span(path, at_key=True)
        return f"{path_text(path)}: {text}" if span is None else f"{self._where(span)}: {text}"

    def records(self) -> list[dict[str, Any]]:
        """The mistakes as plain data for tools: lines and columns from 1, the end exclusive."""
        return [_record(self, each) for each in self.located]


def _order(located: Located) -> tuple[float, int]:
    if located.problem.code == "too-many":
        return (math.inf, 0)
    return (0, 0) if located.span is None else (located.span.line, located.span.column)


def _record(error: ModelFileError, located: Located) -> dict[str, Any]:
    problem, document = located.problem, error.document
    related = []
    for path, text in problem.related:
        span = None if document is None else document.span(path, at_key=True)
        related.append({"file": error.source, **_position(span), "path": path_text(path), "message": text})
    return {
        "file": error.source,
        **_position(located.span),
        "path": path_text(problem.path),
        "code": problem.code,
        "message": problem.message,
        "suggestions": list(problem.suggestions),
        "provider": problem.provider,
        "related": related,
    }


def _position(span: Span | None) -> dict[str, int]:
    found = span or Span(1, 1, 1, 1)
    return {"line": found.line, "column": found.column, "end_line": found.end_line, "end_column": found.end_column}


def _snippet(line: str, span: Span) -> list[str]:
    """The line and carets below it; of a long line the part around the mistake."""
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    first = max(0, min(start - MAX_SHOWN // 3, len(line) - MAX_SHOWN))
    cut = line[first : first + MAX_SHOWN]
    before, marked = cut[: start - first], cut[start - first : end - first]
    head = "..." if first else ""
    tail = "..." if first + MAX_SHOWN < len(line) else ""
    gap = " " * len(head) + "".join("\t" if c == "\t" else " " * _columns(c) for c in before)
    carets = "^" * max(1, sum(map(_columns, marked.rstrip())))
    number = str(span.line)
    return [f"  {number} | {head}{_plain(cut)}{tail}".rstrip(), f"  {' ' * len(number)} | {gap}{carets}"]


def _plain(text: str) -> str:
    """Text without what a terminal would obey or hide, in as many characters."""
    return visible(text, lambda character: "\N{REPLACEMENT CHARACTER}", keep="\t")


def _columns(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(message: str, limit: int = 1200) -> str:
    """A message that quotes something endless, cut in the middle: what to do stands at its end."""
    return message if len(message) <= limit else f"{message[: limit // 2]} ... {message[-limit // 2 :]}"


def _indented(message: str) -> str:
    return message.replace("\n", "\n    ")
