"""How rows reach a graph: in batches, or one at a time where an input declares the rank of a single sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ourdl_core import Node, Spec, Variable
from ourdl_train.columns import declared_spec
from ourdl_train.data import rows_of
from ourdl_train.rows import DataError, Rows

Run = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Feeding:
    """The inputs to feed, in order, and how many rows at once: None is one row, without a batch dimension."""

    inputs: dict[str, Variable]
    batch: int | None

    def feeds(self, arrays: Mapping[str, Any], order: Any = None, start: int = 0) -> Iterator[tuple[int, list[Any]]]:
        """The number of rows and the values of each step, in ``order``, from its row ``start`` on.

        The last batch may be short. Only the rows of a step are read at a time.
        """
        count = rows_of(arrays)
        size = self.batch or 1
        sources = [_source(arrays[name]) for name in self.inputs]
        for first in range(start, count, size):
            end = min(first + size, count)
            rows: Any = slice(first, end) if order is None else order[first:end]
            if self.batch is None:
                rows = first if order is None else order[first]
            yield end - first, [np.asarray(source[rows]) for source in sources]

    def blame(self, error: Exception, run: Run, arrays: Mapping[str, Any], rows: Any) -> None:
        """Add to ``error`` which of ``rows`` (their numbers) makes ``run`` fail like that, with its place and single values.

        Each row is fed alone until one gives an error of that kind; nothing is added where none does.
        """
        for row in map(int, rows):
            alone = row if self.batch is None else np.array([row])
            values = [np.asarray(arrays[name][alone]) for name in self.inputs]
            try:
                run(values)
            except type(error):
                named = zip(self.inputs, values, strict=True)
                shown = [f"{name} = {value.item()}" for name, value in named if value.size == 1]
                error.add_note(f"  in the data: {', '.join([self._where(arrays, row), *shown])}")
                return

    def not_finite(self, arrays: Mapping[str, Any], rows: Any) -> str | None:
        """The first of ``rows`` (their numbers) in which a value is NaN or infinite, with its place; None where none is."""
        for row in map(int, rows):
            for name in self.inputs:
                values = np.asarray(arrays[name][row])
                bad = [] if values.dtype.kind not in "fc" else values[~np.isfinite(values)]
                if len(bad):
                    return f"{self._where(arrays, row)}, {name} is {bad[0]}"
        return None

    def _where(self, arrays: Mapping[str, Any], row: int) -> str:
        """Where a row stands: in each file that it comes from."""
        rows = [arrays[name] for name in self.inputs if isinstance(arrays[name], Rows)]
        places = dict.fromkeys(each.where(row) for each in rows if each.place is not None)
        return " and ".join(places) or f"row {row} (from 0)"


def _source(array: Any) -> Any:
    """What a batch is read from: an array as Rows, which are read faster; anything else as it is."""
    return Rows(array) if isinstance(array, np.ndarray) else array


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
    for name, variable in inputs.items():
        _check_batch(name, declared_spec(variable), single[name], len(arrays[name]), batch)
    return Feeding(inputs, None if True in single.values() else batch)


def _check_batch(name: str, declared: Spec | None, single: bool, count: int, batch: int) -> None:
    """A size that is declared for the batch must be that of every batch, also of the last."""
    size = None if declared is None or single or not declared.shape else declared.shape[0]
    if size is not None and (count % size or size != min(batch, count)):
        what = f"the input '{name}' declares a batch of {size}, and {count} rows in batches of {batch} make others too"
        raise DataError(f"{what}: write \"batch\" in the place of {size}")


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
