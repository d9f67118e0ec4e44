"""Values: which array library they belong to, and what is known of them (shape and dtype) before they exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ourdl_core.numbers import NUMBER_TYPES, number_namespace

_DTYPE_OF_NUMBER = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(np.float64)}


def namespace(*values: Any) -> Any:
    """The array API namespace of ``values``: NumPy, or the library of the first array that is not NumPy's.

    Of Python numbers alone it is a namespace of Python numbers. ``None`` (an absent optional input) does not count.
    """
    if NUMBER_TYPES.issuperset(map(type, values)):
        return number_namespace
    found: Any = None
    for value in values:
        kind = type(value)
        if kind is np.ndarray:
            found = np
        elif kind is Spec:
            if not value.number:
                library = value.library
                if library is not None and library is not np:
                    return library
                found = np
        elif kind not in NUMBER_TYPES and value is not None:
            library = getattr(value, "__array_namespace__", None)
            if library is not None and not isinstance(value, np.generic):
                return library()
            found = np
    return number_namespace if found is None else found


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of a value before it exists: ``shape`` (``None`` for a size not yet known) and ``dtype``.

    ``number`` says that it is a plain Python number (bool, int or float), which never widens an array. An op receives a
    Spec for an input that it declares ``ShapeOnly``; ``namespace`` then finds the array library in it.
    """

    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    number: bool = False
    library: Any = field(default=None, compare=False, repr=False)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def floating(self) -> bool:
        """Whether a gradient can flow through such a value: floating arrays, and Python numbers but bool."""
        return self.dtype.kind in "fc" or (self.number and self.dtype.kind != "b")

    def unsized(self) -> Spec:
        """The same rank and dtype, with every size unknown."""
        return self if self.number else one_spec((None,) * len(self.shape), self.dtype)

    def __str__(self) -> str:
        if self.number:
            return f"Python {'bool' if self.dtype.kind == 'b' else 'int' if self.dtype.kind == 'i' else 'float'}"
        return f"{self.dtype}[{', '.join('?' if n is None else str(n) for n in self.shape)}]"


def dtype_of(value: Any) -> np.dtype[Any]:
    """The NumPy dtype of an array of any library or of a Python number."""
    if type(value) in NUMBER_TYPES:
        return _DTYPE_OF_NUMBER[type(value)]
    dtype = value.dtype
    return dtype if isinstance(dtype, np.dtype) else np.dtype(str(dtype).rpartition(".")[2])


def spec_of(value: Any) -> Spec:
    """The spec of a value that exists."""
    found = _SPEC_OF_NUMBER.get(type(value))
    return one_spec(tuple(value.shape), dtype_of(value)) if found is None else found


@lru_cache(maxsize=1024)
def one_spec(shape: tuple[int | None, ...], dtype: np.dtype[Any]) -> Spec:
    """The spec of arrays of this shape and dtype: one object for equal ones, which are then quick to tell."""
    return Spec(shape, dtype)


_SPEC_OF_NUMBER = {kind: Spec((), dtype, number=True) for kind, dtype in _DTYPE_OF_NUMBER.items()}


def as_value(value: Any, what: Any = "a value", copy: bool = True) -> Any:
    """``value`` as something that a graph computes with: a Python number, or an array of any array-API library.

    Lists and NumPy scalars become NumPy arrays; NumPy arrays are copied, so that a later write by the caller cannot
    change a value that the graph has used. Raises TypeError for what is not numeric.
    """
    if type(value) in NUMBER_TYPES:
        return value
    if hasattr(value, "__array_namespace__") and not isinstance(value, (np.ndarray, np.generic)):
        return value
    if type(value) is np.ndarray and not copy and value.dtype.kind in "biufc":
        return value
    try:
        array = np.array(value)
    except ValueError as error:
        what = what if isinstance(what, str) else f"the value of {what.describe()}"
        raise TypeError(f"{what} must be a number or an array, found {type(value).__name__}: {error}") from None
    if array.dtype.kind not in "biufc":
        what = what if isinstance(what, str) else f"the value of {what.describe()}"
        raise TypeError(f"{what} must be a number or a numeric array, found {type(value).__name__} {value!r:.60}")
    array.flags.writeable = False
    return array


def dtype_in(library: Any, dtype: Any) -> Any:
    """A NumPy dtype (or its name) as the array library names it."""
    dtype = np.dtype(dtype)
    return dtype if library is np or library is number_namespace else getattr(library, dtype.name)


def library_of(values: Any) -> Any:
    """The namespace that a list of values is computed with; NumPy where there are only Python numbers."""
    found = namespace(*values)
    return np if found is number_namespace else found
