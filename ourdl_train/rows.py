"""Rows of data that are read when they are asked for: chosen from an array or a mapped file, then checked and converted."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class DataError(ValueError):
    """A file of data, or arrays that were given, are not what the graph needs; the message says where."""


Place = Callable[[int], str]  # where a row stands, by its number in the file from 0


class Rows:
    """An array whose rows are read when they are asked for: ``rows[3]``, ``rows[2:5]`` or ``rows[indices]`` gives an array.

    ``base`` holds the rows along its first axis, in memory or in a mapped file; ``index`` says which of them there are, in
    what order (all, without it). ``convert`` is done to what was read, and only to that. So neither ``part`` nor a batch
    copies the other rows. ``np.asarray(rows)`` reads all of them.
    """

    __slots__ = ("_take", "base", "convert", "dtype", "guard", "index", "place", "shape")

    def __init__(
        self,
        base: Any,
        index: Any = None,
        *,
        convert: Conversion | None = None,
        place: Place | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        self.base = np.asarray(base)
        self.index = index
        self.convert = convert
        self.place = place
        self.guard = guard
        count = len(self.base) if index is None else len(index)
        self.shape: tuple[int, ...] = (count, *self.base.shape[1:])
        self.dtype: np.dtype[Any] = self.base.dtype if convert is None else convert.dtype
        flags = self.base.flags
        # take is four times as fast as an index, but copies the whole array first where it does not lie in memory like this
        self._take = self.base.ndim > 1 and flags.c_contiguous and flags.aligned

    @property
    def ndim(self) -> int:
        """The rank, with that of the rows."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes all rows would take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        """One row (a whole number), or several (a slice, an array of whole numbers), as ``base[index][rows]`` gives them."""
        if not isinstance(rows, (np.ndarray, slice)):
            rows = operator.index(rows)
        chosen = rows if self.index is None else self.index[rows]
        if self.guard is not None:
            self.guard()
        found = self.base.take(chosen, 0) if self._take and type(chosen) is np.ndarray else self.base[chosen]
        return np.asarray(found if self.convert is None else self._converted(found, chosen))

    def _converted(self, found: Any, chosen: Any) -> Any:
        """What was ``found`` at the rows that were ``chosen``, converted."""
        assert self.convert is not None
        several = isinstance(chosen, (np.ndarray, slice))
        converted = self.convert(found if several else np.asarray(found)[None], lambda i: self._told(chosen, i))
        return converted if several else converted[0]

    def _told(self, chosen: Any, i: int) -> str:
        """Where the row ``i`` of those that were ``chosen`` stands."""
        numbers = np.atleast_1d(np.arange(len(self.base))[chosen])
        return f"row {numbers[i]}" if self.place is None else self.place(int(numbers[i]))

    def part(self, index: Any) -> Rows:
        """The rows of these numbers, in their order; nothing is read."""
        chosen = index if self.index is None else self.index[index]
        return Rows(self.base, chosen, convert=self.convert, place=self.place, guard=self.guard)

    def where(self, row: int) -> str:
        """Where the row of this number stands, as a person finds it in the file."""
        return self._told(row if self.index is None else int(self.index[row]), 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("Rows are read from a file: they are no array without a copy")
        found = self[:]
        return found if dtype is None else found.astype(dtype)

    def __repr__(self) -> str:
        return f"Rows({self.dtype}{list(self.shape)})"


@dataclass(frozen=True)
class Conversion:
    """What is done to values that were read: they must be finite, are multiplied by ``scale``, and must fit ``dtype``.

    An integer dtype wants whole numbers within its range; a floating one, values that are not too large for it.
    """

    dtype: np.dtype[Any]
    scale: float = 1.0

    def __call__(self, values: Any, place: Place) -> np.ndarray[Any, Any]:
        """``values`` converted; DataError with the ``place`` of the first row that does not fit."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row, value = _first(~np.isfinite(values), values)
            found = "not a number (NaN)" if np.isnan(value) else "infinite"
            raise DataError(f"{place(row)}: the value is {found}; values must be finite")
        if self.scale != 1.0:
            values = values * self.scale
        if values.dtype == self.dtype:
            return values
        if self.dtype.kind in "iub":
            self._check_whole(values, place)
            return values.astype(self.dtype)
        with np.errstate(over="ignore"):
            converted = values.astype(self.dtype)
        if not np.can_cast(values.dtype, self.dtype):
            self._check_finite(converted, values, place)
        return converted

    def _check_whole(self, values: Any, place: Place) -> None:
        if np.can_cast(values.dtype, self.dtype):
            return
        low, high = (0, 1) if self.dtype.kind == "b" else (np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
        wide = values.astype(np.float64) if values.dtype.kind == "f" else values
        bad = (wide != np.floor(wide)) | (wide < low) | (wide >= high + 1)  # 2.0**63 is not > 2**63 - 1
        if bad.any():
            row, value = _first(bad, values)
            what = f"a whole number from {low} to {high}"
            raise DataError(f"{place(row)}: expected {what} ({self.dtype}), found {value:.6g}")

    def _check_finite(self, converted: Any, values: Any, place: Place) -> None:
        if not np.isfinite(converted).all():
            row, value = _first(~np.isfinite(converted), values)
            raise DataError(f"{place(row)}: {value:.6g} is too large for {self.dtype}")


def _first(bad: Any, values: Any) -> tuple[int, Any]:
    """The row of the first value that is ``bad``, and the value."""
    found = tuple(np.argwhere(bad)[0])
    return int(found[0]), values[found]
