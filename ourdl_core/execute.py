"""The plain executor: a loop over the steps of a Program. The model implementation that others are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_core.arrays import Spec
from ourdl_core.kernels import bind
from ourdl_core.numbers import NUMBER_TYPES, to_number

if TYPE_CHECKING:
    from ourdl_core.layout import Layout, Step

__all__ = ["bind", "plain", "run"]

_FINISHED = frozenset((np.ndarray, float, int, bool, Spec))


def plain(layout: Layout) -> Callable[[list[Any]], list[Any]]:
    """The function from the values of a layout's leaves to its outputs; it keeps nothing between runs."""
    if layout.scalar:
        return lambda leaves: run(layout, leaves)

    def quiet(leaves: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return run(layout, leaves)

    return quiet


def run(layout: Layout, leaves: list[Any]) -> list[Any]:
    """Run every step once; a value is let go after its last use."""
    values = leaves + layout.rest
    for step in layout.steps:
        function, inputs, output, dead, _ = step
        try:
            value = function(*[values[i] for i in inputs])
        except Exception as error:
            value = _recover(step, [values[i] for i in inputs], error)
        if type(value) not in _FINISHED:
            value = finish(value, [values[i] for i in inputs])
        values[output] = value
        for i in dead:
            values[i] = None
    return [values[i] for i in layout.outputs]


def finish(value: Any, inputs: list[Any]) -> Any:
    """A computed value as a graph holds it: NumPy scalars are 0-d arrays again, or Python numbers where all inputs are."""
    if type(value) is tuple:
        return tuple(each if type(each) in _FINISHED else finish(each, inputs) for each in value)
    if isinstance(value, np.generic):
        return value.item() if inputs and all(type(v) in NUMBER_TYPES for v in inputs) else np.asarray(value)
    return value


def _recover(step: Step, inputs: list[Any], error: Exception) -> Any:
    """Python arithmetic raises where arrays answer inf or nan: ask the arrays. Anything else is an error of that node."""
    if isinstance(error, ArithmeticError) and all(type(v) in NUMBER_TYPES for v in inputs):
        with np.errstate(all="ignore"):
            return to_number(step.function(*(np.asarray(v, np.float64) for v in inputs)))
    error.add_note(f"  in {step.node.describe()}" if step.node is not None else "  in a shape")
    raise error
