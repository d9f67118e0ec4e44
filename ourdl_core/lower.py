"""Lowering: a graph as a person wrote it, rewritten for given ranks and dtypes into primitive ops, equal ones merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ourdl_core.context import Label, Trace, tracing
from ourdl_core.function import Function
from ourdl_core.infer import UndeclaredError, as_node, placeholder, spec_of_made, unknown
from ourdl_core.node import Constant, Node, Output, Variable, order_of, output_of
from ourdl_core.op import Composite, Op

MODES = ("training", "inference")
# Composites inside composites: more is a body that contains itself.
DEEPEST = 100


class Lowering:
    """The primitive graph of some outputs, for one mode, in two passes over the same nodes.

    In the first pass composites are expanded, but those that write their own gradient stay whole and equal nodes stay
    apart: it is the form that the chain rule is applied to, and gradients become nodes of it. In the second pass
    (``first`` is the first) the rest is expanded and equal nodes are merged. ``leaf`` gives the lowered node of a Variable.
    """

    def __init__(self, leaf: Callable[[Variable], Node], mode: str, first: Lowering | None = None) -> None:
        self.leaf = leaf
        self.mode = mode
        self.first = first
        self.lowered: dict[Node, Any] = {}
        self.updates: dict[Variable, list[Node]] = {}
        # How the shape of what is made follows from other nodes, and which Variable a lowered leaf stands for.
        self.rules: dict[Variable, Any] = {} if first is None else first.rules
        self.sources: dict[Node, Variable] = {} if first is None else first.sources
        self._apart: set[Node] = set()
        self._interned: dict[Any, Node] = {}
        self._depth = 0

    def lower(self, nodes: Iterable[Node]) -> list[Node]:
        """The lowered form of ``nodes`` and of all they are computed from."""
        nodes = list(nodes)
        order = order_of(nodes, stop=self.lowered)
        for node in order:
            if node.op is not None:
                self._apart.update(node.op.kept_apart(node.parents))  # type: ignore[arg-type]
        for node in order:
            if node not in self.lowered:
                self._record(node, self._one(node))
        return [self.lowered[node] for node in nodes]

    def give(self, node: Node, leaf: Node) -> None:
        """Let ``leaf`` stand for ``node``: nothing of how it is computed is lowered."""
        self.lowered[node] = self.lowered[leaf] = leaf

    def _record(self, node: Node, result: Any) -> None:
        if node in self._apart and not isinstance(result, tuple) and result in self.lowered:
            result = self._node(_home_op("Identity"), (result,), node)
        for each in result if isinstance(result, tuple) else (result,):
            self.lowered.setdefault(each, each)
        self.lowered[node] = result

    def _one(self, node: Node) -> Any:
        if isinstance(node, Variable):
            leaf = self.leaf(node)
            if leaf is not node:
                self.sources[leaf] = node
            return leaf
        if isinstance(node, Constant):
            key = (type(node.value), repr(node.value)) if node.spec.number else id(node)
            return self._interned.setdefault(key, node)
        if isinstance(node, Output):
            producer = self.lowered[node.parents[0]]  # type: ignore[index]
            return producer[node.index] if isinstance(producer, tuple) else output_of(producer, node.index)
        parents = tuple(None if p is None else self.lowered[p] for p in node.parents)
        op = _in_mode(node.op, self.mode)
        if isinstance(op, Composite) and not (self.first is None and op.own_vjp):
            return self._expand(op, node, parents)
        return self._node(op, parents, node)

    def _node(self, op: Op, parents: tuple[Node | None, ...], source: Node) -> Node:
        key = (op, parents)
        if self.first is not None and op.mergeable and key in self._interned:
            return self._interned[key]
        node = Node.__new__(Node)
        with_source(node, op, parents, source)
        self._interned[key] = node
        return node

    def _expand(self, op: Composite, node: Node, parents: tuple[Node | None, ...]) -> Any:
        scope = Trace(node._label or Label(node.kind), _store(node), node._where, self.rules, node._names)
        self._depth += 1
        if self._depth > DEEPEST:
            raise RecursionError(f"{node.kind} is nested {DEEPEST} deep: does its body contain itself?")
        try:
            results, updates = run_body(op, parents, scope, self.mode)
            lowered = tuple(self._lower_body(results, parents))
            for name, value in updates.items():
                self._update(op, name, parents, value)
        except Exception as error:
            if self._depth == 1 or not isinstance(error, RecursionError):
                error.add_note(f"  in {node.describe()}")
            raise
        finally:
            self._depth -= 1
        return lowered if op.num_outputs is not None else lowered[0]

    def _lower_body(self, results: list[Node], parents: tuple[Node | None, ...]) -> list[Node]:
        """What a body made on lowered ``parents``; in the second pass, by way of the first."""
        if self.first is not None:
            self.first.lowered.update((parent, parent) for parent in parents if parent is not None)
            results = self.first.lower(results)
        return self.lower(results)

    def _update(self, op: Composite, name: str, parents: tuple[Node | None, ...], value: Any) -> None:
        """Note the new value of the state in the slot ``name``; a state given as something else is only read."""
        positions = {slot.name: i for i, slot in enumerate(op.slots())}
        if name not in positions:
            raise TypeError(f"{type(op).__name__}.body updates '{name}', which is not one of its inputs")
        leaf = parents[positions[name]]
        source = None if leaf is None else self.sources.get(leaf)
        if source is not None and source.is_state:
            self.updates.setdefault(source, []).append(self._lower_body([as_node(value)], parents)[0])


def made_within(function: Function) -> list[Variable]:
    """What composites inside a Function make in ops of their own, found by lowering it once on what its inputs declare.

    Empty where they declare too little; running the Function then says so.
    """
    if not any(isinstance(node.op, Composite) for node in function.nodes()):
        return []
    found: dict[Variable, None] = {}

    def leaf(variable: Variable) -> Node:
        found[variable] = None
        return unknown(lambda: _spec_of_made(variable, lowering.rules))

    lowering = Lowering(leaf, function.mode)
    try:
        for node in (*function.inputs, *function.captured):
            lowering.give(node, placeholder(node.spec))
        known = set(lowering.lowered)
        whole = lowering.lower(function.outputs)
        again = Lowering(lambda v: v if v in known or v in lowering.sources else leaf(v), function.mode, first=lowering)
        again.lower(whole)
    except UndeclaredError:
        return []
    for variable in found:
        variable._rule = lowering.rules.get(variable, variable._rule)
    return list(found)


def _spec_of_made(variable: Variable, rules: dict[Variable, Any]) -> Any:
    rule = rules.get(variable, variable._rule)
    return spec_of_made(rule, {slot: node.spec for slot, node in rule[2].items()})


def with_source(node: Node, op: Op, parents: tuple[Node | None, ...], source: Node) -> None:
    """Fill a lowered node: its name and place are those of the node that a person wrote."""
    node.op, node.parents = op, parents
    node._label, node._where, node._made = source._label, source._where, source._made
    node._spec = node._value = node._grad = node._by = node._run = node._outputs = None
    node._serial, node._names, node._inside = source._serial, source._names, source._inside


def _store(node: Node) -> dict[str, Any]:
    if node._made is None:
        node._made = {}
    return node._made


def run_body(op: Composite, parents: tuple[Any, ...], scope: Trace, mode: str) -> tuple[list[Node], dict[str, Any]]:
    """The outputs of a composite's body on ``parents``, and the new values of its states by slot name."""
    from ourdl_core.ops import domain_of

    body = op.body
    if mode == "inference":
        body = getattr(op, "inference", None) or body
    with tracing(scope, domain_of(type(op))):
        result = body(*parents)
    updates: dict[str, Any] = {}
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
        result, updates = result
    many = type(result) is tuple
    if many != (op.num_outputs is not None) or (many and len(result) != op.num_outputs):
        found = f"a tuple of {len(result)}" if many else "one node"
        raise TypeError(f"{type(op).__name__}.body returned {found}, but num_outputs is {op.num_outputs}")
    results = [as_node(each) for each in (result if type(result) is tuple else (result,))]
    for each in results:
        if each.op is not None and each.op.num_outputs is not None:
            raise TypeError(f"{type(op).__name__}.body returned a node with several outputs: choose one of its .outputs")
    return results, updates if mode == "training" else {}


def _in_mode(op: Any, mode: str) -> Any:
    """``op`` with the Functions among its attributes set to ``mode``."""
    changed = {name: f.in_mode(mode) for name, f in op.functions().items() if f.mode != mode}
    return op.replace(**changed) if changed else op


def _home_op(name: str) -> Any:
    from ourdl_core.ops import home

    return home(name)()
