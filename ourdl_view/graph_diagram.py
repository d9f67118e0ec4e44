"""The diagram of a graph: inputs, nodes and outputs; composites whole, or opened to a depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ourdl_core import Composite, Graph, Node, Variable, context
from ourdl_core.function import all_made
from ourdl_core.lower import run_body
from ourdl_core.node import Constant, Output, order_of
from ourdl_core.ops import domain_of
from ourdl_core.plan import laying_out
from ourdl_view.diagram import Box, Diagram, Edge
from ourdl_view.facts import input_name, node_facts, op_text, slot_name
from ourdl_view.sizes import trials_of_at_most
from ourdl_view.text import cut, visible
from ourdl_view.types import Types

# Outputs and constants of one node that a box lists.
_MOST_LINES = 3


def graph_diagram(graph: Graph, depth: int = 0, parameters: bool = False) -> Diagram:
    """What ``graph`` consists of. ``depth`` opens composites, and composites in them; ``parameters`` shows what ops make.

    What ops make for themselves is left out otherwise, but for what several nodes share.
    """
    order = order_of([*graph.nodes, *graph.outputs.values()])
    inside = _inside_functions(order)
    with laying_out, context.hidden(), trials_of_at_most(1_000_000):
        drawer = _Drawer(order, parameters)
        boxes, edges = drawer.drawn([node for node in order if node not in inside], depth)
        for name, node in graph.outputs.items():
            key = drawer.key(f"output:{name}")
            boxes.append(Box(key, "output", cut(name), ("output",), facts={"outputs": list(drawer.types.of(node))}))
            edges.append(drawer.edge(node, key))
    return Diagram("graph", tuple(boxes), tuple(edges), drawer.types)


def _inside_functions(order: Iterable[Node]) -> set[Node]:
    """The nodes that are part of a Function that an op holds."""
    inside: set[Node] = set()
    for node in order:
        for function in node.op.functions().values() if node.op is not None else ():
            inside.update({*function.inputs, *function.nodes()}.difference(node.parents))
    return inside


class _Drawer:
    """Makes boxes and edges of nodes; ``place`` knows the box and the output that the value of a node comes from."""

    def __init__(self, order: Sequence[Node], parameters: bool) -> None:
        self.rules: dict[Variable, Any] = {}
        self.types = Types(order, self.rules)
        self._parameters = parameters
        self._keys: dict[str, int] = {}
        self._key_of: dict[Node, str] = {}

    def key(self, name: str) -> str:
        """``name``, or ``name#2`` where another box is called so."""
        name = visible(name)
        count = self._keys[name] = self._keys.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"

    def drawn(self, order: Sequence[Node], depth: int) -> tuple[list[Box], list[Edge]]:
        """The boxes of nodes that stand side by side, and the edges between them."""
        boxes: list[Box] = []
        edges: list[Edge] = []
        left_out = set() if self._parameters else _made_for_one(order)
        for node in order:
            if isinstance(node, (Output, Constant)) or node in left_out or node in self._key_of:
                continue
            key = self._key_of[node] = self.key(str(node))
            boxes.append(self._box(node, key, depth))
            edges += [
                self.edge(parent, key, i, slot_name(node.op, i))  # type: ignore[arg-type]
                for i, parent in enumerate(node.parents)
                if parent is not None and self._shown(parent)
            ]
        return boxes, edges

    def _shown(self, node: Node) -> bool:
        return (node.parents[0] if isinstance(node, Output) else node) in self._key_of

    def edge(self, node: Node, target: str, enters: int = 0, slot: str = "") -> Edge:
        """The edge from the box of ``node`` to ``target``."""
        if isinstance(node, Output):
            producer: Any = node.parents[0]
            return Edge(self._key_of[producer], target, node.index, enters, f"[{node.index}]", visible(slot))
        return Edge(self._key_of[node], target, 0, enters, "", visible(slot))

    def _box(self, node: Node, key: str, depth: int) -> Box:
        if isinstance(node, Variable):
            return self._variable_box(node, key)
        assert node.op is not None
        title, *rest = [cut(node.name), op_text(node.op)] if node.name else [op_text(node.op)]
        lines = (*rest, *self._type_lines(node), *_constant_lines(node))
        inside = self._inside(node, key, title, lines, depth) if depth and isinstance(node.op, Composite) else None
        return Box(key, "op", title, lines, node, inside, facts=node_facts(node, self.types))

    def _variable_box(self, node: Variable, key: str) -> Box:
        kind = "input" if node.kind_of_state == "value" else node.kind_of_state
        return Box(key, kind, cut(str(node)), (kind, *self._type_lines(node)), node, facts=node_facts(node, self.types))

    def _type_lines(self, node: Node) -> list[str]:
        types = self.types.of(node)
        if len(types) > 1:
            types = tuple(f"[{i}] {text}" for i, text in enumerate(types))
        return _few([cut(text) for text in types])

    # ---- what is inside ---------------------------------------------------------------------------------------------

    def _inside(self, node: Node, key: str, title: str, lines: Sequence[str], depth: int) -> Diagram | None:
        """The body of a composite; None where it cannot be run on what the graph declares."""
        scope = context.Trace(node._label or context.Label(node.kind), {}, node._where, self.rules, node._names)
        given = [p if p is None or isinstance(p, Constant) else self.types.stand_in(p) for p in node.parents]
        try:
            results, _ = run_body(node.op, tuple(given), scope, "training")  # type: ignore[arg-type]
            with context.tracing(scope, domain_of(type(node.op))):
                caption = Box(self.key(f"{key}/caption"), "caption", title, tuple(lines))
                return self._body(node, key, caption, given, results, depth)
        except Exception:  # it is drawn whole: the message of this mistake belongs to whoever runs the graph
            return None

    def _body(
        self, node: Node, key: str, caption: Box, given: Sequence[Node | None], results: Sequence[Node], depth: int
    ) -> Diagram:
        """A caption, entries for what comes from outside, what the composite made for itself, the body, exits."""
        boxes = [caption]
        for i, (parent, variable) in enumerate(zip(node.parents, given, strict=True)):
            if parent is not None and variable is not None and self._shown(parent):
                slot = visible(slot_name(node.op, i))  # type: ignore[arg-type]
                self._key_of[variable] = self.key(f"{key}/{slot}")
                boxes.append(Box(self._key_of[variable], "entry", slot, place=i))
            elif isinstance(parent, Variable) and variable is not None:
                self._key_of[variable] = self.key(f"{key}/{parent}")
                boxes.append(self._variable_box(parent, self._key_of[variable]))
        inner, edges = self.drawn(order_of(results, stop=set(given)), depth - 1)
        boxes += inner
        for i, result in enumerate(results):
            if self._shown(result):
                exit_ = self.key(f"{key}/output {i}")
                boxes.append(Box(exit_, "exit", "output" if len(results) == 1 else f"[{i}]", place=i))
                edges.append(self.edge(result, exit_))
        return Diagram(visible(str(node)), tuple(boxes), tuple(edges))


def _made_for_one(order: Iterable[Node]) -> set[Node]:
    """What ops made for themselves and no other node uses."""
    owned: set[Node] = set()
    uses: dict[Node, int] = {}
    for node in order:
        owned.update(all_made(node._made or {}))
        for parent in node.parents:
            if parent is not None:
                uses[parent] = uses.get(parent, 0) + 1
    made = {node for node in uses if isinstance(node, Variable) and node.made is not None}
    return {node for node in made if uses[node] == 1 and (node in owned or node._rule is not None)}


def _constant_lines(node: Node) -> list[str]:
    """The inputs that are written into the graph."""
    assert node.op is not None
    constants = [(i, parent) for i, parent in enumerate(node.parents) if isinstance(parent, Constant)]
    return _few([cut(f"{slot_name(node.op, i)} = {input_name(parent)}") for i, parent in constants])


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"… {len(lines) - _MOST_LINES + 1} more"]
