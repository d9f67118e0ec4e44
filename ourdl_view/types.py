"""What is known of a node before it has a value, for a drawing: ``[batch, 128] float32``, or why nothing is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ourdl_core import Node, Spec, Variable, context
from ourdl_core.node import Output
from ourdl_view.sizes import NamedShapes, Shape, Specs, declared_names
from ourdl_view.summary_text import shape_text


class Types:
    """The types of nodes; asked for parents first. ``rules`` says how what bodies make follows from their nodes."""

    def __init__(self, nodes: Iterable[Node], rules: Mapping[Variable, Any]) -> None:
        variables = [node for node in nodes if isinstance(node, Variable)]
        names = [name for each in variables for name in declared_names(each) if name is not None]
        self._shapes = NamedShapes(list(dict.fromkeys(names)), rules)
        self._rules = rules
        self._specs = Specs({}, rules=rules)
        self._found: dict[Node, tuple[str, ...]] = {}
        self._problems: dict[Node, str] = {}

    def of(self, node: Node) -> tuple[str, ...]:
        """One text for each output; none where nothing can be told."""
        if node not in self._found:
            self._found[node] = self._find(node)
        return self._found[node]

    def text(self, node: Node) -> str:
        """The type of a value that a node uses."""
        if isinstance(node, Output):
            of_all = self.of(node.parents[0])  # type: ignore[arg-type]
            return of_all[node.index] if of_all else ""
        return ", ".join(self.of(node))

    def problem(self, node: Node) -> str:
        """Why the type of a node cannot be told."""
        return self._problems.get(node, "")

    def stand_in(self, node: Node) -> Variable:
        """A Variable of the type of a value that a node uses, as far as it can be told, in no graph."""
        with context.hidden():
            variable = Variable()
        variable._label = node._label
        if self.text(node):
            variable._spec = self._specs.of(node)
            variable.sizes = self._shapes.of(node)[0]
        return variable

    def _shaped_by(self, node: Node) -> Iterable[Node]:
        """The nodes that the shape of what an op made for itself follows from."""
        rule = self._rules.get(node, node._rule) if isinstance(node, Variable) else None
        return rule[2].values() if isinstance(rule, tuple) else ()

    def _find(self, node: Node) -> tuple[str, ...]:
        parents = [p.parents[0] if isinstance(p, Output) else p for p in (*node.parents, *self._shaped_by(node))]
        without = [parent for parent in parents if parent is not None and parent in self._problems]
        if without:  # asking again at every node below would take long
            self._problems[node] = self._problems[without[0]]
            return ()
        try:
            specs = self._specs.of(node)
            shapes = self._shapes.of(node)
        except Exception as error:
            self._problems[node] = "\n".join([str(error), *getattr(error, "__notes__", [])])
            return ()
        return tuple(map(_text, specs if isinstance(specs, tuple) else (specs,), shapes))


def _text(spec: Spec, shape: Shape) -> str:
    return str(spec) if spec.number else f"{shape_text(shape)} {spec.dtype}"
