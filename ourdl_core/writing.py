"""Graphs written as plain dicts: the tree that a model file holds (its form is described in ``reading``)."""

from __future__ import annotations

from typing import Any

from ourdl_core.function import Function, all_made
from ourdl_core.graph import Graph
from ourdl_core.naming import free_name
from ourdl_core.node import Constant, Node, Output, Variable, order_of
from ourdl_core.op import Op
from ourdl_core.ops import registry
from ourdl_core.reading import FORMAT
from ourdl_core.tables import is_changed, plain
from ourdl_core.values import SizeNames, constant_row, declaration, variable_row


def graph_to_dict(graph: Graph, defaults: bool = False) -> dict[str, Any]:
    """The tree of a graph, with full op ids; attributes that have their default values only with ``defaults``."""
    for name, node in graph.outputs.items():
        if not isinstance(node, Node):
            raise TypeError(f"the output '{name}' must be a node, found {type(node).__name__}")
    order = order_of([*graph.nodes, *graph.outputs.values()])
    inside = _inside_functions(order)
    # With the parents of all that is outside: some are given to Functions, and constants are computed in both.
    outside = [node for node in order_of(node for node in order if node not in inside) if not isinstance(node, Output)]
    shared = _Shared(order, defaults)
    writer = _Writer(shared)
    writer.owned = {made for node in outside if node._made for made in all_made(node._made)}
    places = {variable: place for place, variable in enumerate(graph.inputs.values())}
    for node in sorted(outside, key=lambda node: (places.get(node, len(places)), node._serial)):  # type: ignore[call-overload]
        writer.add(node)
    outputs = {name: writer.output(name, node) for name, node in graph.outputs.items()}
    tree: dict[str, Any] = {"ourdl": FORMAT, "inputs": writer.inputs}
    tree.update({"parameters": writer.parameters} if writer.parameters else {})
    tree.update({"constants": shared.constants} if shared.constants else {})
    tree.update({"functions": shared.functions} if shared.functions else {})
    return {**tree, "nodes": writer.nodes, "outputs": outputs}


def _inside_functions(order: list[Node]) -> set[Node]:
    """The nodes that are part of a Function that an op holds, with what it was given from outside."""
    functions = [function for node in order if node.op is not None for function in node.op.functions().values()]
    return {node for function in functions for node in (*function.inputs, *function.nodes())}


class _Shared:
    """What the writers of one tree share: names that are taken, the constants and functions so far."""

    def __init__(self, order: list[Node], defaults: bool) -> None:
        self.defaults = defaults
        self.taken = {str(node.name): 1 for node in order if node.name is not None}
        self.sizes = SizeNames(order)
        self.constants: dict[str, Any] = {}
        self.names: dict[Node, str] = {}  # of constants
        self.functions: dict[str, Any] = {}
        self.named: dict[Any, str] = {}  # functions by their nodes: one that several nodes hold is written once


class _Writer:
    """Writes the nodes of a graph, or those of one function of it."""

    def __init__(self, shared: _Shared) -> None:
        self.shared = shared
        self.inputs: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}
        self.nodes: dict[str, Any] = {}
        self.names: dict[Node, str] = {}
        self.owned: set[Node] = set()  # what nodes of the tree make, which is not written

    def add(self, node: Node) -> None:
        if isinstance(node, Variable):
            if node not in self.owned:
                given = node.trained or node.made is not None
                row = variable_row(node, self.shared.sizes, self.shared.defaults)
                (self.parameters if given else self.inputs)[self.name(node)] = row
        elif not isinstance(node, Constant):
            self.nodes[self.name(node)] = self.node(node)

    def name(self, node: Node) -> str:
        if node in self.names:
            return self.names[node]
        if isinstance(node, Output):
            return f"{self.name(node.parents[0])}[{node.index}]"  # type: ignore[arg-type]
        if node.name is None:
            raise ValueError(f"{node.describe()} has no name: build the graph inside 'with Graph():'")
        return node.name

    def output(self, name: str, node: Node) -> str:
        """The reference for an entry of the outputs."""
        found = self._reference(node)
        if not isinstance(found, str):
            raise ValueError(f"the output '{name}' is the number {found}: a file has the names of nodes there")
        return found

    def node(self, node: Node) -> dict[str, Any]:
        op = node.op
        assert op is not None
        identity = registry.id_of(getattr(type(op), "classic", type(op)))
        if identity is None:
            raise ValueError(
                f"{node.describe()} is of the class {type(op).__name__}, which has no name: publish it as an entry point "
                f"or build and save inside 'with registry.scope({type(op).__name__}={type(op).__name__}):'"
            )
        row: dict[str, Any] = {"op": identity}
        listed, named = self._parents(node, op)
        if listed:
            row["in"] = listed[0] if len(listed) == 1 and isinstance(listed[0], str) else listed
        row.update(named)
        row.update(self._given_within(node._made or {}))
        try:
            row.update(self._attributes(op))
        except ValueError as error:
            raise ValueError(f"{node.describe()} cannot be written: {error}") from None
        return row

    def _attributes(self, op: Op) -> dict[str, Any]:
        fields, defaults = op.fields(), self.shared.defaults
        found = {name: value for name, value in op.attributes().items() if defaults or is_changed(value, fields[name])}
        return {
            name: self._function(value) if isinstance(value, Function) else plain(value, fields[name], defaults)
            for name, value in found.items()
        }

    def _parents(self, node: Node, op: Op) -> tuple[list[Any], dict[str, Any]]:
        """Parents in their order, as far as they are all given; those after one that is not, by slot name."""
        slots = op.slots()
        listed: list[Any] = []
        named: dict[str, Any] = {}
        made = node._made or {}
        gap = False
        for position, parent in enumerate(node.parents):
            slot = slots[min(position, len(slots) - 1)]
            if parent is None:
                gap = True
                if slot.kind == "made":
                    named[slot.name] = False
            elif made.get(slot.name) is parent and parent not in self.names:
                gap = True
            elif gap:
                named[slot.name] = self._reference(parent)
            else:
                listed.append(self._reference(parent))
        return listed, named

    def _given_within(self, made: dict[str, Any], before: str = "") -> dict[str, str]:
        """What ops in the body of a composite make, where a Function is given it: by its path in that body."""
        found: dict[str, str] = {}
        for name, each in made.items():
            if isinstance(each, dict):
                found.update(self._given_within(each, f"{before}{name}."))
            elif before and each in self.names:
                found[before + name] = self.names[each]
        return found

    def _reference(self, node: Node) -> Any:
        """The name of a node, or the number that stands in its place."""
        if not isinstance(node, Constant):
            return self.name(node)
        if node.spec.number:
            return node.value
        shared = self.shared
        if node not in shared.names:
            shared.names[node] = free_name("constant", shared.taken)
            shared.constants[shared.names[node]] = constant_row(node.value)
        return shared.names[node]

    def _function(self, function: Function) -> str:
        shared = self.shared
        key = (function.inputs, function.outputs)
        if key in shared.named:
            return shared.named[key]
        name = shared.named[key] = f"function_{len(shared.functions) + 1}"
        shared.functions[name] = {}
        inner = _Writer(shared)
        for node in function.inputs:
            inner.names[node] = free_name("input", shared.taken)
            inner.inputs[inner.names[node]] = declaration(node, shared.sizes)
        for node in function.nodes():
            if node.op is not None:
                inner.names[node] = free_name("node", shared.taken)
                inner.nodes[inner.names[node]] = inner.node(node)
        outputs = [inner._reference(node) for node in function.outputs]
        shared.functions[name] = {"inputs": inner.inputs, "nodes": inner.nodes, "outputs": outputs}
        return name
