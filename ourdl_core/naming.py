"""Names of nodes: unique where they belong together, generated where nobody gave one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ourdl_core.context import Label
from ourdl_core.node import Node, Variable, order_of


def free_name(word: str, taken: dict[str, int]) -> str:
    """``word_1``, ``word_2``, ...: the first that is not taken (and is from now on)."""
    while True:
        number = taken[word] = taken.get(word, 0) + 1
        name = f"{word}_{number}"
        if name not in taken:
            taken[name] = 1
            return name


def output_named(name: str, find: Callable[[str], Node | None]) -> Node | None:
    """The output that ``node[1]`` stands for, where ``find`` knows the node; None where there is no such output."""
    base, _, index = name[:-1].rpartition("[")
    node = None if base.endswith("]") else find(base)
    if node is None or not (index.isascii() and index.isdecimal()) or len(index) > 9 or int(index) >= len(node.outputs):
        return None
    return node.outputs[int(index)]


def adopt(outputs: Iterable[Node]) -> None:
    """Name the ancestors of ``outputs`` that hold values and have no name: Variables, and ops that made some.

    A name stays with the node, so that the Programs of one graph agree on the names of its parameters.
    """
    unnamed: list[Node] = []
    taken: dict[str, int] = {}
    for node in order_of(outputs):
        if node._label is None:
            if isinstance(node, Variable):
                node._label = Label(None, word=node.kind.lower())
                unnamed.append(node)
        elif node._label.root.text is None:
            unnamed.append(node)
        else:
            taken[str(node._label)] = taken[node._label.root.text] = 1
    for node in sorted(unnamed, key=lambda node: node._serial):
        root = node._label.root  # type: ignore[union-attr]
        if root.text is None:
            root.text = free_name(root.word, taken)


def unique_names(variables: Sequence[Variable]) -> list[str]:
    """The names of the Variables of one Program; ValueError where two of them have the same."""
    found: dict[str, Variable] = {}
    for variable in variables:
        name = str(variable.name)
        if name in found:
            raise ValueError(
                f"{found[name].describe()} and {variable.describe()} have the same name: give one of them name=..., "
                "or build the graph inside 'with Graph():'"
            )
        found[name] = variable
    return list(found)


def owner_of(node: Node) -> str:
    """The name of the node that a person wrote, of which ``node`` is a part; empty where there is none."""
    label = node._label if node._inside is None else node._inside
    return "" if label is None else label.root.text or ""
