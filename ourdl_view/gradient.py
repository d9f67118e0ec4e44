"""The gradient of a node as the steps of a Program: what its op's rule comes to for inputs like these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ourdl_core import Node, Program, context, pullback
from ourdl_core.node import Constant, Variable, make_node
from ourdl_core.op import outputs_of
from ourdl_core.plan import laying_out
from ourdl_view.facts import slot_name
from ourdl_view.text import lines_of
from ourdl_view.types import Types

# Different gradients that are worked out for one page, and lines of each that are shown.
MOST_GRADIENTS, MOST_LINES = 300, 80


class Gradients:
    """The texts of gradients; nodes of one op on inputs of the same types share theirs."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._texts: dict[Any, str] = {}

    def of(self, node: Node) -> str:
        """The text for a node; empty where there is nothing to tell."""
        if node.op is None or not self._types.of(node):
            return ""
        given = [p if p is None or isinstance(p, Constant) else self._types.stand_in(p) for p in node.parents]
        key = node.op, tuple(p._spec if isinstance(p, Variable) else p for p in given)
        if key not in self._texts:
            if len(self._texts) >= MOST_GRADIENTS:
                return "not worked out: there are many different nodes in this page"
            self._texts[key] = _text(node, given)
        return self._texts[key]


def _text(node: Node, given: Sequence[Node | None]) -> str:
    """The gradients of all floating inputs in one Program; the message where there is an error."""
    try:
        with laying_out, context.hidden():
            text = str(_program(node, given))
    except Exception as error:  # a page is made for graphs with mistakes too, and for ops that have no gradient
        return lines_of(f"none: {error}")
    lines = lines_of(text).split("\n")
    more = len(lines) - MOST_LINES
    return "\n".join(lines if more <= 0 else [*lines[:MOST_LINES], f"  … {more} more lines"])


def _program(node: Node, given: Sequence[Node | None]) -> Program:
    op: Any = node.op
    copy = make_node(op, tuple(given))
    copy._made, copy._label, copy._names = {}, context.Label(node.kind.lower()), node._names
    inputs = {slot_name(op, i): variable for i, variable in enumerate(given) if isinstance(variable, Variable)}
    for name, variable in inputs.items():
        variable._label = context.Label(name)
    outputs = [each for each in outputs_of(copy) if each.spec.floating]
    seeds = {"g" if len(outputs) == 1 else f"g{i}": _seed(each) for i, each in enumerate(outputs)}
    wanted = {name: variable for name, variable in inputs.items() if variable.spec.floating}
    if not wanted or not outputs:
        raise TypeError(f"{node.kind} has no floating input" if outputs else f"the output of {node.kind} is not floating")
    found = pullback(outputs, list(wanted.values()), list(seeds.values()))
    gradients = {name: each for name, each in zip(wanted, found, strict=True) if each is not None}
    return Program({**seeds, **inputs}, gradients, mode="training")


def _seed(output: Node) -> Variable:
    """What comes from below: the gradient of the result with respect to this output."""
    variable = Variable()
    variable._spec = output.spec
    return variable
