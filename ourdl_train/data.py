"""Data for a graph: rows by input name, in the same order, split into parts. Rows of mapped files are read when used."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core import Variable
from ourdl_train.columns import chosen_columns, rows_of_inputs
from ourdl_train.data_settings import PARTS, Columns, DataSettings, Split
from ourdl_train.rows import DataError, Rows
from ourdl_train.tables import Table, open_table

Arrays = dict[str, Any]  # arrays, or Rows

RELATIVE = "[data] file is relative to the model file."


@dataclass(frozen=True)
class Data:
    """Rows to train on, and those held out; each part holds an array or ``Rows`` an input, all of one length."""

    train: Arrays
    validation: Arrays | None = None
    test: Arrays | None = None


def read_data(settings: DataSettings, inputs: Mapping[str, Variable], folder: Path = Path()) -> Data:
    """The data that a model file describes, its files relative to ``folder``."""
    parts = split(read_inputs(settings, inputs, folder), settings.split)
    given = {part: files for part in PARTS if (files := getattr(settings, part))}
    held = {part: read_inputs(settings, inputs, folder, files) for part, files in given.items()}
    for part, arrays in held.items():
        _check_alike(part, arrays, parts.train)
    return Data(parts.train, held.get("validation", parts.validation), held.get("test", parts.test))


def _check_alike(part: str, arrays: Arrays, train: Arrays) -> None:
    for name, array in arrays.items():
        if array.shape[1:] != train[name].shape[1:]:
            found, wanted = list(array.shape[1:]), list(train[name].shape[1:])
            raise DataError(f"the {part} rows of the input '{name}' have {found} values a row, those to train on {wanted}")


def read_inputs(
    settings: DataSettings,
    inputs: Mapping[str, Variable],
    folder: Path = Path(),
    files: Mapping[str, str] | None = None,
) -> Arrays:
    """The rows of ``inputs``, from the files that ``settings`` name or from ``files`` (by input, or ``"file"`` for all)."""
    own = {name: settings.columns[name].file for name in inputs} if files is None else files
    common = settings.file if files is None else files.get("file")
    _check_common(common, [name for name in inputs if own.get(name) is None])
    places: dict[Path, list[str]] = {}
    for name in inputs:
        places.setdefault(folder / str(own.get(name) or common), []).append(name)
    return _read(places, settings.columns, inputs, RELATIVE)


def _check_common(file: Any, names: list[str]) -> None:
    """What is not said for each of ``names`` must be a file that can hold them all."""
    if names and file is None:
        raise DataError(f"[data] names no file for the input '{names[0]}'")
    if len(names) > 1 and str(file).lower().endswith(".npy"):
        listed = ", ".join(f"'{name}'" for name in names)
        raise DataError(f"{file}: an NPY file holds one array, the inputs are {listed}: use an NPZ file")


def read_columns(path: Path, columns: Mapping[str, Columns], inputs: Mapping[str, Variable], advice: str = "") -> Arrays:
    """The rows of ``inputs`` in one file, in the dtypes that they declare; all wrong names of columns are told at once.

    ``advice`` is what to say where there is no such file.
    """
    _check_common(path, list(inputs))
    return _read({path: list(inputs)}, columns, inputs, advice)


def _read(
    places: Mapping[Path, list[str]], columns: Mapping[str, Columns], inputs: Mapping[str, Variable], advice: str
) -> Arrays:
    """The rows of all inputs, each from the file that is named for it."""
    with contextlib.ExitStack() as stack:
        tables: dict[Path, Table] = {}
        problems: list[str] = []
        chosen: dict[str, list[str]] = {}
        for path, names in places.items():
            with _collecting(problems):
                tables[path] = stack.enter_context(open_table(path, advice))
            for name in names if path in tables else ():
                with _collecting(problems):
                    chosen[name] = chosen_columns(tables[path], name, columns[name].columns)
        if problems:
            raise DataError("\n".join(dict.fromkeys(problems)))
        found: Arrays = {}
        for path, names in places.items():
            found.update(rows_of_inputs(tables[path], {name: chosen[name] for name in names}, columns, inputs))
    return check_lengths({name: found[name] for name in inputs})


@contextlib.contextmanager
def _collecting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        problems.append(str(error))


def given_rows(values: Mapping[str, Any]) -> Arrays:
    """What was given by input name, as arrays: a mapped file stays one, and so do Rows."""
    found = {}
    for name, value in values.items():
        try:
            found[name] = value if isinstance(value, (np.ndarray, Rows)) else np.asarray(value)
        except ValueError as error:  # lists of several lengths
            raise DataError(f"the data of the input '{name}' is no array: {error}") from None
    return check_lengths(found)


def check_lengths(arrays: Mapping[str, Any]) -> Arrays:
    """``arrays`` as they are, if they have the same number of rows and at least one."""
    for name, array in arrays.items():
        if len(array.shape) == 0:
            raise DataError(f"the data of the input '{name}' is one value: it has no rows")
        if isinstance(array, np.ndarray) and array.dtype.kind not in "biufc":
            raise DataError(f"the data of the input '{name}' is not numbers: {array.dtype}")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"'{name}' has {count} rows" for name, count in counts.items())
        raise DataError(f"inputs need as many rows each: {shown}")
    if not counts or 0 in counts.values():
        raise DataError("there is no row of data")
    return dict(arrays)


def rows_of(arrays: Mapping[str, Any]) -> int:
    """The number of rows."""
    return len(next(iter(arrays.values())))


def split(arrays: Arrays, settings: Split) -> Data:
    """The parts, drawn from the seed; the rows to train on keep their order. A part of a row is rounded up.

    No row is copied: each part knows the numbers of its rows.
    """
    count = rows_of(arrays)
    test = math.ceil(round(settings.test * count, 9))
    validation = math.ceil(round(settings.validation * count, 9))
    if test + validation >= count:
        raise DataError(f"{count} rows cannot be split: {test} for the test and {validation} for validation leave none")
    if not test + validation:
        return Data(dict(arrays))
    order = np.random.default_rng(settings.seed).permutation(count)
    numbers = [np.sort(part) for part in np.split(order, [test, test + validation])]

    def part(rows: Any) -> Arrays | None:
        whole = {name: array if isinstance(array, Rows) else Rows(array) for name, array in arrays.items()}
        return {name: array.part(rows) for name, array in whole.items()} if len(rows) else None

    return Data(part(numbers[2]) or {}, part(numbers[1]), part(numbers[0]))
