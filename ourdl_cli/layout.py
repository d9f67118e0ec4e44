"""Text laid out for the terminal at hand, however narrow."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from ourdl_core.visible import visible as core_visible


def say(text: str = "", file: TextIO | None = None) -> None:
    """Print: the one way from text of files and plugins to the terminal."""
    print(visible(text), file=file)


def visible(text: str) -> str:
    """``text`` with what a terminal would obey or hide as an escape, ``\\x1b``; lines and tabs stay."""
    return core_visible(text, keep="\n\t")


def width() -> int | None:
    """The columns to write in: of the terminal, or what COLUMNS says; None for a file or a pipe, which has no edge."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        return None
    return max(20, shutil.get_terminal_size().columns)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns as wide as they must be; the last one is cut where the line ends."""
    sizes = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    limit = width()
    room = None if limit is None else limit - sum(sizes[:-1]) - 2 * (len(sizes) - 1)
    lines = []
    for row in (header, *rows):
        cells = [cell.ljust(size) for cell, size in zip(row[:-1], sizes, strict=False)]
        lines.append("  ".join([*cells, _cut(row[-1], room)]).rstrip())
    return "\n".join(lines if limit is None else (_cut(line, limit) for line in lines))


def _cut(text: str, room: int | None) -> str:
    if room is None or len(text) <= room:
        return text
    return text[: max(0, room - 3)].rstrip(" ,;:.") + "..."


def pairs(rows: Sequence[tuple[str, str]], indent: str = "  ") -> str:
    """Words on the left, what is said of them on the right, wrapped under itself."""
    if not rows:
        return ""
    limit = width() or 100
    left = min(max(len(word) for word, _ in rows), limit // 2 - len(indent))
    lines = []
    for word, text in rows:
        hanging = " " * (len(indent) + left + 2)
        first = f"{indent}{word.ljust(left)}  "
        if len(word) > left:
            lines.append(f"{indent}{word}")
            first = hanging
        lines.append(_wrapped(text, limit, first, hanging) or first.rstrip())
    return "\n".join(lines)


def paragraphs(text: str) -> str:
    """Paragraphs filled to the width of the terminal; one with an indented line (an example) stays as it is."""
    limit = width() or 100
    blocks = text.split("\n\n")
    return "\n\n".join(b if "\n " in b or b.startswith((" ", ">>>")) else _wrapped(b, limit, "", "") for b in blocks)


def _wrapped(text: str, limit: int, first: str, later: str) -> str:
    """Text in lines of at most ``limit``; a long path is never broken, so that it can be copied."""
    return textwrap.fill(
        text, limit, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    ).rstrip()
