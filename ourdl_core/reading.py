"""Graphs read from plain dicts: the tree that a model file holds. Names only; nothing in a tree can run code.

``{"ourdl": 1, "inputs": {name: {shape, dtype}}, "parameters": {...}, "nodes": {name: {op, in, attributes}},
"outputs": {name: node}}``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ourdl_core import context
from ourdl_core.circles import circle_text, parents_first
from ourdl_core.errors import OpError
from ourdl_core.function import Function
from ourdl_core.graph import Graph
from ourdl_core.naming import output_named
from ourdl_core.node import Constant, Node, Variable
from ourdl_core.op import Composite
from ourdl_core.ops import registry
from ourdl_core.problems import GraphError, Path, Problems, kind_of, said
from ourdl_core.rows import check_inputs, check_name, read_constant, read_record, read_variable

FORMAT = 1
MOST_OUTPUTS = 10_000
SECTIONS = ("ourdl", "inputs", "parameters", "constants", "functions", "nodes", "outputs")


@dataclass
class Reading:
    """What was made of a tree: the graph, as far as it is right, all mistakes, and the names of what could not be built."""

    graph: Graph
    problems: Problems
    unbuilt: set[str] = field(default_factory=set)


class _UnbuiltError(Exception):
    """A name stands for a node that could not be built, which has been told already."""


def graph_from_dict(tree: Mapping[str, Any]) -> Graph:
    """The graph of a tree; GraphError with all its mistakes if there are any."""
    reading = read_graph(tree)
    if reading.problems:
        raise GraphError(reading.problems.found)
    return reading.graph


def read_graph(tree: Any, problems: Problems | None = None) -> Reading:
    """As much of the graph of a tree as is right; mistakes are told to ``problems``. Only ops that it names are imported."""
    problems = Problems() if problems is None else problems
    if not isinstance(tree, Mapping):
        problems((), f"a graph is a table of sections, found {type(tree).__name__}", "wrong-type")
        return Reading(Graph(), problems)
    if is_newer(tree):
        _wrong_format(tree, problems)
        return Reading(Graph(), problems)
    reader = _Reader(problems)
    sections = _sections(tree, problems, reader.unbuilt)
    reader.scope.functions = sections["functions"]
    graph = Graph()
    for name, row in sections["constants"].items():
        reader.take(name, read_constant(row, problems.within("constants", name)))
    with graph:
        for section in ("inputs", "parameters"):
            for name, row in sections[section].items():
                variable = read_variable(name, row, section == "parameters", problems.within(section, name))
                reader.take(name, variable)
                if variable is not None and section == "inputs":
                    graph.inputs[name] = variable
        reader.nodes(("nodes",), sections["nodes"])
    reader.functions_left()
    for name, reference in sections["outputs"].items():
        node = reader.output(("outputs", name), reference)
        if node is not None:
            graph.outputs[name] = node
    return Reading(graph, problems, reader.unbuilt)


def _sections(tree: Mapping[str, Any], problems: Problems, wrong: set[str]) -> dict[str, dict[str, Any]]:
    """The tables of a tree, each of entries whose names are right; the others are noted in ``wrong``."""
    if type(tree.get("ourdl")) is not int or tree["ourdl"] != FORMAT:
        _wrong_format(tree, problems)
    for key in tree:
        if key not in SECTIONS:
            problems.unknown((str(key),), f"unknown section {key!r:.60}", key, SECTIONS, "unknown-section", at_key=True)
    found: dict[str, dict[str, Any]] = {}
    owners: dict[str, str] = {}  # names, and the section in which each was first
    for section in SECTIONS[1:]:
        rows = tree.get(section, {})
        if not isinstance(rows, Mapping):
            problems((section,), f"[{section}] must be a table, found {kind_of(rows)}", "wrong-type")
            rows = {}
        found[section] = {name: row for name, row in rows.items() if _right_name(section, name, owners, problems)}
        wrong.update(str(name) for name in rows if name not in found[section] and section != "outputs")
    return found


def is_newer(tree: Mapping[str, Any]) -> bool:
    """Whether a tree is of a format that came after this version of OurDL."""
    return type(tree.get("ourdl")) is int and tree["ourdl"] > FORMAT


def _wrong_format(tree: Mapping[str, Any], problems: Problems) -> None:
    found = tree.get("ourdl")
    if "ourdl" not in tree:
        problems((), f"the version of the format is missing: begin the file with ourdl = {FORMAT}", "missing-format")
    elif is_newer(tree):
        message = f"this is format {found}, and this OurDL reads up to {FORMAT}: python -m pip install --upgrade ourdl"
        problems(("ourdl",), message, "newer-format")
    else:
        message = f"the version of the format must be {FORMAT} (write: ourdl = {FORMAT}), found {found!r:.60}"
        problems(("ourdl",), message, "wrong-format")


def _right_name(section: str, name: Any, owners: dict[str, str], problems: Problems) -> bool:
    """Names are text without odd characters, and a name stands for one thing."""
    if not isinstance(name, str):
        problems((section,), f"a name is text, found {kind_of(name)} {name!r:.60}", "bad-name")
    elif section == "outputs":
        return True
    elif not check_name(name, problems.within(section, name)):
        return False
    elif section != "functions" and owners.setdefault(name, section) != section:
        first = ((owners[name], name), "it is taken here")
        message = f"the name '{name}' is taken: it stands in [{owners[name]}] too"
        problems((section, name), message, "taken-name", at_key=True, related=(first,))
    else:
        return True
    return False


@dataclass
class _Scope:
    """What the readers of one tree share: functions, as they are written and as they were read; who provides an op."""

    functions: Mapping[str, Any] = field(default_factory=dict)
    read: dict[str, Function | None] = field(default_factory=dict)
    reading: set[str] = field(default_factory=set)
    providers: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Reads the nodes of a graph, or those of one function of it."""

    def __init__(self, problems: Problems, scope: _Scope | None = None, names: Mapping[str, Node] | None = None) -> None:
        self.problems = problems
        self.scope = scope or _Scope()
        self.names: dict[str, Node] = dict(names or {})
        self.outer = self.names if scope is None else dict(self.names)
        self.unbuilt: set[str] = set()

    def take(self, name: str, node: Node | None) -> None:
        """Note what a name stands for, or that it could not be built, which has been told."""
        if node is None:
            self.unbuilt.add(name)
        else:
            self.names[name] = node

    def nodes(self, path: Path, rows: Mapping[str, Any], prefix: str = "") -> None:
        """Build nodes, parents first, whatever the order of the file; their names begin with ``prefix``."""
        classes: dict[str, Any] = {}
        for name, row in rows.items():
            classes[name] = self._class((*path, name), row)
        sound = {name: row for name, row in rows.items() if isinstance(row, Mapping)}
        self.unbuilt.update(rows.keys() - sound.keys())
        parents = {name: list(_mentioned(row, classes[name], sound)) for name, row in sound.items()}
        for name in self._sorted(path, parents):
            if name not in self.unbuilt:  # part of a circle
                self.take(name, self._node((*path, name), prefix + name, rows[name], classes[name]))

    def _class(self, path: Path, row: Any) -> Any:
        """The op of a row; None where there is none, which is told."""
        if not isinstance(row, Mapping) or "op" not in row:
            example = '{ op = "Relu", in = "x" }'
            self.problems(path, f"a node is a table with an op, as {example}; found {row!r:.60}", "missing-op")
            return None
        if self.problems.full:  # a search for what was meant costs a millisecond
            self.problems(path, "")
            return None
        try:
            op_class = registry.get(row["op"])
            op_class.slots()
            return op_class
        except OpError as error:
            self.problems.named((*path, "op"), error)
        except Exception as error:  # a class that is no op, found out only now
            self.problems((*path, "op"), said(error), "broken")
        return None

    def _sorted(self, path: Path, parents: Mapping[str, list[str]]) -> list[str]:
        """Names, parents first. Nodes that are computed from themselves are told of, and noted as unbuilt."""
        order = []
        for name, circle in parents_first(parents, self.unbuilt):
            if name is not None:
                order.append(name)
                continue
            message = f"'{circle[0]}' is computed from itself: {circle_text(circle)}"
            self.problems((*path, circle[0]), message, "circle", at_key=True)
            self.unbuilt.update(circle)
        return order

    def _node(self, path: Path, name: str, row: Mapping[str, Any], op_class: Any) -> Node | None:
        """One node; None where something about it is wrong: everything about it is told."""
        listed = row.get("in", [])
        listed = listed if isinstance(listed, list) else [listed]
        places = [(*path, "in", i) for i in range(len(listed))] if isinstance(row.get("in"), list) else [(*path, "in")]
        if op_class is None:
            self._inputs(dict(zip(places, listed, strict=False)))
            return None
        before = len(self.problems)
        inner = {key: row[key] for key in row if _is_inner(key, op_class)}
        row = {key: value for key, value in row.items() if key not in inner} if inner else row
        provider = self._provider(row["op"])
        here = self.problems.within(*path)
        names = [slot.name for slot in op_class.slots() if slot.kind != "variadic"]
        attributes = self._attributes(path, op_class, row)
        if attributes is None:  # a function is wrong
            record, slots = None, {key: row[key] for key in row if key in names}
        else:
            record, slots = read_record(op_class, attributes, here, inputs=names, provider=provider)
        if (getattr(record, "num_outputs", None) or 0) > MOST_OUTPUTS:
            message = f"this makes more outputs than a node may have ({MOST_OUTPUTS:,})"
            here((), message, "too-much", provider=provider)
            return None
        check_inputs(op_class, listed, slots, "in" in row, here, provider)
        absent = [i for i, (slot, each) in enumerate(zip(op_class.slots(), listed, strict=False)) if _left_out(slot, each)]
        inputs = self._inputs({place: listed[i] for i, place in enumerate(places[: len(listed)]) if i not in absent})
        for i in absent if inputs is not None else ():
            inputs.insert(i, None)  # type: ignore[union-attr, arg-type]
        keywords = self._slots(path, slots)
        shared = self._inputs({(*path, key): value for key, value in inner.items()})
        if record is None or inputs is None or keywords is None or shared is None or len(self.problems) > before:
            return None
        try:
            node: Node = record(*inputs, name=name, **keywords)
            node._where = None  # its name says where it is
            for key, variable in zip(inner, shared, strict=True):
                _store(node, key, variable)
            return node
        except Exception as error:  # of the code of a plugin
            here((), said(error), "wrong-node", provider=provider)
            return None

    def _provider(self, reference: str) -> str:
        """The op of a reference and its package, for messages."""
        if reference not in self.scope.providers:
            entry = registry.resolve(reference)
            self.scope.providers[reference] = f"{entry.id} ({entry.provider})" if entry.distribution else entry.id
        return self.scope.providers[reference]

    def _attributes(self, path: Path, op_class: Any, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a row says besides ``op`` and ``in``; None where a function that it names could not be read."""
        found = {key: value for key, value in row.items() if key not in ("op", "in")}
        for key, each in op_class.fields().items():
            if key in found and each.annotation is Function:
                found[key] = self._function((*path, key), found[key])
                if found[key] is None:
                    return None
        return found

    def _slots(self, path: Path, slots: Mapping[str, Any]) -> dict[str, Any] | None:
        """Inputs that are given by name; None or False leaves one out."""
        absent = {key: value for key, value in slots.items() if value is None or value is False}
        found = self._inputs({(*path, key): value for key, value in slots.items() if key not in absent})
        return None if found is None else {**absent, **dict(zip((k for k in slots if k not in absent), found, strict=True))}

    def _inputs(self, references: Mapping[Path, Any]) -> list[Node] | None:
        """The nodes that are meant at these places; None where one of them could not be built."""
        found: list[Node] = []
        for path, reference in references.items():
            with suppress(_UnbuiltError):
                found.append(self._reference(path, reference))
        return found if len(found) == len(references) else None

    def output(self, path: Path, reference: Any) -> Node | None:
        """The node that an output stands for."""
        if not isinstance(reference, str):
            self.problems(path, f"an output is the name of a node, found {reference!r:.60}", "wrong-output")
            return None
        found = self._inputs({path: reference})
        return None if found is None else found[0]

    # ---- names ------------------------------------------------------------------------------------------------------

    def _reference(self, path: Path, reference: Any) -> Node:
        """The node that a name stands for, or a number written in its place."""
        if type(reference) in (int, float, bool):
            return Constant(reference)
        if not isinstance(reference, str):
            message = f"a parent is the name of a node or a number, found {kind_of(reference)}"
            self.problems(path, message, "wrong-parent")
            raise _UnbuiltError
        node = self._named(reference)
        if node is not None:
            self._refuse_several(path, reference, node)
            return node
        if not any(base in self.unbuilt for base in _bases(reference)):
            self._undefined(path, reference)
        raise _UnbuiltError

    def _refuse_several(self, path: Path, reference: str, node: Node) -> None:
        count = None if node.op is None else node.op.num_outputs
        if count is not None:
            message = f"'{reference}' has {count} outputs: choose one, as \"{reference}[0]\""
            self.problems(path, message, "several-outputs")
            raise _UnbuiltError

    def _undefined(self, path: Path, reference: str) -> None:
        base = reference.partition("[")[0]
        owner = self._named(base) if base != reference else None
        if owner is not None:
            last = len(owner.outputs) - 1
            self.problems(path, f"'{base}' has no such output: its last is {base}[{last}]", "undefined-name")
            return
        made = (f"{name}.{slot}" for name in _bases(reference) for slot in self._made(name))
        known = () if self.problems.full else (*made, *self.names, *self.unbuilt)
        what = f"no input, parameter or node named {reference[:100]!r}"
        self.problems.unknown(path, what, reference, known, "undefined-name")

    def _made(self, name: str) -> Iterable[str]:
        node = self.names.get(name)
        return () if node is None or node._made is None else node._made

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

    # ---- functions --------------------------------------------------------------------------------------------------

    def functions_left(self) -> None:
        """Read the functions that no node named, for their mistakes."""
        for name in self.scope.functions:
            self._read_function(name)

    def _function(self, path: Path, name: Any) -> Function | None:
        if not isinstance(name, str) or name not in self.scope.functions:
            what = f"no function named {name!r:.60}"
            self.problems.unknown(path, what, name, self.scope.functions, "undefined-name")
            return None
        return self._read_function(name)

    def _read_function(self, name: str) -> Function | None:
        if name in self.scope.reading:
            self.problems.root()(("functions", name), f"the function '{name}' uses itself", "circle", at_key=True)
        if name not in self.scope.read:
            self.scope.read[name] = None
            self.scope.reading.add(name)
            constants = {name: node for name, node in self.outer.items() if isinstance(node, Constant)}
            inner = _Reader(self.problems.root(), self.scope, constants)
            self.scope.read[name] = inner.as_function(("functions", name), self.scope.functions[name])
            self.scope.reading.discard(name)
        return self.scope.read[name]

    def as_function(self, path: Path, row: Any) -> Function | None:
        """The Function that a table of inputs, nodes and outputs describes."""
        if not isinstance(row, Mapping):
            self.problems(path, f"a function is a table of inputs, nodes and outputs, found {row!r:.60}", "wrong-type")
            return None
        for key in row:
            if key not in ("inputs", "nodes", "outputs"):
                known = ("inputs", "nodes", "outputs")
                self.problems.unknown((*path, str(key)), f"unknown key {key!r:.60}", key, known, "unknown-key", at_key=True)
        before = len(self.problems)
        inputs = []
        for name, each in self._table(path, row, "inputs").items():
            variable = read_variable(None, each, False, self.problems.within(*path, "inputs", str(name)))
            self.take(str(name), variable)
            inputs.append(variable)
        with context.hidden():
            self.nodes((*path, "nodes"), self._table(path, row, "nodes"), prefix=f"{path[-1]}.")
        outputs = row.get("outputs")
        if not isinstance(outputs, list) or not outputs:
            where = (*path, "outputs") if "outputs" in row else path
            self.problems(where, f"the outputs must be a list of names of nodes, found {outputs!r:.60}", "wrong-type")
            return None
        found = self._inputs({(*path, "outputs", i): each for i, each in enumerate(outputs)})
        return None if found is None or len(self.problems) > before else Function(inputs, found)  # type: ignore[arg-type]

    def _table(self, path: Path, row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = row.get(key, {})
        if not isinstance(found, Mapping):
            self.problems((*path, key), f"'{key}' must be a table, found {kind_of(found)}", "wrong-type")
            return {}
        return {str(name): each for name, each in found.items()}


def _left_out(slot: Any, value: Any) -> bool:
    """Whether ``false`` stands where an input may be left out, so that it is none and no number."""
    return value is False and slot.kind not in ("required", "variadic")


def _is_inner(key: object, op_class: Any) -> bool:
    """Whether a key names what an op within a composite makes: ``dense_1.weight``."""
    return isinstance(key, str) and "." in key and issubclass(op_class, Composite)


def _store(node: Node, key: str, variable: Node) -> None:
    """Let ``variable`` stand where an op within ``node`` would make one of its own."""
    if not isinstance(variable, Variable):
        raise TypeError(f"{key!r} is what an op within {node.kind} makes: it can be an input or a parameter, not a node")
    *outer, slot = key.split(".")
    store = node._made
    assert store is not None  # of a composite
    for part in outer:
        store = store.setdefault(part, {})
    store[slot] = variable


def _bases(reference: str) -> tuple[str, str]:
    """The names of nodes that a reference may begin with: ``h`` of ``h.weight`` and of ``h[1]``."""
    base = reference.partition("[")[0]
    return base, base.rpartition(".")[0]


def _mentioned(row: Mapping[str, Any], op_class: Any, rows: Mapping[str, Any]) -> Iterable[str]:
    """The nodes that a row names as parents."""
    slots = [] if op_class is None else [slot.name for slot in op_class.slots()]
    for key in ("in", *slots):
        value = row.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield from (base for base in dict.fromkeys(_bases(each)) if base in rows)
