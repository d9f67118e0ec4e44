"""The plain executor: a loop over the steps of a Program. The model implementation that others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.infer import checked, infer
from ourdl_core.numbers import NUMBER_TYPES, to_number

if TYPE_CHECKING:
    from ourdl_core.layout import Layout
    from ourdl_core.node import Node

_FINISHED = frozenset((np.ndarray, float, int, bool, Spec))


def executable(layout: Layout, library: Any) -> Callable[[list[Any]], list[Any]]:
    """The function from the values of a layout's leaves to its outputs; it keeps nothing between runs."""
    if layout.scalar:
        return partial(run, layout)
    if library is not np:
        return lambda leaves: run(layout, [library.asarray(v) if type(v) is np.ndarray else v for v in leaves])

    def quiet(leaves: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return run(layout, leaves)

    return quiet


def run(layout: Layout, leaves: list[Any]) -> list[Any]:
    """Run every step once; a value is let go after its last use."""
    values = leaves + layout.rest
    for function, inputs, output, dead, node in layout.steps:
        try:
            value = function(*inputs(values))
        except Exception as error:
            value = _recover(function, inputs(values), node, error)
        if type(value) not in _FINISHED:
            value = finish(value, inputs(values), node)
        values[output] = value
        if dead:
            for i in dead:
                values[i] = None
    return [values[i] for i in layout.outputs]


def finish(value: Any, inputs: Sequence[Any], node: Node | None) -> Any:
    """A computed value as a graph holds it: NumPy scalars are 0-d arrays again, or Python numbers where all inputs are."""
    if node is not None and node.op is not None:
        try:
            checked(node.op, value)
        except TypeError as error:
            error.add_note(f"  in {node.describe()}")
            raise
    if type(value) is tuple:
        return tuple(each if type(each) in _FINISHED else finish(each, inputs, None) for each in value)
    if isinstance(value, np.generic):
        return value.item() if inputs and all(type(v) in NUMBER_TYPES for v in inputs) else np.asarray(value)
    return value


def _recover(function: Callable[..., Any], inputs: Sequence[Any], node: Node | None, error: Exception) -> Any:
    """Python arithmetic raises where arrays answer inf or nan: ask the arrays. Anything else is an error of that node."""
    if isinstance(error, ArithmeticError) and all(type(v) in NUMBER_TYPES for v in inputs):
        with suppress(OverflowError), np.errstate(all="ignore"):  # a whole number may be too large for an array
            return to_number(function(*(np.asarray(v, np.float64) for v in inputs)))
    if node is None or node.op is None:
        raise error
    error.add_note(f"  in {node.describe()}, of {', '.join(_shown(v) for v in inputs) or 'no inputs'}")
    _say_by_rule(node, inputs, error)
    raise error


def _say_by_rule(node: Node, inputs: Sequence[Any], error: Exception) -> None:
    """Where the op has a rule for shapes, and these break it, the rule says it better than the array library."""
    op = node.op
    if op is None or not op.has_shape_rule:
        return
    specs = tuple(None if v is None else v if type(v) is Spec else spec_of(v) for v in inputs)
    try:
        infer(op, specs)
    except ValueError as clear:
        clear.add_note(f"  in {node.describe()}")
        raise clear from error
    except Exception:
        return


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value if type(value) is Spec else spec_of(value))
