"""Tables of data: the named columns of CSV files (also gzipped), the arrays of NPZ and NPY files. None can run code."""

from __future__ import annotations

import contextlib
import gzip
import os
import weakref
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from ourdl_core.errors import did_you_mean
from ourdl_train.csv_files import CsvTable
from ourdl_train.files import FileError, open_regular
from ourdl_train.mapping import Archive, map_npy
from ourdl_train.rows import DataError

SUFFIXES = (".csv", ".csv.gz", ".npz", ".npy")

#: A column to read, and the names of its classes where it holds text.
Wanted = tuple[str, tuple[str, ...]]


class Table(Protocol):
    """What is in a file: ``names`` of columns or arrays (none: it is one array without a name)."""

    path: Path
    noun: str
    names: Collection[str]

    def read(self, wanted: Collection[Wanted]) -> dict[Wanted, Any]:
        """The columns that are asked for, as arrays of numbers; DataError with the place of what is none."""

    def place(self, row: int, column: str | None = None) -> str:
        """Where a row, or a value in it, stands, as a person finds it in the file."""

    def guard(self) -> Any:
        """What is to be called before each reading of a mapped array; None where nothing is mapped."""


@contextlib.contextmanager
def open_table(path: Path, advice: str = "") -> Iterator[Table]:
    """The table in a file, by the end of its name; ``advice`` is given where there is no such file."""
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise DataError(f"{path}: data is read from {', '.join(SUFFIXES)} files")
    try:
        with open_regular(path) as file:
            yield _table(path, name, file)
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


def _table(path: Path, name: str, file: BinaryIO) -> Table:
    if name.endswith(".npz"):
        return ArchiveTable(path, file)
    if name.endswith(".npy"):
        return ArrayTable(path, file)
    return CsvTable(path, gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file)


def _missing(path: Path, advice: str) -> str:
    beside = [each.name for each in path.parent.iterdir() if each.is_file()] if path.parent.is_dir() else []
    return f"{path}: no such file. {did_you_mean(path.name, beside) or advice}".rstrip()


class ArchiveTable:
    """The arrays of an NPZ file by name; one that is no array of numbers only matters if it is asked for."""

    noun = "array"

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.archive = Archive(file)
        self.names: Collection[str] = self.archive.names

    def read(self, wanted: Collection[Wanted]) -> dict[Wanted, Any]:
        """The arrays that are asked for: mapped where they are not compressed."""
        found = {}
        for name, classes in wanted:
            try:
                found[name, classes] = _checked(self.archive.array(name), classes)
            except FileError as error:
                raise DataError(f"{self.path}: the array '{name}' {error}") from None
        return found

    def place(self, row: int, column: str | None = None) -> str:
        """As an index into the array."""
        return f"{self.path}: index {row}" + ("" if column is None else f" of the array '{column}'")

    def guard(self) -> Any:
        """Whether the file is as long as it was."""
        return SameSize(self.path, self.file)


class ArrayTable:
    """The one array of an NPY file, mapped, under any name."""

    noun = "array"

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.names: Collection[str] = ()

    def read(self, wanted: Collection[Wanted]) -> dict[Wanted, Any]:
        """The array, for each name that is asked for."""
        array = map_npy(self.file)
        return {(name, classes): _checked(array, classes) for name, classes in wanted}

    def place(self, row: int, column: str | None = None) -> str:
        """As an index into the array."""
        return f"{self.path}: index {row}"

    def guard(self) -> Any:
        """Whether the file is as long as it was."""
        return SameSize(self.path, self.file)


def _checked(array: np.ndarray[Any, Any], classes: tuple[str, ...]) -> np.ndarray[Any, Any]:
    if classes:
        raise FileError(f"is numbers ({array.dtype}): 'classes' are for columns of text in CSV files")
    if array.ndim == 0:
        raise FileError("is one number: it has no rows")
    if len(array) == 0:
        raise FileError("is empty: there is no row of data")
    return array


class SameSize:
    """Called before each reading: a file that became shorter while it is mapped would end the process."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.number = os.dup(file.fileno())
        self.size = os.fstat(self.number).st_size
        weakref.finalize(self, os.close, self.number)

    def __call__(self) -> None:
        if os.fstat(self.number).st_size != self.size:
            raise DataError(f"{self.path}: the file was changed while it was in use: it had {self.size:,} bytes")
