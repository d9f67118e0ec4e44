"""A summary of a graph: its nodes with shapes, parameters, bytes and multiply-adds, and what these come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ourdl_core import Graph, Node, Spec, Variable, context
from ourdl_core.counting import multiply_adds_of_node
from ourdl_core.errors import either, suggest
from ourdl_core.function import all_made
from ourdl_core.node import Constant, Output, order_of
from ourdl_core.plan import laying_out
from ourdl_view.sizes import NamedShapes, Shape, Specs, declared_names, trials_of_at_most
from ourdl_view.summary_text import sizes_text, summary_html, summary_text

#: Stands among the sizes of a summary for those that have no name.
UNKNOWN = "?"


@dataclass(frozen=True)
class Value:
    """One output of a node. ``bytes`` are those of its value for the sizes of the summary."""

    shape: Shape
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Row:
    """One node. ``op`` is its class, or ``input``, ``parameter``, ``state``, ``key`` for one that is given from outside.

    What several nodes share is counted at the first of them.
    """

    name: str
    op: str
    outputs: tuple[Value, ...]
    computed: bool
    parameters: int = 0
    parameter_bytes: int = 0
    states: int = 0
    multiply_adds: int = 0


@dataclass(frozen=True)
class Summary:
    """The rows of a graph and their sums. ``sizes`` are those that bytes and multiply-adds are for."""

    rows: tuple[Row, ...]
    sizes: Mapping[str, int]

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(row.parameters for row in self.rows)

    @property
    def parameter_bytes(self) -> int:
        """The bytes of what is trained."""
        return sum(row.parameter_bytes for row in self.rows)

    @property
    def states(self) -> int:
        """How many numbers training updates without training them (running statistics)."""
        return sum(row.states for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """The bytes of what nodes compute, as if each output had memory of its own."""
        return sum(value.bytes for row in self.rows if row.computed for value in row.outputs)

    @property
    def multiply_adds(self) -> int:
        """How many products one forward run adds up."""
        return sum(row.multiply_adds for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON; a size that is not known is None."""
        sums = ("parameters", "parameter_bytes", "states", "activation_bytes", "multiply_adds")
        rows = [asdict(row) for row in self.rows]
        return {"sizes": dict(self.sizes), "nodes": rows, "totals": {name: getattr(self, name) for name in sums}}

    def text(self, width: int | None = None) -> str:
        """The table, in lines of at most ``width`` characters where that is possible."""
        return summary_text(self, width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return summary_html(self)


def summary(graph: Graph, sizes: Mapping[str, int] | None = None) -> Summary:
    """What a graph consists of. ``sizes`` gives sizes that vary a number, by name: ``{"batch": 32}``; others count as 1."""
    nodes = _shown(graph)
    names = _names(nodes)
    specs = Specs({**dict.fromkeys(names, 1), **_checked(sizes or {}, names)}, unnamed=1)
    with laying_out, context.hidden(), trials_of_at_most(100_000_000):
        shapes = NamedShapes(names)
        found = {node: shapes.of(node) for node in nodes}  # mistakes that no choice of sizes mends are told first
        try:
            rows = tuple(_rows(nodes, found, specs))
        except Exception as error:
            if _used(specs):
                error.add_note(f"  for {sizes_text(_used(specs))}: choose other sizes")
            raise
    return Summary(rows, _used(specs))


def _used(specs: Specs) -> dict[str, int]:
    """The sizes that numbers are for, with those that have no name where there are any."""
    return {**specs.sizes, **({UNKNOWN: 1} if specs.guessed else {})}


def _names(nodes: Sequence[Node]) -> list[str]:
    """The names of sizes that vary, in the order in which they are declared."""
    variables = [node for node in nodes if isinstance(node, Variable)]
    return list(dict.fromkeys(name for each in variables for name in declared_names(each) if name is not None))


def _checked(sizes: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    for name, size in sizes.items():
        if name not in names:
            close = suggest(name, names)
            known = f"Did you mean {either(close)}?" if close else f"Sizes are: {', '.join(names)}."
            if not names:
                known = 'The sizes that vary have no names: declare them, as shape = ["batch", 64].'
            raise ValueError(f"no size is named '{name}'. {known}")
        if type(size) is not int or size < 0:
            raise ValueError(f"the size '{name}' is a whole number, found {size!r:.60}")
    return dict(sizes)


# ---- rows -----------------------------------------------------------------------------------------------------------


def _shown(graph: Graph) -> list[Node]:
    """The nodes that have a row, in the order in which they were made: not what ops made or hold in Functions."""
    order = order_of([*graph.nodes, *graph.outputs.values()])
    inside: set[Node] = set()
    owned: set[Node] = set()
    for node in order:
        owned.update(all_made(node._made or {}))
        for function in node.op.functions().values() if node.op is not None else ():
            inside.update({*function.inputs, *function.nodes()}.difference(node.parents))
    kept = [node for node in order if node not in inside and not isinstance(node, (Output, Constant))]
    kept = [node for node in kept if not (isinstance(node, Variable) and _is_part(node, owned))]
    return sorted(kept, key=lambda node: node._serial)


def _is_part(variable: Variable, owned: set[Node]) -> bool:
    """Whether an op made it for itself, so that it is no node of its own."""
    return variable.made is not None and (variable._rule is not None or variable in owned)


def _rows(nodes: Sequence[Node], shapes: Mapping[Node, tuple[Shape, ...]], specs: Specs) -> Iterator[Row]:
    """The rows; each Variable is counted once."""
    counted: set[Variable] = {node for node in nodes if isinstance(node, Variable)}
    for node in nodes:
        values = tuple(_values(shapes[node], specs.of(node)))
        if isinstance(node, Variable):
            kind = "input" if node.kind_of_state == "value" else node.kind_of_state
            yield Row(_name(node), kind, values, False, **_counts({node: specs.of(node)}))
            continue
        parts = {parent: specs.of(parent) for parent in node.parents if isinstance(parent, Variable)}
        parts.update(specs.made_inside(node))
        own = {v: spec for v, spec in parts.items() if v not in counted}
        counted.update(own)
        work = multiply_adds_of_node(node, specs.of_parents(node))
        yield Row(_name(node), node.kind, values, True, **_counts(own), multiply_adds=work)


def _name(node: Node) -> str:
    return node.name or f"({node.kind})"


def _values(shapes: tuple[Shape, ...], found: Any) -> Iterator[Value]:
    for shape, spec in zip(shapes, found if isinstance(found, tuple) else (found,), strict=True):
        yield Value(shape, str(spec.dtype), _bytes(spec))


def _bytes(spec: Spec) -> int:
    return _elements(spec) * spec.dtype.itemsize


def _elements(spec: Spec) -> int:
    sizes: Any = spec.shape
    return math.prod(int(size) for size in sizes)


def _counts(parts: Mapping[Variable, Spec]) -> dict[str, int]:
    """How many numbers these Variables hold, by kind."""
    trained = [spec for variable, spec in parts.items() if variable.trained]
    states = [spec for variable, spec in parts.items() if variable.is_state]
    return {
        "parameters": sum(map(_elements, trained)),
        "parameter_bytes": sum(map(_bytes, trained)),
        "states": sum(map(_elements, states)),
    }
