"""Where a number that is not finite came from: the first node of the graph whose value, or gradient, is NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ourdl_core import Node, Program, Variable, grad
from ourdl_core.node import Output, order_of
from ourdl_core.op import outputs_of

ADVICE = "Try a smaller lr, scale the inputs, or look for an op that is outside its domain."


def is_finite(value: Any) -> bool:
    """Whether a number or every number of an array is finite; whole numbers are."""
    array = np.asarray(value)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def diagnose(loss: Node, inputs: Mapping[str, Variable], state: Mapping[str, Any], values: Sequence[Any]) -> str:
    """What to tell of a step that gave no finite loss or parameters, for the state before it and its input values."""
    found = _values_of_variables(loss, state)
    found.update(zip(inputs.values(), values, strict=True))
    nodes = [each for node in order_of([loss]) if node.op is not None for each in outputs_of(node)]
    program = Program(inputs, nodes, mode="training")
    computed, _ = program(state, *values)
    found.update(zip(nodes, computed, strict=True))
    origin = _origin(loss, found)
    return _told(origin, found) if origin is not None else _of_gradients(loss, inputs, state, values, found)


def _values_of_variables(loss: Node, state: Mapping[str, Any]) -> dict[Node, Any]:
    variables = [node for node in order_of([loss]) if isinstance(node, Variable)]
    return {variable: state[str(variable.name)] for variable in variables if str(variable.name) in state}


def _origin(loss: Node, found: Mapping[Node, Any]) -> Node | None:
    """The first node that is not finite: of NaN where the loss is NaN, else of infinity; None where all are finite."""
    order = order_of([loss])
    bad = np.isnan if _any(np.isnan, found.get(loss)) else np.isinf
    return next((node for node in order if node in found and _any(bad, found[node])), None)


def _any(test: Any, value: Any) -> bool:
    array = np.asarray(0 if value is None else value)
    return array.dtype.kind in "fc" and bool(test(array).any())


def _told(node: Node, found: Mapping[Node, Any]) -> str:
    """The node, what is wrong with it, what it was computed from; and where an infinity among that came from."""
    said = f"the first node that is not finite is {called(node)}: {summary(found[node])}"
    if isinstance(node, Variable):
        return f"{said}; it is given from outside, so look at the data, or at the values that training began with"
    lines = [said, *_parents(node, found)]
    source = _origin_of_infinity(node, found)
    if source is not None:
        lines += [f"the infinity came from {called(source)}: {summary(found[source])}", *_parents(source, found)]
    return "\n".join([*lines, ADVICE])


def _parents(node: Node, found: Mapping[Node, Any]) -> list[str]:
    parents = (node.parents[0] or node).parents if isinstance(node, Output) else node.parents
    known = dict.fromkeys(each for each in parents if each is not None and each in found)
    return [f"  of {called(each)}: {summary(found[each])}" for each in known]


def _origin_of_infinity(node: Node, found: Mapping[Node, Any]) -> Node | None:
    """The first ancestor that is infinite although all that it is computed from is finite."""
    for each in order_of([node])[:-1]:
        if each in found and not isinstance(each, Variable) and _any(np.isinf, found[each]):
            return each
    return None


def _of_gradients(
    loss: Node,
    inputs: Mapping[str, Variable],
    state: Mapping[str, Any],
    values: Sequence[Any],
    found: Mapping[Node, Any],
) -> str:
    """The values are finite: the last node, seen from the loss, whose gradient is not."""
    wanted = [node for node in found if node not in inputs.values() and np.asarray(found[node]).dtype.kind == "f"]
    gradients = [(node, gradient) for node, gradient in zip(wanted, grad(loss, wanted), strict=True) if gradient is not None]
    computed, _ = Program(inputs, [gradient for _, gradient in gradients], mode="training")(state, *values)
    place = {node: i for i, node in enumerate(order_of([loss]))}
    backwards = sorted(zip((n for n, _ in gradients), computed, strict=True), key=lambda pair: -place[pair[0]])
    for node, value in backwards:
        if not is_finite(value):
            lines = [f"the first gradient that is not finite is that of {called(node)}: {summary(value)}"]
            return "\n".join([*lines, f"  whose value is {summary(found[node])}", *_uses(node, loss, found), ADVICE])
    return f"values and gradients are finite: the step of the optimizer made a parameter too large\n{ADVICE}"


def _uses(node: Node, loss: Node, found: Mapping[Node, Any]) -> list[str]:
    users = [each for each in order_of([loss]) if node in each.parents and each in found]
    return [f"  used by {called(each)}: {summary(found[each])}" for each in users[:3]]


def called(node: Node) -> str:
    """The kind of a node, its name and where it was built."""
    said = node.describe()
    return said if isinstance(node, Variable) or said.startswith(node.kind) else f"{node.kind} {said}"


def summary(value: Any) -> str:
    """A value in a few words: ``float32[32, 10], from -1.2 to 3, 4 NaN``."""
    array = np.asarray(value)
    said = f"{array.dtype}{list(array.shape)}" if array.ndim else str(array.dtype)
    if array.size == 0:
        return f"{said}, empty"
    if array.dtype.kind not in "fc":
        return f"{said}, from {array.min()} to {array.max()}"
    finite = array[np.isfinite(array)]
    low_high = "no finite value" if not finite.size else f"from {finite.min():.4g} to {finite.max():.4g}"
    counts = {"NaN": np.isnan(array), "inf": array == np.inf, "-inf": array == -np.inf}
    bad = [f"{np.sum(where):,} {name}" for name, where in counts.items() if where.any()]
    return ", ".join([said, low_high, *bad])
