"""Variables and constants as rows of a tree: shapes with the names of their sizes, numbers as short as they can be."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.attributes import Field
from ourdl_core.infer import UndeclaredError
from ourdl_core.initializers import InitializerName, initializer
from ourdl_core.node import Node, Variable
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.tables import plain


class SizeNames:
    """Names for sizes that vary: those that Variables give them, else ``n0``, ``n1``, each for one size."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        given = (node.sizes for node in nodes if isinstance(node, Variable) and node.sizes is not None)
        self._taken = {size for sizes in given for size in sizes if isinstance(size, str)}
        self._count = 0

    def shape(self, sizes: Iterable[int | str | None]) -> list[int | str]:
        """A shape as a file has it: numbers and names."""
        return [self._next() if size is None else size for size in sizes]

    def _next(self) -> str:
        while True:
            name = f"n{self._count}"
            self._count += 1
            if name not in self._taken:
                return name


def declaration(node: Node, sizes: SizeNames) -> dict[str, Any]:
    """Shape and dtype of an input of a function, as far as they are known; a number has none."""
    if isinstance(node, Variable) and (node.sizes is not None or (node._spec is None and node._rule is None)):
        spec = node._spec
    else:
        spec = None
        with suppress(UndeclaredError):
            spec = node.spec
    if spec is None or spec.number:
        return {}
    return _declared(spec, sizes, node.sizes if isinstance(node, Variable) else None)


def _declared(spec: Spec, sizes: SizeNames, names: Any) -> dict[str, Any]:
    return {"shape": sizes.shape(spec.shape if names is None else names), "dtype": spec.dtype.name}


def variable_row(node: Variable, sizes: SizeNames, defaults: bool = False) -> dict[str, Any]:
    """The row of an input or of a parameter. What an input holds is fed to it, and no part of the graph."""
    row: dict[str, Any] = {}
    if node.sizes is not None and node._spec is not None:
        row.update(_declared(node._spec, sizes, node.sizes))
    elif node.made is not None and node._rule is not None:  # made by an op that is not in the tree
        row.update(_declared(node.spec, sizes, None))
    if node.made is not None and node.made.kind != "parameter":
        row["kind"] = node.made.kind
    if node.made is not None and node.made.init is not None:
        op = None if node._rule is None else node._rule[1]
        field = Field("init", InitializerName, None)
        row["init"] = plain(initializer(node.made.init_of(op)), field, defaults)
    if node._value is not None and (node.trained or node.made is not None):
        row.update(_held(node._value, "shape" in row))
    return row


def _held(value: Any, declared: bool) -> dict[str, Any]:
    """The value of a parameter or state: as a number, or as an array of a shape and dtype."""
    if type(value) in NUMBER_TYPES:
        return {"value": value}
    kind = {} if declared else {"shape": list(np.shape(value)), "dtype": spec_of(value).dtype.name}
    return {**kind, "value": listed(value)}


def constant_row(value: Any) -> dict[str, Any]:
    """The row of an array that is written into the graph."""
    array = np.asarray(value)
    shape = {"shape": list(array.shape)} if 0 in array.shape else {}
    return {"dtype": array.dtype.name, **shape, "value": listed(array)}


def listed(value: Any) -> Any:
    """An array as nested lists of numbers, from which NumPy makes the same array of the same dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise ValueError(f"an array of {array.dtype} cannot be written: a file holds numbers of up to 64 bits, none complex")
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        short = np.array([float(str(each)) for each in array.ravel()]).reshape(array.shape)
        array = short if np.array_equal(short.astype(array.dtype), array, equal_nan=True) else array.astype(np.float64)
    return array.tolist()
