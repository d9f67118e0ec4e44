"""Data for a graph: arrays by input name, rows in the same order, split into parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core import Spec, Variable
from ourdl_core.errors import did_you_mean
from ourdl_train.settings import Columns, DataSettings, Split
from ourdl_train.tables import DataError, Table, read_table

Arrays = dict[str, np.ndarray[Any, Any]]

RELATIVE = "[data] file is relative to the model file."


@dataclass(frozen=True)
class Data:
    """Rows to train on, and those held out; each part holds one array an input, all of one length."""

    train: Arrays
    validation: Arrays | None = None
    test: Arrays | None = None


def read_data(settings: DataSettings, inputs: Mapping[str, Variable], folder: Path = Path()) -> Data:
    """The data that a model file describes, its file relative to ``folder``."""
    return split(read_columns(folder / settings.file, settings.columns, inputs, RELATIVE), settings.split)


def read_columns(path: Path, columns: Mapping[str, Columns], inputs: Mapping[str, Variable], advice: str = "") -> Arrays:
    """The arrays of ``inputs``, in the dtypes that they declare; all wrong names of columns are told at once.

    ``advice`` is what to say where there is no such file.
    """
    table = read_table(path, advice)
    chosen: dict[str, list[str]] = {}
    problems = []
    for name in inputs:
        try:
            chosen[name] = _chosen(table, name, columns[name].columns)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return check_lengths({name: _array(table, chosen[name], columns[name], inputs[name]) for name in inputs})


def _chosen(table: Table, name: str, wanted: str | tuple[str, ...]) -> list[str]:
    """The columns that are asked for, in the order of the file for a pattern; DataError where there is none."""
    found: list[str] = []
    for each in (wanted,) if isinstance(wanted, str) else wanted:
        fitting = [each] if each in table.columns else [c for c in table.columns if fnmatchcase(c, each)]
        if not fitting:
            hint = did_you_mean(each, table.columns) or f"It has: {_some(table.columns)}."
            raise DataError(f"{table.path}: no column '{each}' for the input '{name}'. {hint}")
        found += [column for column in fitting if column not in found]
    if not found:
        raise DataError(f"{table.path}: the list of columns of the input '{name}' is empty")
    return found


def _some(names: Iterable[str], limit: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def _array(table: Table, names: list[str], settings: Columns, variable: Variable) -> np.ndarray[Any, Any]:
    """The columns as one array: of a name alone the column itself, else one of rows."""
    declared = declared_spec(variable)
    arrays = [convert(table.numbers(name), settings.scale, declared, table, name) for name in names]
    single = isinstance(settings.columns, str) and names == [settings.columns]
    if not single:
        for name, array in zip(names, arrays, strict=True):
            if array.ndim != 1:
                raise DataError(f"{table.path}: the array '{name}' has rank {array.ndim}: name it alone")
        _same_length(table, names, arrays)
        return np.stack(arrays, axis=1)
    array = arrays[0]
    column_wanted = declared is not None and array.ndim == 1 and declared.ndim == 2 and declared.shape[1] in (1, None)
    return array[:, None] if column_wanted else array


def _same_length(table: Table, names: list[str], arrays: list[Any]) -> None:
    for name, array in zip(names, arrays, strict=True):
        if len(array) != len(arrays[0]):
            found = f"'{names[0]}' has {len(arrays[0])} rows, '{name}' has {len(array)}"
            raise DataError(f"{table.path}: columns of one input must be as long: {found}")


def declared_spec(variable: Variable) -> Spec | None:
    """What the input declares; None where it declares nothing."""
    try:
        return variable.spec
    except TypeError:
        return None


def convert(array: Any, scale: float, declared: Spec | None, table: Table, column: str) -> Any:
    """``array * scale`` in the declared dtype, if that can hold it."""
    if scale != 1.0:
        array = array * scale
    dtype: Any = np.dtype(np.float32) if declared is None else declared.dtype
    if dtype.kind in "iub":
        bounds = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        bad = (array != np.floor(array)) | (array < bounds[0]) | (array > bounds[1])
        if bad.any():
            row = tuple(np.argwhere(bad)[0])
            what = f"a whole number from {bounds[0]} to {bounds[1]}"
            raise DataError(f"{table.place(int(row[0]), column)}: expected {what} ({dtype}), found {array[row]:.6g}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if dtype.kind == "f" and not np.isfinite(converted).all():
        row = tuple(np.argwhere(~np.isfinite(converted))[0])
        raise DataError(f"{table.place(int(row[0]), column)}: {array[row]:.6g} is too large for {dtype}")
    return converted


def check_lengths(arrays: Mapping[str, Any]) -> Arrays:
    """``arrays`` as they are, if they have the same number of rows and at least one."""
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
    """The parts, drawn from the seed; the rows to train on keep their order. A part of a row is rounded up."""
    count = rows_of(arrays)
    test = math.ceil(round(settings.test * count, 9))
    validation = math.ceil(round(settings.validation * count, 9))
    if test + validation >= count:
        raise DataError(f"{count} rows cannot be split: {test} for the test and {validation} for validation leave none")
    order = np.random.default_rng(settings.seed).permutation(count)
    parts = np.split(order, [test, test + validation])

    def part(rows: Any) -> Arrays | None:
        return {name: array[np.sort(rows)] for name, array in arrays.items()} if len(rows) else None

    return Data(part(parts[2]) or {}, part(parts[1]), part(parts[0]))
