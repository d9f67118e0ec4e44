"""Gradients: the chain rule, once. ``grad`` gives nodes; what they compute is a graph of named ops.

The rule is applied when a Program is laid out, where ranks, dtypes and the mode are known. A gradient is a node whose
parents are what it is the gradient of, with respect to what, so it can be differentiated again, to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple, overload

from ourdl_core import context
from ourdl_core.arrays import Spec
from ourdl_core.context import Label, Trace, tracing, without_trace
from ourdl_core.function import all_made
from ourdl_core.infer import as_node, placeholder
from ourdl_core.lower import lowered
from ourdl_core.naming import owner_of
from ourdl_core.node import Constant, Node, Output, make_node, order_of
from ourdl_core.op import Composite, Op, outputs_of
from ourdl_core.record import exact


@overload
def grad(out: Node, wrt: Node, seed: Any = None) -> Node | None: ...
@overload
def grad(out: Node, wrt: Sequence[Node], seed: Any = None) -> list[Node | None]: ...
def grad(out: Node, wrt: Node | Sequence[Node], seed: Any = None) -> Node | list[Node | None] | None:
    """The gradient of ``out`` with respect to each node of ``wrt``, as nodes; None for one that ``out`` does not use.

    ``seed`` is the upstream gradient, of the shape of ``out``; ones when not given, so that for an ``out`` that is not
    a scalar it is the gradient of its sum.
    """
    for node in (out, *([wrt] if isinstance(wrt, Node) else wrt)):
        if not isinstance(node, Node):
            raise TypeError(f"a gradient is of a node with respect to nodes, found {type(node).__name__} {node!r:.60}")
    if isinstance(wrt, Node):
        return grad(out, [wrt], seed)[0]
    outs = [out]
    seeds = [] if seed is None else [as_node(seed)]
    return pullback(outs, wrt, seeds)


def pullback(outs: Sequence[Node], wrt: Sequence[Node], seeds: Sequence[Any]) -> list[Node | None]:
    """The gradient of the sum of ``outs``, each weighted by its seed (ones where ``seeds`` is empty), for each ``wrt``."""
    inside = order_of(outs)
    for node in (*outs, *wrt):
        if node.op is not None and node.op.num_outputs is not None:
            raise TypeError(f"{node.describe()} has several outputs: choose one, as {node}.outputs[0]")
    used = {*inside, *(made for node in inside if node._made for made in all_made(node._made))}
    connected = [node for node in dict.fromkeys(wrt) if node in used]
    if not connected:
        return [None for _ in wrt]
    record = Gradient.make({"outs": len(outs), "wrt": len(connected)})
    node = make_node(record, (*outs, *connected, *(as_node(seed) for seed in seeds)))
    found = dict(zip(connected, outputs_of(node), strict=True))
    return [found.get(each) for each in wrt]


class Gradient(Composite):
    """The gradient of the first ``outs`` inputs with respect to the next ``wrt``; the rest are seeds, or ones are."""

    outs: int
    wrt: int

    @property
    def num_outputs(self) -> int:
        return self.wrt

    def kept_apart(self, parents: tuple[Node | None, ...]) -> tuple[Node | None, ...]:
        return parents[self.outs : self.outs + self.wrt]

    def body(self, *inputs: Any) -> Any:
        outs, wrt = inputs[: self.outs], inputs[self.outs : self.outs + self.wrt]
        seeds = inputs[self.outs + self.wrt :] or [_ones_like(out) for out in outs]
        for seed, out in zip(seeds, outs, strict=True):
            _check_shape(seed, out, "the seed of a gradient")
        found = sweep(outs, seeds, wrt)
        return tuple(_zeros_like(w) if g is None else g for w, g in zip(wrt, found, strict=True))

    def infer(self, *specs: Spec | None) -> Any:
        return specs[self.outs : self.outs + self.wrt]


def sweep(outs: Sequence[Node], seeds: Sequence[Node], wrt: Sequence[Node]) -> list[Node | None]:
    """The chain rule, from ``outs`` back to ``wrt``, over a lowered graph. The only caller of ``gradients``."""
    rules = Rules(wrt)
    inner = [(node, ways) for node in order_of(outs) if (ways := rules.reach(node))]
    sums: dict[Node, Any] = {}  # for each node what came to it: a node, or a PairwiseSum of several
    pieces: dict[Node, dict[int, Node]] = {}

    def add(node: Node, piece: Node) -> None:
        before = sums.get(node)
        if before is None:
            sums[node] = piece
        elif type(before) is PairwiseSum:
            before.add(piece)
        else:
            sums[node] = PairwiseSum(before)
            sums[node].add(piece)

    for out, seed in zip(outs, rules.lower(seeds), strict=True):
        add(out, seed)  # type: ignore[arg-type]
    while inner:
        node, ways = inner.pop()
        total = _total(sums.get(node))
        if total is None and node not in pieces:
            continue
        if type(node) is Output:
            pieces.setdefault(node.parents[0], {})[node.index] = total  # type: ignore[arg-type, assignment]
            continue
        for parent, piece in zip(node.parents, rules.pieces(node, ways, total, pieces.pop(node, {})), strict=True):
            if piece is not None:
                add(parent, piece)  # type: ignore[arg-type]
    return [_total(sums.get(node)) for node in wrt]


class Rules:
    """What the gradient rules of ops make for the nodes of one sweep.

    A rule is run for the first node of a kind: one op record on inputs of one list of specs, some of them active. For the
    second it is run on stand-ins, and what it makes of them is made for all that follow without running it again.
    """

    def __init__(self, wrt: Sequence[Node]) -> None:
        self._active = set(wrt)
        self._known: dict[Any, Any] = {}
        self._labels: dict[Any, Label] = {}
        scope = context.trace.get()
        self._lower = None if scope is None else scope.lower

    def lower(self, nodes: Sequence[Node | None]) -> list[Node | None]:
        """What a rule made, in primitive form, as far as a Program is being laid out."""
        if self._lower is None:
            return list(nodes)
        with without_trace():
            made = iter(self._lower([node for node in nodes if node is not None]))
        return [None if node is None else next(made) for node in nodes]

    def reach(self, node: Node) -> tuple[int, ...] | None:
        """What each parent of ``node`` is to the chain rule: 1 if it is active, 2 more for a constant; None if none is."""
        active = self._active
        ways = tuple([(parent in active) + 2 * (type(parent) is Constant) for parent in node.parents])
        if 1 not in ways and 3 not in ways:
            return None
        active.add(node)
        return ways

    def pieces(
        self, node: Node, ways: tuple[int, ...], total: Node | None, parts: dict[int, Node]
    ) -> Sequence[Node | None]:
        """The gradient of each parent of ``node``; None for those that are not active or have none."""
        op: Any = node.op
        if isinstance(op, Composite):
            _refuse_made_inside(op, node)
        if total is not None and op.num_outputs is None and len(ways) <= MOST_PARENTS:
            rule = self._rule(node, ways, total)
            if rule is not None:
                return rule.apply(node, total, self._label(node) if rule.rows else None)
        y: Any = node
        g: Any = total
        if op.num_outputs is not None:
            y = outputs_of(node)
            g = tuple(parts[i] if i in parts else _zeros_like(each) for i, each in enumerate(y))
        return self.lower(self._run(node, g, y, node.parents))

    def _run(self, node: Node, g: Any, y: Any, inputs: tuple[Node | None, ...]) -> list[Node | None]:
        """What the rule of ``node`` makes of ``g`` and ``y`` for those of ``inputs`` whose gradient is asked for."""
        checked: list[Node | None] = []
        found = _gradients(node, g, y, inputs, self._label(node))
        for parent, given, piece in zip(node.parents, inputs, found, strict=True):
            if piece is None or given is None or parent not in self._active or not given.spec.floating:
                checked.append(None)
            else:
                checked.append(_as_dtype_of(given, piece))
                _check_shape(checked[-1], given, f"a gradient that {node.kind}.vjp returned", node)  # type: ignore[arg-type]
        return checked

    def _rule(self, node: Node, ways: tuple[int, ...], total: Node) -> Rule | None:
        """What to make for ``node`` without running its rule; None where it is to be run."""
        try:
            specs = [0 if parent is None else id(parent._spec or parent.spec) for parent in node.parents]
            kind: tuple[Any, ...] = (id(node.op), id(node._names), id(total._spec or total.spec), ways, *specs)
        except Exception:  # a spec cannot be told: the rule may do without
            return None
        found = self._known.get(kind)
        if found is _BY_VALUE:
            kind = kind, tuple([exact(p.value) if isinstance(p, Constant) else None for p in node.parents])
            found = self._known.get(kind)
        if found is None:
            self._known[kind] = _ONCE
        elif found is _ONCE:
            try:
                found = self._made(node, total, by_value=type(kind[0]) is tuple)
            except Exception:  # it asks for more than stand-ins can tell
                found = _NONE
            self._known[kind] = found
        return found if type(found) is Rule else None

    def _made(self, node: Node, total: Node, by_value: bool) -> Any:
        """What the rule makes of stand-ins, if these are primitive ops alone."""
        inputs = tuple([
            None if p is None else Watched(p) if isinstance(p, Constant) else placeholder(p.spec) for p in node.parents
        ])
        g, y = placeholder(total.spec), placeholder(node.spec)
        pieces = self._run(node, g, y, inputs)
        looked = [p for p in inputs if isinstance(p, Watched) and p.looked]
        if looked and not by_value:
            return _BY_VALUE if all(p.spec.number for p in looked) else _NONE
        given = [g, y, *inputs]
        made = order_of([piece for piece in pieces if piece is not None], stop=set(given))
        literals = [each for each in made if isinstance(each, Constant) and each not in given]
        places: dict[Node | None, int] = {each: i for i, each in enumerate([*literals, *given])}
        rows = []
        for each in made:
            if each not in places:
                op = each.op
                if op is None or not each.parents or None in each.parents:
                    return _NONE
                if isinstance(op, Composite) or op.functions() or op.num_outputs is not None:
                    return _NONE
                inputs_at = itemgetter(*[places[p] for p in each.parents])
                rows.append((op, inputs_at, len(each.parents) == 1, each.spec))
                places[each] = len(places)
        return Rule(self.lower(literals), rows, [None if piece is None else places[piece] for piece in pieces])

    def _label(self, node: Node) -> Label:
        """What is built for the gradient of ``node`` is built inside of that."""
        of: Any = node._label if node._inside is None else node._inside
        if of is None or of.root.text is None:
            of = type(node.op)
        found = self._labels.get(of)
        if found is None:
            found = self._labels[of] = Label(f"gradient of {owner_of(node) or node}")
        return found


# More parents are as many nodes of few kinds: nothing is gained.
MOST_PARENTS = 8
_ONCE, _BY_VALUE, _NONE = "once", "by value", "none"


class Rule(NamedTuple):
    """A gradient rule as the primitive ops that it makes: each with where its inputs stand among what is given and made."""

    literals: list[Node | None]
    rows: list[tuple[Op, Any, bool, Any]]
    results: list[int | None]

    def apply(self, node: Node, total: Node, inside: Label | None) -> list[Node | None]:
        """Make them for ``node``, whose gradient is ``total``."""
        where, names = node._where, node._names
        values: list[Any] = [*self.literals, total, node, *node.parents]
        for op, inputs, single, spec in self.rows:
            parents = (inputs(values),) if single else inputs(values)
            values.append(lowered(op, parents, where, names, inside, spec))
        return [None if i is None else values[i] for i in self.results]


class Watched(Constant):
    """Stands for a constant while a rule is run; ``looked`` says whether the rule looked at the value."""

    __slots__ = ("looked",)

    def __init__(self, constant: Node) -> None:
        self._setup(None, ())
        self._value, self._spec, self.looked = constant._value, constant._spec, False

    @property
    def value(self) -> Any:
        self.looked = True
        return self._value


def _gradients(node: Node, g: Any, y: Any, inputs: tuple[Node | None, ...], label: Label) -> tuple[Any, ...]:
    """The gradients of the parents of ``node``, for which ``inputs`` stand."""
    from ourdl_core.ops import domain_of

    op: Any = node.op
    with tracing(Trace(label, {}, node._where, names=node._names), domain_of(type(op))):
        try:
            return op.gradients(g, y, inputs)  # type: ignore[no-any-return]
        except Exception as error:
            error.add_note(f"  in the gradient of {node.describe()}")
            if "__array_ufunc__" in str(error):  # a NumPy function, given a node
                error.add_note("  write it with operators and ops.<Name>, as ops.Exp(x), which work on nodes and on arrays")
            raise


def _refuse_made_inside(op: Composite, node: Node) -> None:
    """A gradient that an author wrote cannot reach parameters that the body makes in ops of its own."""
    for inner in (node._made or {}).values():
        if isinstance(inner, dict) and inner:
            raise TypeError(
                f"{type(op).__name__} writes its own vjp, but its body makes parameters inside other ops, whose gradient "
                "vjp cannot return: make them inputs of the body (weight=Parameter(...)), or leave out vjp"
            )


def _as_dtype_of(parent: Node, piece: Any) -> Node:
    """``piece`` with the dtype of the value that it is the gradient of."""
    from ourdl_core.ops import home

    if not isinstance(piece, Node):
        piece = home("BroadcastLike")(Constant(piece), parent)
    spec = parent.spec
    if spec.number or piece.spec.number or piece.spec.dtype == spec.dtype:
        return piece  # type: ignore[no-any-return]
    return home("Cast")(piece, to=spec.dtype.name)  # type: ignore[no-any-return]


def _check_shape(piece: Node, of: Node, what: str, node: Node | None = None) -> None:
    """A gradient has the shape of what it is the gradient of, as far as sizes are known."""
    found, wanted = piece.spec.shape, of.spec.shape
    if len(found) != len(wanted) or any(a != b and None not in (a, b) for a, b in zip(found, wanted, strict=True)):
        where = f"\n  in the gradient of {node.describe()}" if node is not None else ""
        raise ValueError(
            f"{what} is {piece.spec}, but what it is the gradient of is {of.spec}: they must have the same shape "
            f"(ops.SumTo sums over axes that were broadcast){where}"
        )


class PairwiseSum:
    """A sum of nodes, added pairwise as a tree so that rounding errors stay small, holding log2(n) of them."""

    __slots__ = ("_parts",)

    def __init__(self, node: Node) -> None:
        self._parts: list[tuple[int, Node]] = [(1, node)]

    def add(self, node: Node) -> None:
        count = 1
        while self._parts and self._parts[-1][0] == count:
            node = _add(self._parts.pop()[1], node)
            count *= 2
        self._parts.append((count, node))

    def total(self) -> Node:
        node = self._parts[-1][1]
        for _, part in reversed(self._parts[:-1]):
            node = _add(part, node)
        self._parts = [(1, node)]
        return node


def _total(found: Any) -> Node | None:
    return found.total() if type(found) is PairwiseSum else found


def _add(a: Node, b: Node) -> Node:
    from ourdl_core.ops import home

    scope = context.trace.get()
    if scope is None or scope.lower is None:
        return home("Add")(a, b)  # type: ignore[no-any-return]
    return lowered(home("Add")._default(), (a, b), scope.where, scope.names, scope.label)


def _ones_like(node: Node) -> Node:
    from ourdl_core.ops import home

    return home("OnesLike")(node)  # type: ignore[no-any-return]


def _zeros_like(node: Node) -> Node:
    from ourdl_core.ops import home

    return home("ZerosLike")(node)  # type: ignore[no-any-return]
