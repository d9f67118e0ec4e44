"""CSV files as columns of numbers: read in one pass, in pieces, so that only the numbers are kept."""

from __future__ import annotations

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core.errors import did_you_mean
from ourdl_train.files import read_bounded
from ourdl_train.rows import DataError

PIECE = 4096  # rows that are held as text at once
MOST_CLASSES = 20  # are listed where a column of text is found in the place of numbers

Wanted = tuple[str, tuple[str, ...]]


class CsvTable:
    """The columns of a CSV file by name, and the line at which each row ends."""

    noun = "column"

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self.text = read_bounded(file, "the text in it").decode("utf-8-sig")
        self.rows = _rows(path, self.text)
        try:
            _, header = next(self.rows)
        except StopIteration:
            raise DataError(f"{path}: the file is empty") from None
        self.names: Collection[str] = [name.strip() for name in header]
        _check_header(path, list(self.names))
        self.lines = np.zeros(0, np.int64)

    def place(self, row: int, column: str | None = None) -> str:
        """By its line."""
        return self._at(int(self.lines[row]), column)

    def _at(self, line: int, column: str | None) -> str:
        return f"{self.path}: line {line}" + ("" if column is None else f", column '{column}'")

    def guard(self) -> None:
        """Nothing is mapped."""

    def read(self, wanted: Collection[Wanted]) -> dict[Wanted, Any]:
        """The columns that are asked for, float64 or (of classes) the index of each; once only: the text is not kept."""
        place_of = {name: place for place, name in enumerate(self.names)}
        places = {each: place_of[each[0]] for each in wanted}
        table = None if any(classes for _, classes in wanted) else self._table()
        self.text = ""
        if table is not None:
            return {each: table[:, place] for each, place in places.items()}
        lines: list[Any] = []
        found: dict[Wanted, list[Any]] = {each: [] for each in wanted}
        for at, cells in self._pieces():
            lines.append(np.array(at))
            for each, place in places.items():
                found[each].append(self._parsed([row[place] for row in cells], at, *each))
        if not lines:
            raise DataError(f"{self.path}: there is a header and no row of data")
        self.lines = np.concatenate(lines)
        return {each: np.concatenate(parts) for each, parts in found.items()}

    def _table(self) -> Any:
        """The whole file read by NumPy, ten times as fast: of numbers only, not quoted. None for any other file."""
        lines: list[int] = []

        def numbered() -> Iterator[str]:
            for number, line in enumerate(io.StringIO(self.text, newline=None), 1):
                if line != "\n":
                    lines.append(number)
                    if len(lines) > 1:  # the first is the header
                        yield line

        if next(numbered(), None) is None:
            return None
        lines.clear()
        try:
            found = np.loadtxt(numbered(), delimiter=",", comments=None, ndmin=2)
        except ValueError:  # told by the other way, with its place
            return None
        self.lines = np.array(lines[1:])
        return found if found.shape == (len(self.lines), len(self.names)) else None

    def _pieces(self) -> Iterator[tuple[list[int], list[list[str]]]]:
        """A number of rows at a time, with their lines; DataError for one that is shorter or longer than the header."""
        lines: list[int] = []
        cells: list[list[str]] = []
        for line, row in self.rows:
            if len(row) != len(self.names):
                found, wanted = counted(len(row), "value"), counted(len(self.names), "column")
                raise DataError(f"{self.path}: line {line} has {found}, the header names {wanted}")
            lines.append(line)
            cells.append(row)
            if len(cells) == PIECE:
                yield lines, cells
                lines, cells = [], []
        if cells:
            yield lines, cells

    def _parsed(self, texts: list[str], lines: list[int], column: str, classes: tuple[str, ...]) -> Any:
        if classes:
            return self._indices(texts, lines, column, classes)
        if "_" not in "".join(texts):
            with contextlib.suppress(ValueError):  # told below, with the line
                return np.fromiter(map(float, texts), np.float64, len(texts))
        for text, line in zip(texts, lines, strict=True):
            if not _is_number(text):
                found = f"found the text {text[:40]!r}" if text.strip() else "the value is missing"
                raise DataError(f"{self._at(line, column)}: expected a number, {found}{_advice(texts)}")
        raise AssertionError("every text is a number")

    def _indices(self, texts: list[str], lines: list[int], column: str, classes: tuple[str, ...]) -> Any:
        """The index of each class."""
        numbers = {name: i for i, name in enumerate(classes)}
        try:
            return np.array([numbers[text.strip()] for text in texts], dtype=np.int64)
        except KeyError as error:
            name = error.args[0]
        line = next(line for text, line in zip(texts, lines, strict=True) if text.strip() == name)
        found = f"{name[:40]!r} is none of the classes" if name else "the class is missing"
        known = did_you_mean(name, classes) or f"They are: {', '.join(classes[:MOST_CLASSES])}."
        raise DataError(f"{self._at(line, column)}: {found}. {known}")


def counted(count: int, noun: str) -> str:
    """A number of things, for messages."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _advice(texts: list[str]) -> str:
    """How a column that holds nothing but the names of a few classes is read."""
    names = sorted({text.strip() for text in texts})
    if not all(names) or len(names) > MOST_CLASSES or any(map(_is_number, names)):
        return ""
    listed = ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    return f". For names of classes write classes = [{listed}]"


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            told = "a quoted value has no end" if "unexpected end" in str(error) else error
            raise DataError(f"{path}: line {reader.line_num}: {told}") from None
        if row:
            yield reader.line_num, row


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise DataError(f"{path}: values must be separated by commas; the first line has none")
    if all(_is_number(name) for name in header):
        raise DataError(f"{path}: the first line must name the columns; found numbers")
    twice = next((name for name, count in Counter(header).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path}: the first line names the column '{twice}' twice")


def _is_number(text: str) -> bool:
    """Whether this is a number as files write it: without the underscores that Python allows in one (1_0 is 10)."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
