"""The order in which a graph is worked through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ourdl_core.node import Node


def order_of(outputs: Iterable[Node], stop: Any = (), border: type[Node] | None = None) -> list[Node]:
    """Every ancestor of ``outputs`` and themselves, parents first, each once.

    Not beyond the nodes in ``stop`` and those of the class ``border``.
    """
    order: list[Node] = []
    seen: set[Node | None] = {None}
    for output in outputs:
        stack: list[Node | None] = [output]
        while stack:
            node = stack.pop()
            if node is None:  # what stands below it has all its parents in the order
                order.append(stack.pop())  # type: ignore[arg-type]
            elif node not in seen:
                seen.add(node)
                parents = node.parents
                if not parents or type(node) is border or (stop and node in stop):
                    order.append(node)
                    continue
                stack += (node, None)
                for parent in parents[::-1]:
                    if parent not in seen:
                        stack.append(parent)
    return order
