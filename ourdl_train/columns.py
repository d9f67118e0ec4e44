"""The columns of a table as the rows of inputs: converted at once or, where an array is large, when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np

from ourdl_core import Spec, Variable
from ourdl_core.errors import did_you_mean
from ourdl_train.data_settings import Columns
from ourdl_train.rows import Conversion, DataError, Rows
from ourdl_train.tables import Table

WHOLE = 2**26  # bytes: what takes less is read at once, so that what is wrong with it is told before training


def chosen_columns(table: Table, name: str, wanted: str | tuple[str, ...] | None) -> list[str]:
    """The columns that are asked for, in the order of the file for a pattern; DataError where there is none."""
    if not table.names:
        return [name]
    found: dict[str, None] = {}  # in their order
    names = set(table.names)
    for each in (name,) if wanted is None else (wanted,) if isinstance(wanted, str) else wanted:
        fitting = [each] if each in names else [c for c in table.names if fnmatchcase(c, each)]
        if not fitting:
            hint = did_you_mean(each, table.names) or f"It has: {_some(table.names)}.{_first_line(table)}"
            raise DataError(f"{table.path}: no {table.noun} '{each}' for the input '{name}'. {hint}")
        found.update(dict.fromkeys(fitting))
    if not found:
        raise DataError(f"{table.path}: the list of columns of the input '{name}' is empty")
    return list(found)


def _first_line(table: Table) -> str:
    """What may be wrong where numbers stand in the place of names."""
    numbers = [name for name in table.names if name.replace(".", "", 1).isdecimal()]
    return " The first line must name the columns." if numbers and table.noun == "column" else ""


def _some(names: Iterable[str], limit: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def rows_of_inputs(
    table: Table, chosen: Mapping[str, list[str]], columns: Mapping[str, Columns], inputs: Mapping[str, Variable]
) -> dict[str, Rows]:
    """The rows of the inputs that are in one file."""
    wanted = {(column, columns[name].classes) for name, listed in chosen.items() for column in listed}
    values = table.read(wanted)
    found = {}
    for name, listed in chosen.items():
        arrays = [values[column, columns[name].classes] for column in listed]
        found[name] = _rows(table, listed, arrays, columns[name], declared_spec(inputs[name]))
    return found


def _rows(table: Table, names: list[str], arrays: list[Any], settings: Columns, declared: Spec | None) -> Rows:
    """The columns as the rows of an input: of a name alone the column itself, else one row of all."""
    conversion = Conversion(np.dtype(np.float32) if declared is None else declared.dtype, settings.scale)
    if table.names and (isinstance(settings.columns, tuple) or names != [settings.columns or names[0]]):
        return Rows(_stacked(table, names, arrays, conversion), place=table.place)
    array = arrays[0]
    if declared is not None and array.ndim == 1 and declared.ndim == 2 and declared.shape[1] in (1, None):
        array = array[:, None]
    rows = Rows(array, convert=conversion, place=partial(table.place, column=names[0]), guard=_guard(table, arrays[0]))
    return rows if rows.nbytes > WHOLE else Rows(rows[:], place=table.place)


def _guard(table: Table, array: Any) -> Any:
    return table.guard() if isinstance(array, np.memmap) else None


def _stacked(table: Table, names: list[str], arrays: list[Any], conversion: Conversion) -> Any:
    """Several columns side by side, converted."""
    for name, array in zip(names, arrays, strict=True):
        if array.ndim != 1:
            raise DataError(f"{table.path}: the array '{name}' has rank {array.ndim}: name it alone")
        if len(array) != len(arrays[0]):
            found = f"'{names[0]}' has {len(arrays[0])} rows, '{name}' has {len(array)}"
            raise DataError(f"{table.path}: columns of one input must be as long: {found}")
    rows: Any = np.empty((len(arrays[0]), len(arrays)), conversion.dtype)
    for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
        rows[:, i] = conversion(array, partial(table.place, column=name))
    return rows


def declared_spec(variable: Variable) -> Spec | None:
    """What the input declares; None where it declares nothing."""
    try:
        return variable.spec
    except TypeError:
        return None
