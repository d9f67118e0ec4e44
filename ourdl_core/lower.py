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
    """The primitive graph of some outputs, for one mode.

    ``leaf`` gives the lowered node of a Variable. With ``whole=True`` composites that write their own gradient stay
    whole and equal nodes stay apart, which is the form that the chain rule is applied to.
    """

    def __init__(self, leaf: Callable[[Variable], Node], mode: str, whole: bool = False) -> None:
        self.leaf = leaf
        self.mode = mode
        self.whole = whole
        self.lowered: dict[Node, Any] = {}
        self.updates: dict[Variable, Node] = {}
        self.rules: dict[Variable, Any] = {}
        self._distinct: set[Node] = set()
        self.depth = 0
        self.given: list[Node] = []
        self._interned: dict[Any, Node] = {}
        self._sources: dict[Node, Variable] = {}

    def lower(self, nodes: Iterable[Node]) -> list[Node]:
        """The lowered form of ``nodes`` and of all they are computed from."""
        nodes = list(nodes)
        for node in order_of(nodes, stop=self.lowered):
            if node not in self.lowered:
                self._record(node, self._one(node))
        return [self.lowered[node] for node in nodes]

    def lower_distinct(self, nodes: Iterable[Node]) -> list[Node]:
        """Lower what a gradient is asked for, each to a node of its own, also where an op only hands its input on.

        Gradients within this lowering see the same nodes, so that a derivative passes through them too.
        """
        nodes = list(nodes)
        self._distinct.update(nodes)
        return self.lower(nodes)

    def _record(self, node: Node, result: Any) -> None:
        if node in self._distinct and not isinstance(result, tuple) and result in self.lowered:
            result = self._node(_home_op("Identity"), (result,), node)
        for each in result if isinstance(result, tuple) else (result,):
            self.lowered.setdefault(each, each)
        self.lowered[node] = result

    def _one(self, node: Node) -> Any:
        if isinstance(node, Variable):
            leaf = self.leaf(node)
            self._sources[leaf] = node
            return leaf
        if isinstance(node, Constant):
            key = (type(node.value), repr(node.value)) if node.spec.number else id(node)
            return self._interned.setdefault(key, node)
        if isinstance(node, Output):
            return self._output(node)
        parents = tuple(None if p is None else self.lowered[p] for p in node.parents)
        op = _in_mode(node.op, self.mode)
        if isinstance(op, Composite):
            if not (self.whole and op.own_vjp):
                return self._expand(op, node, parents)
            _refuse_made_inside(op, node)
        return self._node(op, parents, node)

    def _output(self, node: Output) -> Node:
        producer = self.lowered[node.parents[0]]  # type: ignore[index]
        if isinstance(producer, tuple):
            return producer[node.index]  # type: ignore[no-any-return]
        return output_of(producer, node.index)

    def _node(self, op: Op, parents: tuple[Node | None, ...], source: Node) -> Node:
        key = (op, parents)
        if not self.whole and op.mergeable and key in self._interned:
            return self._interned[key]
        node = Node.__new__(Node)
        with_source(node, op, parents, source)
        self._interned[key] = node
        return node

    def _expand(self, op: Composite, node: Node, parents: tuple[Node | None, ...]) -> Any:
        scope = Trace(node._label or Label(node.kind), _store(node), node._where, self, self.rules, node._names)
        self.depth += 1
        if self.depth > DEEPEST:
            raise RecursionError(f"{node.kind} is nested {DEEPEST} deep: does its body contain itself?")
        try:
            results, updates = run_body(op, parents, scope, self.mode)
            lowered = tuple(self.lower(results))
        except Exception as error:
            if self.depth == 1 or not isinstance(error, RecursionError):
                error.add_note(f"  in {node.describe()}")
            raise
        finally:
            self.depth -= 1
        for name, value in updates.items():
            self._update(op, name, parents, value)
        return lowered if op.num_outputs is not None else lowered[0]

    def _update(self, op: Composite, name: str, parents: tuple[Node | None, ...], value: Any) -> None:
        """Note the new value of the state in the slot ``name``; a state given as something else is only read."""
        positions = {slot.name: i for i, slot in enumerate(op.slots())}
        if name not in positions:
            raise TypeError(f"{type(op).__name__}.body updates '{name}', which is not one of its inputs")
        leaf = parents[positions[name]]
        source = self.source(leaf) if leaf is not None else None
        if source is not None and source.is_state:
            self.add_update(source, self.lower([as_node(value)])[0])

    def source(self, leaf: Node) -> Variable | None:
        """The Variable that a lowered leaf stands for."""
        return self._sources.get(leaf)

    def add_update(self, variable: Variable, value: Node) -> None:
        """Note the value that ``variable`` takes after a run."""
        if self.updates.setdefault(variable, value) is not value and not self.whole:
            raise ValueError(f"{variable.describe()} is updated twice in one run: give each op a state of its own")

    def inner(self, given: dict[Variable, Node]) -> Lowering:
        """A lowering within this one, for the chain rule: the Variables in ``given`` stand for nodes of this one."""

        def leaf(variable: Variable) -> Node:
            return given[variable] if variable in given else self.lower([variable])[0]

        inner = Lowering(leaf, self.mode, whole=True)
        inner.rules, inner.depth = self.rules, self.depth
        for node in self._distinct:
            if isinstance(node, Variable) or node not in self.lowered:
                continue
            inner._distinct.add(node)
            inner.lowered[node] = inner.lowered[self.lowered[node]] = self.lowered[node]
        return inner

    def give(self, node: Node, leaf: Node) -> None:
        """Let ``leaf`` stand for ``node``, whose value is given: nothing of how it is computed is lowered."""
        self.lowered[node] = self.lowered[leaf] = leaf
        self.given.append(node)

    def share(self, inner: Lowering) -> None:
        """Let the values that are given here stand for the same nodes of ``inner``."""
        for node in self.given:
            within = inner.lowered.get(node)
            if isinstance(within, Node):
                self.lowered.setdefault(within, self.lowered[node])


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
        lowering.lower(function.outputs)
    except UndeclaredError:
        return []
    for variable in found:
        variable._rule = lowering.rules.get(variable, variable._rule)
    return list(found)


def _spec_of_made(variable: Variable, rules: dict[Variable, Any]) -> Any:
    rule = rules.get(variable, variable._rule)
    return spec_of_made(rule, {slot: node.spec for slot, node in rule[2].items()})


def _refuse_made_inside(op: Composite, node: Node) -> None:
    """A gradient that an author wrote cannot reach parameters that the body makes in ops of its own."""
    for inner in (node._made or {}).values():
        if isinstance(inner, dict) and inner:
            raise TypeError(
                f"{type(op).__name__} writes its own vjp, but its body makes parameters inside other ops, whose gradient "
                "vjp cannot return: make them inputs of the body (weight=Parameter(...)), or leave out vjp"
            )


def with_source(node: Node, op: Op, parents: tuple[Node | None, ...], source: Node) -> None:
    """Fill a lowered node: its name and place are those of the node that a person wrote."""
    node.op, node.parents = op, parents
    node._label, node._where, node._made = source._label, source._where, source._made
    node._spec = node._value = node._grad = node._by = node._run = node._outputs = None
    node._serial, node._names = source._serial, source._names


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
    if (type(result) is tuple) != (op.num_outputs is not None):
        raise TypeError(
            f"{type(op).__name__}.body returned {'a tuple' if type(result) is tuple else 'one node'}, "
            f"but num_outputs is {op.num_outputs}"
        )
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
