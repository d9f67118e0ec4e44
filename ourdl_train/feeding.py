"""How rows reach a graph: in batches, or one at a time where an input declares the rank of a single sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ourdl_core import Node, Variable
from ourdl_train.data import declared_spec, rows_of
from ourdl_train.tables import DataError


@dataclass(frozen=True)
class Feeding:
    """The inputs to feed, in order, and how many rows at once: None is one row, without a batch dimension."""

    inputs: dict[str, Variable]
    batch: int | None

    def feeds(self, arrays: Mapping[str, Any], order: Any = None) -> Iterator[tuple[int, list[Any]]]:
        """The number of rows and the values of each step, in ``order``; the last batch may be short."""
        count = rows_of(arrays)
        size = self.batch or 1
        for start in range(0, count, size):
            end = min(start + size, count)
            rows: Any = slice(start, end) if order is None else order[start:end]
            if self.batch is None:
                rows = start if order is None else order[start]
            yield end - start, [np.asarray(arrays[name][rows]) for name in self.inputs]


def feeding(inputs: dict[str, Variable], arrays: Mapping[str, Any], batch: int) -> Feeding:
    """How ``inputs`` are fed, by the ranks that they declare; DataError where data and declarations do not fit."""
    single = {}
    for name, variable in inputs.items():
        if name not in arrays:
            raise DataError(f"the input '{name}' has no data")
        single[name] = _is_single(name, variable, arrays[name])
    if len(set(single.values())) > 1:
        one = ", ".join(f"'{name}'" for name, alone in single.items() if alone)
        many = ", ".join(f"'{name}'" for name, alone in single.items() if not alone)
        raise DataError(
            f"{one} declares the shape of one sample and {many} that of a batch: give all a batch dimension, as "
            'shape = ["batch"], or none'
        )
    return Feeding(inputs, None if True in single.values() else batch)


def _is_single(name: str, variable: Variable, array: Any) -> bool:
    declared = declared_spec(variable)
    if declared is None:
        return False
    rank, sample = declared.ndim, array.ndim - 1
    if rank not in (sample, sample + 1):
        raise DataError(
            f"the input '{name}' declares rank {rank} ({declared}), its data has rank {sample} a row: "
            f"declare shape {_advice(array.shape)}"
        )
    sizes = declared.shape[rank - sample :]
    if any(want not in (None, found) for want, found in zip(sizes, array.shape[1:], strict=True)):
        raise DataError(
            f"the input '{name}' declares {declared}, its data has {list(array.shape[1:])} a row: "
            f"declare shape {_advice(array.shape)}, or choose other columns"
        )
    return rank == sample


def _advice(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(['"batch"', *map(str, shape[1:])]) + "]"


def ancestors(*nodes: Node) -> set[Node]:
    """Everything that ``nodes`` are computed from, and themselves."""
    found: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(parent for parent in node.parents if parent is not None)
    return found
