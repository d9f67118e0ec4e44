"""Lowering: a graph as a person wrote it, rewritten for given ranks and dtypes into primitive ops, equal ones merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ourdl_core.context import Label, Trace, tracing
from ourdl_core.function import Function
from ourdl_core.infer import UndeclaredError, as_node, placeholder, spec_of_made, unknown
from ourdl_core.node import Constant, Node, Variable, order_of, output_of
from ourdl_core.op import Composite, Op
from ourdl_core.record import exact

MODES = ("training", "inference")
# Composites inside composites: more is a body that contains itself.
DEEPEST = 100


class Lowered(Node):
    """A node of a lowered graph: it belongs to one Program that is laid out, and no person has it."""

    __slots__ = ()
    _serial = 0
    _value = _grad = _by = _run = None  # what only a person asks for


def lowered(
    op: Op, parents: tuple[Node | None, ...], where: Any, names: Any, inside: Label | None, spec: Any = None
) -> Lowered:
    """The node of ``op`` for what a person built at ``where``, in the body or gradient ``inside``."""
    node = Lowered.__new__(Lowered)
    node.op, node.parents, node._spec = op, parents, spec
    node._where, node._names, node._inside = where, names, inside
    node._label = node._made = node._outputs = None
    return node


class Lowering:
    """The primitive graph of some outputs, for one mode, in one or two passes.

    In the first pass composites are expanded, but those that write their own gradient stay whole: it is the form that the
    chain rule is applied to, and gradients become nodes of it. Where any stayed whole (``partial``), a second pass over the
    same nodes expands these (``first`` is the first). ``leaf`` gives the lowered node of a Variable.
    """

    def __init__(self, leaf: Callable[[Variable], Node], mode: str, first: Lowering | None = None) -> None:
        self.leaf = leaf
        self.mode = mode
        self.first = first
        self.partial = False
        self.lowered: dict[Node, Any] = {}
        self.updates: dict[Variable, list[Node]] = {}
        # How the shape of what is made follows from other nodes, and which Variable a lowered leaf stands for.
        self.rules: dict[Variable, Any] = {} if first is None else first.rules
        self.sources: dict[Node, Variable] = {} if first is None else first.sources
        self._apart: set[Node] = set()
        self._numbers: dict[Any, Node] = {}
        # For each op record, by its identity: itself (so that no other gets that number), its form, whether it is expanded,
        # and its rule for what it is the same as.
        self._ops: dict[int, tuple[Op, Op, bool, Any]] = {}
        self._depth = 0

    def lower(self, nodes: Iterable[Node]) -> list[Node]:
        """The lowered form of ``nodes`` and of all they are computed from."""
        nodes = list(nodes)
        done = Lowered if self.first is None else None  # to a first pass, its form is what it is
        order = order_of(nodes, self.lowered, done)
        for node in order if self.first is None else ():
            if isinstance(node.op, Composite):
                self._apart.update(node.op.kept_apart(node.parents))  # type: ignore[arg-type]
        images: dict[Any, Any] = self.lowered
        for node in order:
            if node in images or type(node) is done:
                continue
            if node.op is None:
                images[node] = self._marked(node, self._given(node), ())
                continue
            parents = tuple([images.get(parent, parent) for parent in node.parents])
            _, op, expands, simpler = self._ops.get(id(node.op)) or self._know(node.op)
            found = None if simpler is None else simpler(*parents)
            if expands:
                images[node] = self._marked(node, self._expand(op, node, parents), parents)  # type: ignore[arg-type]
            elif found is None:
                images[node] = self._made(op, parents, node)
            elif type(found) is tuple:
                images[node] = self._made(found[0], found[1], node)
            else:
                images[node] = self._marked(node, found, parents)
        return [images.get(node, node) for node in nodes]

    def give(self, node: Node, leaf: Node) -> None:
        """Let ``leaf`` stand for ``node``: nothing of how it is computed is lowered."""
        self.lowered[node] = self.lowered[leaf] = leaf

    def _marked(self, node: Node, result: Any, parents: tuple[Any, ...]) -> Any:
        """``result``, noted as the form of a node; an Identity of it where ``node`` must be told from another."""
        if node in self._apart and not isinstance(result, tuple) and (result in self.lowered or result in parents):
            return self._made(_home_op("Identity"), (result,), node)
        for each in result if isinstance(result, tuple) else (result,):
            self.lowered.setdefault(each, each)
        return result

    def _know(self, op: Op) -> tuple[Op, Op, bool, Any]:
        here = _in_mode(op, self.mode)
        whole = isinstance(here, Composite) and self.first is None and here.own_vjp
        self.partial = self.partial or whole
        simpler = None if type(here).simplified is Op.simplified else here.simplified
        known = self._ops[id(op)] = op, here, isinstance(here, Composite) and not whole, simpler
        return known

    def _given(self, node: Node) -> Any:
        if isinstance(node, Constant):
            return self._numbers.setdefault(exact(node._value), node) if node._spec.number else node
        if isinstance(node, Variable):
            leaf = self.leaf(node)
            if leaf is not node:
                self.sources[leaf] = node
            return leaf
        parent = node.parents[0]
        producer = self.lowered.get(parent, parent)  # type: ignore[arg-type]
        return producer[node.index] if isinstance(producer, tuple) else output_of(producer, node.index)  # type: ignore

    def _made(self, op: Op, parents: tuple[Node | None, ...], source: Node) -> Node:
        if type(source) is Lowered and op is source.op and parents == source.parents:
            return source
        node = lowered(op, parents, source._where, source._names, source._inside)
        node._label, node._made = source._label, source._made
        return node

    def _expand(self, op: Composite, node: Node, parents: tuple[Node | None, ...]) -> Any:
        scope = Trace(node._label or Label(node.kind), _store(node), node._where, self.rules, node._names)
        scope.lower = self.lower if self.first is None else None
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


def merged(roots: Sequence[Node], given: Mapping[Node, Node]) -> tuple[list[Node], list[Node]]:
    """The nodes of a lowered graph, parents first, with equal ones made one; and what ``roots`` are then.

    What is ``given`` is replaced. Nodes are changed where they stand: nothing is lowered by way of them after this.
    """
    images: dict[Any, Any] = dict(given)
    order: list[Node] = []
    interned: dict[Any, dict[Any, Node]] = {}  # by op, or by the number of an output; then by parents
    tables: dict[int, tuple[Any, Any]] = {}  # the same by the identity of the op, which is held; None for one kept apart
    for node in order_of(roots, stop=given):
        if node in given:
            order.append(given[node])
            continue
        parents = node.parents
        op: Any = node.op
        if images:
            for parent in parents:
                if parent in images:
                    node.parents = parents = tuple([images.get(each, each) for each in parents])
                    break
        if op is None:
            if not parents:
                order.append(node)
                continue
            op = node.index
        known = tables.get(id(op))
        if known is None:
            mergeable = node.op is None or op.mergeable
            known = tables[id(op)] = op, interned.setdefault(op, {}) if mergeable else None
        equal = node if known[1] is None else known[1].setdefault(parents, node)
        if equal is node:
            order.append(node)
        else:
            images[node] = equal
    return order, [images.get(root, root) for root in roots]


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
    functions = op.functions()
    if not functions:
        return op
    changed = {name: f.in_mode(mode) for name, f in functions.items() if f.mode != mode}
    return op.replace(**changed) if changed else op


def _home_op(name: str) -> Any:
    from ourdl_core.ops import home

    return home(name)()
