"""Graphs written as plain dicts: the tree that a model file holds (its form is described in ``reading``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.attributes import REQUIRED
from ourdl_core.function import Function, all_made
from ourdl_core.graph import Graph
from ourdl_core.initializers import Initializer, initializer
from ourdl_core.initializers import registry as initializers
from ourdl_core.naming import free_name
from ourdl_core.node import Constant, Node, Output, Variable, order_of
from ourdl_core.op import Op
from ourdl_core.ops import registry
from ourdl_core.reading import FORMAT
from ourdl_core.record import Record


def graph_to_dict(graph: Graph) -> dict[str, Any]:
    """The tree of a graph, with full op ids and only the attributes that differ from their defaults."""
    writer = _Writer()
    order = order_of([*graph.nodes, *graph.outputs.values()])
    inside = _inside_functions(order)
    writer.taken = {str(node.name): 1 for node in order if node.name is not None}
    writer.owned = {made for node in order if node not in inside and node._made for made in all_made(node._made)}
    for node in sorted(order, key=lambda node: node._serial):
        if node not in inside:
            writer.add(node)
    tree: dict[str, Any] = {"ourdl": FORMAT, "inputs": writer.inputs}
    for section in ("parameters", "constants", "functions"):
        if getattr(writer, section):
            tree[section] = getattr(writer, section)
    tree["nodes"] = writer.nodes
    tree["outputs"] = {name: str(node) for name, node in graph.outputs.items()}
    return tree


def _inside_functions(order: list[Node]) -> set[Node]:
    """The nodes that are part of a Function that an op holds, but not the outer nodes which it was given."""
    inside: set[Node] = set()
    for node in order:
        for function in node.op.functions().values() if node.op is not None else ():
            inside.update({*function.inputs, *function.nodes()}.difference(node.parents))
    return inside


class _Writer:
    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.nodes: dict[str, Any] = {}
        self.names: dict[Node, str] = {}
        self.taken: dict[str, int] = {}  # all names of the tree
        self.owned: set[Node] = set()  # what nodes of the tree make, which is not written

    def add(self, node: Node) -> None:
        if isinstance(node, (Output, Constant)):
            return
        if isinstance(node, Variable):
            if node.made is None or node._rule is None or node not in self.owned:
                given = node.trained or node.made is not None
                (self.parameters if given else self.inputs)[self.name(node)] = _variable(node)
        else:
            self.nodes[self.name(node)] = self.node(node)

    def name(self, node: Node) -> str:
        if node in self.names:
            return self.names[node]
        if isinstance(node, Output):
            return f"{self.name(node.parents[0])}[{node.index}]"  # type: ignore[arg-type]
        if node.name is None:
            raise ValueError(f"{node.describe()} has no name: build the graph inside 'with Graph():'")
        return node.name

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
        fields = op.fields()
        row.update(
            (name, self._attribute(value))
            for name, value in op.attributes().items()
            if fields[name].default is REQUIRED or value != fields[name].convert(fields[name].default, "")
        )
        return row

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

    def _reference(self, node: Node) -> Any:
        if not isinstance(node, Constant):
            return self.name(node)
        if node.spec.number:
            return node.value
        name = free_name("constant", self.taken)
        value = np.asarray(node.value)
        self.constants[name] = {"value": value.tolist(), "dtype": value.dtype.name}
        if 0 in value.shape:
            self.constants[name]["shape"] = list(value.shape)
        return name

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return [self._attribute(each) for each in value]
        if isinstance(value, Function):
            return self._function(value)
        if isinstance(value, Record):
            return _plugin(value)
        return value

    def _function(self, function: Function) -> str:
        name = f"function_{len(self.functions) + 1}"
        self.functions[name] = {}
        inner = _Writer()
        inner.functions, inner.constants, inner.taken = self.functions, self.constants, self.taken
        for node in function.inputs:
            inner.names[node] = free_name("input", self.taken)
            inner.inputs[inner.names[node]] = _declaration(node)
        for node in function.nodes():
            if node.op is not None:
                inner.names[node] = free_name("node", self.taken)
                inner.nodes[inner.names[node]] = inner.node(node)
        outputs = [inner._reference(node) for node in function.outputs]
        self.functions[name] = {"inputs": inner.inputs, "nodes": inner.nodes, "outputs": outputs}
        return name


def _plugin(record: Record) -> Any:
    """A record that is an attribute (an initializer), by name, with what differs from its defaults."""
    fields = type(record).fields()
    changed = {k: v for k, v in record.attributes().items() if v != fields[k].default}
    name = initializers.id_of(type(record)) if isinstance(record, Initializer) else None
    if name is None:
        raise ValueError(f"{record!r} has no name: publish its class as an entry point")
    return {"name": name, **changed} if changed else name


def _declaration(node: Node) -> dict[str, Any]:
    """Shape and dtype, where declared; sizes that vary get names."""
    spec = node._spec if isinstance(node, Variable) else None
    if spec is None or spec.number:
        return {}
    return {"shape": _sizes(spec), "dtype": spec.dtype.name}


def _variable(node: Variable) -> dict[str, Any]:
    row = _declaration(node)
    value = node._value
    if node.made is not None and node._rule is not None:  # made by an op inside a Function
        spec = node.spec
        row.update(shape=_sizes(spec), dtype=spec.dtype.name)
    if node.made is not None and node.made.kind != "parameter":
        row["kind"] = node.made.kind
    if node.made is not None and node.made.init is not None:
        op = None if node._rule is None else node._rule[1]
        row["init"] = _plugin(initializer(node.made.init_of(op)))
    if node.trained and value is not None:
        number = type(value) in (int, float)
        row["value"] = value if number else np.asarray(value).tolist()
        if not number and "dtype" not in row:
            row.update(shape=list(np.shape(value)), dtype=spec_of(value).dtype.name)
    return row


def _sizes(spec: Spec) -> list[Any]:
    return [f"n{i}" if n is None else n for i, n in enumerate(spec.shape)]
