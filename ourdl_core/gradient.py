"""Gradients: the chain rule, once. ``grad`` gives nodes; what they compute is a graph of named ops.

The rule is applied when a Program is laid out, where ranks, dtypes and the mode are known. A gradient is a node whose
parents are what it is the gradient of, with respect to what, so it can be differentiated again, to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from ourdl_core.arrays import Spec
from ourdl_core.context import Label, Trace, tracing
from ourdl_core.function import all_made
from ourdl_core.infer import as_node
from ourdl_core.naming import owner_of
from ourdl_core.node import Constant, Node, Output, make_node, order_of
from ourdl_core.op import Composite, outputs_of


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
    order = order_of(outs)
    active = set(wrt)
    for node in order:
        if any(parent in active for parent in node.parents):
            active.add(node)
    sums: dict[Node, PairwiseSum] = {}
    pieces: dict[Node, dict[int, Node]] = {}
    for out, seed in zip(outs, seeds, strict=True):
        sums.setdefault(out, PairwiseSum()).add(seed)
    for node in reversed(order):
        if node not in active or not any(parent in active for parent in node.parents):
            continue
        total = sums[node].total() if node in sums else None
        if isinstance(node, Output):
            if total is not None:
                pieces.setdefault(node.parents[0], {})[node.index] = total  # type: ignore[arg-type]
            continue
        if total is None and node not in pieces:
            continue
        for parent, piece in zip(node.parents, _gradients(node, total, pieces.pop(node, {})), strict=True):
            if piece is not None and parent is not None and parent in active and parent.spec.floating:
                piece = _as_dtype_of(parent, piece)
                _check_shape(piece, parent, f"a gradient that {node.kind}.vjp returned", node)
                sums.setdefault(parent, PairwiseSum()).add(piece)
    return [sums[node].total() if node in sums else None for node in wrt]


def _gradients(node: Node, total: Node | None, pieces: dict[int, Node]) -> tuple[Any, ...]:
    """The gradients of the parents of ``node``; for several outputs, zeros stand for those that nothing came to."""
    from ourdl_core.ops import domain_of

    op = node.op
    assert op is not None
    if isinstance(op, Composite):
        _refuse_made_inside(op, node)
    scope = Trace(Label(f"gradient of {owner_of(node) or node}"), {}, node._where, names=node._names)
    y: Any = node
    g: Any = total
    with tracing(scope, domain_of(type(op))):
        if op.num_outputs is not None:
            y = outputs_of(node)
            g = tuple(pieces[i] if i in pieces else _zeros_like(each) for i, each in enumerate(y))
        try:
            return op.gradients(g, y, node.parents)
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

    def __init__(self) -> None:
        self._parts: list[tuple[int, Node]] = []

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


def _add(a: Node, b: Node) -> Node:
    from ourdl_core.ops import home

    return home("Add")(a, b)  # type: ignore[no-any-return]


def _ones_like(node: Node) -> Node:
    from ourdl_core.ops import home

    return home("OnesLike")(node)  # type: ignore[no-any-return]


def _zeros_like(node: Node) -> Node:
    from ourdl_core.ops import home

    return home("ZerosLike")(node)  # type: ignore[no-any-return]
