"""Graphs read from plain dicts: the tree that a model file holds. Names only; nothing in a tree can run code.

``{"ourdl": 1, "inputs": {name: {shape, dtype}}, "parameters": {...}, "nodes": {name: {op, in, attributes}},
"outputs": {name: node}}``
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ourdl_core.errors import GraphError, OpError, did_you_mean
from ourdl_core.function import Function
from ourdl_core.graph import Graph
from ourdl_core.initializers import initializer
from ourdl_core.naming import output_named
from ourdl_core.node import Constant, Node, Variable
from ourdl_core.ops import registry
from ourdl_core.slots import Key, State

FORMAT = 1
MOST_PROBLEMS = 100
SECTIONS = ("ourdl", "inputs", "parameters", "constants", "functions", "nodes", "outputs")


class _UnbuiltError(Exception):
    """A name stands for a node that could not be built, which has been told already."""


def graph_from_dict(tree: Mapping[str, Any]) -> Graph:
    """The graph of a tree. Wrong names are told before any op is imported; if there are none, all other mistakes at once."""
    reader = _Reader()
    return reader.read(tree)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []
        self.names: dict[str, Node] = {}
        self.functions: dict[str, Function] = {}
        self.failed: set[str] = set()
        self.sound: set[str] = set()  # the paths of rows that are tables whose op has been found

    def read(self, tree: Mapping[str, Any]) -> Graph:
        self._check_sections(tree)
        self._resolve_all(tree)
        if self.problems:  # wrong names are told without importing an op
            self._check_parents(tree)
            self._stop_if_wrong()
        graph = Graph()
        self._constants(tree.get("constants", {}))
        for name, row in tree.get("functions", {}).items():
            function = self._function(f"functions.{name}", row) if isinstance(row, Mapping) else None
            if function is not None:
                self.functions[name] = function
        with graph:
            self._variables(tree, graph)
            self._nodes("nodes", tree.get("nodes", {}))
        for name, reference in tree.get("outputs", {}).items():
            if not isinstance(reference, str):
                self._problem(f"outputs.{name}", f"an output is the name of a node, found {reference!r}")
                continue
            with suppress(_UnbuiltError):
                node = self._reference(f"outputs.{name}", reference)
                if node is not None:
                    graph.outputs[name] = node
        self._stop_if_wrong()
        return graph

    def _problem(self, path: str, message: str) -> None:
        self.problems.append((path, message))
        if len(self.problems) == MOST_PROBLEMS:  # each costs a search for what was meant
            self.problems.append(("...", f"more than {MOST_PROBLEMS} mistakes: the others are told when these are mended"))
            raise GraphError(self.problems)

    def _stop_if_wrong(self) -> None:
        if self.problems:
            raise GraphError(self.problems)

    def _check_sections(self, tree: Any) -> None:
        if not isinstance(tree, Mapping):
            raise GraphError([("", f"a graph is a table of sections, found {type(tree).__name__}")])
        if type(tree.get("ourdl")) is not int or tree["ourdl"] != FORMAT:
            found = f"found {tree['ourdl']!r}" if "ourdl" in tree else "it is missing"
            self._problem("ourdl", f"the version of the format must be {FORMAT} (write: ourdl = {FORMAT}); {found}")
        for key, value in tree.items():
            if key not in SECTIONS:
                hint = did_you_mean(str(key), SECTIONS) or f"Sections are: {', '.join(SECTIONS)}."
                self._problem(str(key), f"unknown section. {hint}")
            elif key != "ourdl" and not isinstance(value, Mapping):
                self._problem(key, f"must be a table, found {type(value).__name__}")
        for key in ("nodes", "outputs"):
            if not tree.get(key):
                self._problem(key, "a graph needs at least one entry here")
        self._check_names({key: tree[key] for key in SECTIONS if isinstance(tree.get(key), Mapping)})
        self._stop_if_wrong()

    def _check_names(self, sections: Mapping[str, Mapping[Any, Any]]) -> None:
        """Names are text, and a name stands for one thing."""
        found: dict[str, str] = {}
        for section, rows in sections.items():
            for name in rows:
                if not isinstance(name, str):
                    self._problem(f"{section}.{name}", f"a name is text, found {type(name).__name__} {name!r:.60}")
                elif section not in ("outputs", "functions") and found.setdefault(name, section) != section:
                    self._problem(f"{section}.{name}", f"the name is taken: it stands in '{found[name]}' too")

    def _resolve_all(self, tree: Mapping[str, Any]) -> None:
        places = [("nodes", tree.get("nodes", {}))]
        for name, function in tree.get("functions", {}).items():
            if isinstance(function, Mapping) and isinstance(function.get("nodes", {}), Mapping):
                places.append((f"functions.{name}.nodes", function.get("nodes", {})))
            else:
                self._problem(f"functions.{name}", "a function is a table of inputs, nodes and outputs")
        for path, rows in places:
            for name, row in rows.items():
                self._check_row(f"{path}.{name}", row)

    def _check_parents(self, tree: Mapping[str, Any]) -> None:
        """Tell which parents of nodes are not defined anywhere."""
        known = [name for section in ("inputs", "parameters", "constants", "nodes") for name in tree.get(section, {})]
        for name, row in tree.get("nodes", {}).items():
            listed = row.get("in", []) if isinstance(row, Mapping) else []
            for each in listed if isinstance(listed, list) else [listed]:
                base = each.partition("[")[0] if isinstance(each, str) else None
                if base is not None and base not in known and base.rpartition(".")[0] not in known:
                    self._undefined(f"nodes.{name}.in", each, known)

    def _undefined(self, path: str, reference: str, known: list[str]) -> None:
        hint = did_you_mean(reference, known) or f"Defined are: {', '.join(known[:12])}."
        self._problem(path, f"no input, parameter or node named '{reference}'. {hint}")

    def _check_row(self, path: str, row: Any) -> None:
        if not isinstance(row, Mapping) or "op" not in row:
            self._problem(path, f'a node is a table with an op, as {{ op = "Relu", in = "x" }}; found {row!r:.80}')
            return
        try:
            registry.resolve(row["op"])
        except OpError as error:
            self._problem(f"{path}.op", str(error))
            return
        self.sound.add(path)

    def _variables(self, tree: Mapping[str, Any], graph: Graph) -> None:
        for section in ("inputs", "parameters"):
            for name, row in tree.get(section, {}).items():
                variable = self._variable(f"{section}.{name}", name, row, section == "parameters")
                self._take(name, variable)
                if variable is not None and section == "inputs":
                    graph.inputs[name] = variable
    def _constants(self, rows: Mapping[str, Any]) -> None:
        for name, row in rows.items():
            try:
                value = np.array(row["value"], dtype=row["dtype"])
                self.names[name] = Constant(value.reshape(row.get("shape", value.shape)))
            except (TypeError, ValueError, KeyError) as error:
                self._problem(f"constants.{name}", f"a constant is {{ value = [...], dtype = ... }}: {error}")

    def _variable(self, path: str, name: str | None, row: Any, trainable: bool) -> Variable | None:
        known = ("shape", "dtype", "init", "value", "kind") if trainable else ("shape", "dtype")
        if not isinstance(row, Mapping):
            self._problem(path, f"must be a table, as {{ shape = [\"batch\", 4] }}; found {type(row).__name__}")
            return None
        for key in row:
            if key not in known:
                hint = did_you_mean(str(key), known) or f"Known are: {', '.join(known)}."
                self._problem(f"{path}.{key}", f"unknown key. {hint}")
                return None
        shape = row.get("shape")
        try:
            if shape is not None:
                shape = [None if isinstance(size, str) else size for size in _list(shape)]
            elif "dtype" in row or "init" in row:
                shape = []
            kind, init = row.get("kind", "parameter"), None if "init" not in row else initializer(row["init"])
            if kind not in ("parameter", "state", "key"):
                raise ValueError(f"kind must be 'parameter', 'state' or 'key', found {kind!r:.60}")
            made = {"state": State(tuple(shape or ()), init, row.get("dtype")), "key": Key()}.get(kind)
            return Variable(
                row.get("value"),
                shape=shape,
                dtype=row.get("dtype"),
                init=init if made is None else None,
                trainable=trainable and made is None,
                name=name,
                made=made,
            )
        except (TypeError, ValueError, LookupError) as error:
            self._problem(path, str(error))
            return None

    def _take(self, name: str, node: Node | None) -> None:
        """Note what a name stands for, or that it could not be built, which has been told."""
        if node is None:
            self.failed.add(name)
        else:
            self.names[name] = node

    def _nodes(self, path: str, rows: Mapping[str, Any], named: bool = True) -> None:
        """Build nodes in an order in which parents come first, whatever the order of the file."""
        sound = {name: row for name, row in rows.items() if f"{path}.{name}" in self.sound}
        self.failed.update(name for name in rows if name not in sound)
        for name in self._sorted(path, sound):
            self._take(name, self._node(f"{path}.{name}", name if named else None, rows[name]))

    def _sorted(self, path: str, rows: Mapping[str, Any]) -> list[str]:
        order: list[str] = []
        state: dict[str, int] = {}
        for first in rows:
            stack = [(first, False)]
            while stack:
                name, done = stack.pop()
                if done:
                    state[name] = 2
                    order.append(name)
                elif state.get(name) is None:
                    state[name] = 1
                    stack.append((name, True))
                    for parent in _mentioned(rows[name], rows):
                        if state.get(parent) == 1:
                            self._problem(f"{path}.{name}", f"is computed from itself, by way of '{parent}'")
                            self._stop_if_wrong()
                        stack.append((parent, False))
        return order

    def _node(self, path: str, name: str | None, row: Mapping[str, Any]) -> Node | None:
        try:
            op_class = registry.get(row["op"])
        except OpError as error:
            self._problem(f"{path}.op", str(error))
            return None
        before = len(self.problems)
        listed = row.get("in", [])
        slots = {slot.name for slot in op_class.slots()}
        for key in row:
            if not isinstance(key, str) or key in ("name", "parents", "parent1", "parent2", "train"):
                self._problem(f"{path}.{key}", f"unknown key. A node has op, in, and the attributes of {op_class.__name__}")
                return None
        keywords: dict[str, Any] = {}
        try:
            inputs = [self._reference(f"{path}.in", each) for each in (listed if isinstance(listed, list) else [listed])]
            for key, value in row.items():
                if key in slots:
                    keywords[key] = value if value is None or value is False else self._reference(f"{path}.{key}", value)
                elif key not in ("op", "in"):
                    keywords[key] = self._attribute(f"{path}.{key}", op_class, key, value)
        except _UnbuiltError:
            words = {"op", "in", *slots}
            self._check_attributes(path, op_class, {k: v for k, v in row.items() if k not in words})
            return None
        if len(self.problems) > before:
            self._check_attributes(path, op_class, {k: v for k, v in keywords.items() if k not in slots})
            return None
        try:
            node: Node = op_class(*inputs, name=name, **keywords)
            node._where = None  # its name says where it is
            return node
        except (TypeError, ValueError, LookupError) as error:
            self._problem(path, str(error))
            return None

    def _check_attributes(self, path: str, op_class: Any, attributes: dict[str, Any]) -> None:
        """Tell what is wrong with a node besides its parents."""
        try:
            op_class.make({k: self._attribute(f"{path}.{k}", op_class, k, v) for k, v in attributes.items()})
        except (TypeError, ValueError, LookupError) as error:
            self._problem(path, str(error))

    def _attribute(self, path: str, op_class: Any, key: str, value: Any) -> Any:
        field = op_class.fields().get(key)
        if field is not None and field.annotation is Function:
            if not isinstance(value, str) or value not in self.functions:
                hint = did_you_mean(str(value), self.functions)
                self._problem(path, f"no function named {value!r:.60} could be read. {hint}".rstrip())
                return None
            return self.functions[value]
        return value

    def _reference(self, path: str, reference: Any) -> Any:
        """The node that a name stands for, or a number written in its place."""
        if type(reference) in (int, float, bool):
            return Constant(reference)
        if not isinstance(reference, str):
            self._problem(path, f"a parent is the name of a node or a number, found {type(reference).__name__}")
            return None
        node = self._named(reference)
        if node is None and reference.partition("[")[0].partition(".")[0] in self.failed:
            raise _UnbuiltError
        if node is None:
            self._undefined(path, reference, [*self.names, *self.failed])
        return node

    def _named(self, name: str) -> Node | None:
        if name in self.names:
            return self.names[name]
        if name.endswith("]"):
            return output_named(name, self._named)
        base, _, slot = name.rpartition(".")
        node = self.names.get(base)
        made = node._made if node is not None else None
        found = made.get(slot) if made else None
        return found if isinstance(found, Node) else None

    def _function(self, path: str, row: Mapping[str, Any]) -> Function | None:
        inner = _Reader()
        inner.functions, inner.sound, inner.problems = self.functions, self.sound, self.problems
        inner.names = dict(self.names)  # the constants
        before = len(self.problems)
        inputs: list[Node] = []
        for name, each in _table(row, "inputs").items():
            variable = inner._variable(f"{path}.inputs.{name}", None, each, False)
            inner._take(name, variable)
            inputs += [] if variable is None else [variable]
        inner._nodes(f"{path}.nodes", _table(row, "nodes"), named=False)
        outputs = row.get("outputs")
        if not isinstance(outputs, list) or not outputs:
            self._problem(f"{path}.outputs", f"must be a list of names of nodes, found {outputs!r:.60}")
            return None
        found = []
        with suppress(_UnbuiltError):
            found = [inner._reference(f"{path}.outputs", each) for each in outputs]
        return None if len(self.problems) > before or len(found) < len(outputs) else Function(inputs, found)


def _table(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key, {})
    return found if isinstance(found, Mapping) else {}


def _list(shape: Any) -> list[Any]:
    if not isinstance(shape, (list, tuple)):
        raise TypeError(f"a shape is a list of sizes and names of sizes, as [\"batch\", 4]; found {shape!r}")
    return list(shape)


def _mentioned(row: Mapping[str, Any], rows: Mapping[str, Any]) -> list[str]:
    """The nodes that a row names as parents, last first."""
    found = []
    for key, value in row.items():
        if key != "op":
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str):
                    base = each.partition("[")[0]
                    name = base if base in rows else base.rpartition(".")[0]
                    if name in rows:
                        found.append(name)
    return list(reversed(found))
