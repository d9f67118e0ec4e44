"""Tables of data: CSV (also gzipped) and NPZ files as named columns. Nothing in them can run code."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core.errors import did_you_mean
from ourdl_train.files import FileError, open_regular, read_arrays, read_bounded

SUFFIXES = (".csv", ".csv.gz", ".npz")


class DataError(ValueError):
    """A file of data, or arrays that were given, are not what the graph needs; the message says where."""


def read_table(path: Path, advice: str = "") -> Table:
    """The table in a file, by the end of its name; ``advice`` is given where there is no such file."""
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise DataError(f"{path}: data is read from {', '.join(SUFFIXES)} files")
    try:
        return _read_npz(path) if name.endswith(".npz") else _read_csv(path, name.endswith(".gz"))
    except FileNotFoundError:
        raise DataError(_missing(path, advice)) from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a directory, not a file") from None
    except FileError as error:
        raise DataError(f"{path}: {error}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the file is damaged or not what its name says: {error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _missing(path: Path, advice: str) -> str:
    beside = [each.name for each in path.parent.iterdir() if each.is_file()] if path.parent.is_dir() else []
    return f"{path}: no such file. {did_you_mean(path.name, beside) or advice}".rstrip()


class Table:
    """Columns of equal length by name: text of a CSV file (with the line of each row), or arrays of an NPZ file."""

    def __init__(self, path: Path, columns: dict[str, Any], lines: list[int] | None) -> None:
        self.path = path
        self.columns = columns
        self.lines = lines

    def place(self, row: int, column: str) -> str:
        """Where a value stands, as a person finds it in the file."""
        where = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.path}: {where}, column '{column}'"

    def numbers(self, column: str) -> np.ndarray[Any, Any]:
        """A column as numbers; DataError that names the line for text, a missing value, NaN or infinity."""
        values = self.columns[column]
        if self.lines is None:
            array = self._checked(values, column)
        else:
            array = self._parsed(values, column)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(f"{self.place(row, column)}: the value is {_first_bad(array)}; values must be finite")
        return array

    def _parsed(self, values: Any, column: str) -> np.ndarray[Any, Any]:
        if not any("_" in text for text in values):
            with contextlib.suppress(ValueError):  # told below, with the line
                return np.array(values, dtype=np.float64)
        return np.array([self._number(text, row, column) for row, text in enumerate(values)])

    def _checked(self, values: Any, column: str) -> np.ndarray[Any, Any]:
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
            found = values.dtype if isinstance(values, np.ndarray) else values
            raise DataError(f"{self.path}: the array '{column}' is not numbers: {found}")
        if values.ndim == 0:
            raise DataError(f"{self.path}: the array '{column}' is one number: it has no rows")
        return values

    def _number(self, text: str, row: int, column: str) -> float:
        try:
            return _float(text)
        except ValueError:
            found = f"found the text {text[:40]!r}" if text.strip() else "the value is missing"
            raise DataError(f"{self.place(row, column)}: expected a number, {found}") from None


def _first_bad(array: np.ndarray[Any, Any]) -> str:
    value = array[~np.isfinite(array)].ravel()[0]
    return "not a number (NaN)" if np.isnan(value) else "infinite"


def _read_csv(path: Path, zipped: bool) -> Table:
    with open_regular(path) as file:
        unpacked: Any = gzip.GzipFile(fileobj=file) if zipped else file
        text = read_bounded(unpacked, "the text in it").decode("utf-8-sig")
    rows = _rows(path, text)
    try:
        _, header = next(rows)
    except StopIteration:
        raise DataError(f"{path}: the file is empty") from None
    header = [name.strip() for name in header]
    _check_header(path, header)
    lines, cells = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}: line {line} has {len(row)} values, the header names {len(header)} columns")
        lines.append(line)
        cells.append(row)
    if not cells:
        raise DataError(f"{path}: there is a header and no row of data")
    return Table(path, dict(zip(header, zip(*cells, strict=True), strict=True)), lines)


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from None
        if row:
            yield reader.line_num, row


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise DataError(f"{path}: values must be separated by commas; the first line has none")
    if all(_is_number(name) for name in header):
        raise DataError(f"{path}: the first line must name the columns; found numbers")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path}: the first line names the column '{name}' twice")


def _is_number(text: str) -> bool:
    try:
        _float(text)
    except ValueError:
        return False
    return True


def _float(text: str) -> float:
    """A number as files write it; the underscores that Python allows in one (1_0 is 10) are no part of it."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _read_npz(path: Path) -> Table:
    with open_regular(path) as file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{path}: is not an NPZ file, as numpy.savez writes it")
        file.seek(0)
        return Table(path, read_arrays(file), None)  # an array of objects only matters if it is asked for
