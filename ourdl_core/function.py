"""Functions: closed, immutable pieces of graph that ops take as attributes (the body of a Scan, what a gradient is of)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ourdl_core.node import Constant, Node, Output, Variable, make_node, order_of, output_of


class Function:
    """``outputs`` as a function of ``inputs``. What it uses from outside is ``captured`` and becomes parents.

    Two Functions are equal when they have the same structure: the same ops in the same places.
    """

    __slots__ = ("_key", "_program", "captured", "inputs", "mode", "outputs")

    def __init__(self, inputs: Iterable[Node], outputs: Iterable[Node] | Node, mode: str = "training") -> None:
        self.inputs = tuple(inputs)
        self.outputs = (outputs,) if isinstance(outputs, Node) else tuple(outputs)
        for node in (*self.inputs, *self.outputs):
            if not isinstance(node, Node):
                raise TypeError(f"a Function is made of nodes, found {type(node).__name__}")
        self.mode = mode
        self._key: Any = None
        self._program: Any = None
        self.captured: tuple[Node, ...] = self._find_captured()

    def _find_captured(self) -> tuple[Node, ...]:
        """The outermost nodes that the outputs use and that do not depend on the inputs (constants apart)."""
        given = set(self.inputs)
        inside: set[Node] = set(given)
        fixed: set[Node] = set()
        outer: dict[Node, None] = {}
        for node in order_of(self.outputs, stop=given):
            parents = [p for p in node.parents if p is not None]
            if node in given:
                continue
            if any(p in inside for p in parents):
                inside.add(node)
                outer.update(dict.fromkeys(p for p in parents if p not in inside and p not in fixed))
            elif isinstance(node, Constant) or (not isinstance(node, Variable) and all(p in fixed for p in parents)):
                fixed.add(node)
        outer.update(dict.fromkeys(node for node in self.outputs if node not in inside and node not in fixed))
        return tuple(outer)

    def closed(self) -> Function:
        """The same Function with what it captures, and what composites inside make, as further inputs."""
        from ourdl_core.lower import made_within

        outer = (*self.captured, *made_within(self))
        return Function((*self.inputs, *outer), self.outputs, self.mode) if outer else self

    def in_mode(self, mode: str) -> Function:
        """The same Function for training or for inference."""
        return self if mode == self.mode else Function(self.inputs, self.outputs, mode)

    def nodes(self) -> list[Node]:
        """The nodes inside, parents first, without the inputs and what is captured."""
        border = {*self.inputs, *self.captured}
        return [node for node in order_of(self.outputs, stop=border) if node not in border]

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The outputs: as nodes where any value is a node, else computed at once."""
        if len(values) != len(self.inputs):
            raise TypeError(f"this Function has {len(self.inputs)} inputs, found {len(values)}")
        if any(isinstance(value, Node) for value in values):
            return self._inline(values)
        if self.captured:
            raise TypeError(f"this Function uses {self.captured[0].describe()} from outside: call its closed() form")
        return tuple(self._compiled().evaluate(list(values)))

    def runner(self, *values: Any) -> Callable[[list[Any]], list[Any]]:
        """What computes the outputs of a list of values with the ranks and dtypes of these, to be called again and again."""
        return self._compiled().runner(list(values))  # type: ignore[no-any-return]

    def _compiled(self) -> Any:
        if self._program is None:
            from ourdl_core.program import Program

            self._program = Program(list(self.inputs), list(self.outputs), mode=self.mode)
        return self._program

    def multiply_adds(self, *specs: Any) -> int:
        """How many products one run adds up, for inputs of these specs, whose sizes are all known."""
        from ourdl_core.counting import multiply_adds_of_function

        return multiply_adds_of_function(self, specs)

    def _inline(self, values: tuple[Any, ...]) -> tuple[Node, ...]:
        """A copy of the nodes inside, on ``values``; composites keep what they made."""
        from ourdl_core.infer import as_node

        copies: dict[Node, Node] = dict(zip(self.inputs, map(as_node, values), strict=True))
        copies.update((node, node) for node in self.captured)
        for node in self.nodes():
            if isinstance(node, (Variable, Constant)):
                copies[node] = node
            elif isinstance(node, Output):
                copies[node] = output_of(copies[node.parents[0]], node.index)  # type: ignore[index]
            else:
                copy = make_node(node.op, tuple(None if p is None else copies[p] for p in node.parents))
                copy._made, copy._label, copy._names = _replaced(node._made, copies), node._label, node._names
                copies[node] = copy
        return tuple(copies[node] for node in self.outputs)

    def key(self) -> Any:
        """The structure as a hashable value."""
        if self._key is None:
            numbers: dict[Node, int] = {}
            rows: list[Any] = []
            border = (*self.inputs, *self.captured)
            for node in border:
                numbers[node] = len(numbers)
                rows.append(("input", node._spec if isinstance(node, Variable) else None))
            for node in self.nodes():
                rows.append(_row(node, numbers))
                numbers[node] = len(numbers)
            self._key = (self.mode, len(self.inputs), tuple(rows), tuple(numbers[node] for node in self.outputs))
        return self._key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Function) and self.key() == other.key())

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"Function({len(self.inputs)} inputs, {len(self.nodes())} nodes, {len(self.outputs)} outputs)"


def _replaced(made: dict[str, Any] | None, copies: dict[Node, Node]) -> dict[str, Any] | None:
    """What a composite made, with the inputs of the Function replaced among it."""
    if not made or not any(node in copies for node in all_made(made)):
        return made
    return {k: _replaced(v, copies) if isinstance(v, dict) else copies.get(v, v) for k, v in made.items()}


def all_made(made: dict[str, Any]) -> list[Node]:
    """All that a node made, at any depth of its body."""
    return [node for v in made.values() for node in (all_made(v) if isinstance(v, dict) else [v])]


def _row(node: Node, numbers: dict[Node, int]) -> Any:
    if isinstance(node, Constant):
        value = node.value
        return ("constant", type(value), repr(value)) if node.spec.number else ("constant", node.spec, value.tobytes())
    index = node.index if isinstance(node, Output) else None
    return (node.op, index, tuple(None if p is None else numbers[p] for p in node.parents))


def placeholders(like: Iterable[Any]) -> list[Variable]:
    """Inputs for a Function, one for each node or spec in ``like``: the same rank and dtype, sizes unknown."""
    from ourdl_core.infer import placeholder

    return [placeholder(each.spec.unsized() if isinstance(each, Node) else each.unsized()) for each in like]
