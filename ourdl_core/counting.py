"""How much work ops are: multiply-adds, found from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_core import context
from ourdl_core.arrays import Spec
from ourdl_core.infer import names_of, placeholder, traced_body
from ourdl_core.node import Node, order_of

if TYPE_CHECKING:
    from ourdl_core.function import Function


def multiply_adds_of_body(op: Any, specs: Sequence[Spec | None]) -> int:
    """Those of a composite: of the ops that its body is made of."""
    with traced_body(op, specs) as results:
        return _sum(results)


def multiply_adds_of_function(function: Function, specs: Sequence[Spec]) -> int:
    """Those of one run of a Function on inputs of these specs."""
    with context.hidden():
        return _sum(function(*map(placeholder, specs)))


def multiply_adds_of_node(node: Node, specs: Sequence[Spec | None]) -> int:
    """Those of the op of ``node`` on parents of these specs."""
    assert node.op is not None
    with names_of(node):
        found = node.op.multiply_adds(*specs)
    if not isinstance(found, (int, np.integer)) or found < 0:
        raise TypeError(f"{node.kind}.multiply_adds returned {found!r:.60}, expected a whole number")
    return int(found)


def _sum(outputs: Iterable[Node]) -> int:
    """Those of all that ``outputs`` are computed from, each node once."""
    nodes = [node for node in order_of(outputs) if node.op is not None]
    return sum(multiply_adds_of_node(node, [None if p is None else p.spec for p in node.parents]) for node in nodes)
