"""Layouts: a lowered graph as a list of steps over numbered values, for one array library and given ranks and dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.infer import infer
from ourdl_core.kernels import bind
from ourdl_core.node import Node, Output
from ourdl_core.numbers import NUMBER_TYPES, number_namespace


class Step(NamedTuple):
    """One call: ``values[output] = function(*inputs(values))``, then the values at ``dead`` are let go.

    ``places`` are where ``inputs`` finds its values.
    """

    function: Callable[..., Any]
    inputs: Callable[[list[Any]], Sequence[Any]]
    output: int
    dead: tuple[int, ...]
    node: Node | None
    places: tuple[int, ...]


@dataclass
class Layout:
    """The steps, where the leaves (first), constants and outputs stand, and what a person is shown.

    ``rest`` are the values after the leaves before a run: constants, and None for what is computed. ``shared`` numbers the
    outputs that may share memory with a leaf, a constant or one another. ``leaves`` are the names of the leaves.
    """

    steps: list[Step]
    rest: list[Any]
    outputs: list[int]
    scalar: bool
    nodes: list[Node]
    shared: list[int]
    leaves: list[str]


class Builder:
    """Makes the layout of ``outputs``, whose leaves are ``leaves``, from all their nodes in ``order``."""

    def __init__(self, leaves: Sequence[Node], outputs: Sequence[Node], order: Sequence[Node], library: Any) -> None:
        self.library = library
        self.leaves = list(leaves)
        self.numbers = all(leaf.spec.number for leaf in leaves)
        self.place: dict[Node, int] = {leaf: i for i, leaf in enumerate(leaves)}
        self.shape_place: dict[Node, int] = {}
        self.count = len(leaves)
        self.steps: list[tuple[Any, tuple[int, ...], int, Node | None]] = []
        self.known: dict[int, Any] = {}
        self.outputs = list(outputs)
        self.order = order
        self.computed, self.shaped = _wanted(self.order, self.outputs)
        self.bound: dict[int, tuple[Any, bool]] = {}  # for an op, by identity: what computes it, whether it takes shapes
        self.nodes: list[Node] = []

    def build(self) -> Layout:
        place, computed, shaped = self.place, self.computed, self.shaped
        for node in self.order:
            if node not in place and (computed is None or node in computed):
                place[node] = self._compute(node)
            if shaped and node in shaped:
                self._shape(node)
        outputs = [self.place[node] for node in self.outputs]
        rest = [self.known.get(i) for i in range(len(self.leaves), self.count)]
        scalar = self.numbers and all(
            type(value) in NUMBER_TYPES or type(value) is Spec or value is None for value in self.known.values()
        )
        steps = _finished(self.steps, keep={*outputs, *self.known}, free=not scalar)
        names = [str(leaf) for leaf in self.leaves]
        return Layout(steps, rest, outputs, scalar, self.nodes, self._shared(outputs), names)

    def _shared(self, places: list[int]) -> list[int]:
        """The outputs that are given, constant, a view, or the same as an earlier one."""
        seen = {self.place[leaf] for leaf in self.leaves} | set(self.known)
        found = []
        for i, (node, place) in enumerate(zip(self.outputs, places, strict=True)):
            if place in seen or _is_view(node):
                found.append(i)
            seen.add(place)
        return found

    def _compute(self, node: Node) -> int:
        """The place of the value of ``node``."""
        op = node.op
        if op is None:
            if isinstance(node, Output):
                return self._step(itemgetter(node.index), (self.place[node.parents[0]],), node)  # type: ignore[index]
            return self._of_library(node._value)  # a constant
        if node._spec is None:
            self._check_shapes(node)
        bound = self.bound.get(id(op))
        if bound is None:
            function = bind(op, number_namespace if self.numbers else self.library)
            bound = self.bound[id(op)] = function, any(op._shape_flags())
        function, takes_shapes = bound
        if takes_shapes or None in node.parents:
            flags = _shape_only(op, len(node.parents))
            inputs = tuple([self._input(*each) for each in zip(node.parents, flags, strict=False)])
        else:
            inputs = tuple([self.place[parent] for parent in node.parents])  # type: ignore[index]
        for each in inputs:
            if each not in self.known:
                return self._step(function, inputs, node)
        folded = self._fold(function, inputs, node)
        return self._step(function, inputs, node) if folded is None else folded

    def _check_shapes(self, node: Node) -> None:
        """Find shapes that cannot meet now, as far as sizes are declared, where rules for shapes tell them."""
        if all(parent is None or parent._spec is not None for parent in node.parents):
            try:
                node.spec  # noqa: B018 - asked for its errors
            except Exception:
                if node.op is not None and node.op.has_shape_rule:
                    raise

    def _input(self, parent: Node | None, shape_only: bool) -> int:
        if parent is None:
            return self._constant(None)
        return self.shape_place[parent] if shape_only else self.place[parent]

    def _shape(self, node: Node) -> None:
        """A place that holds the Spec of ``node``: known now, read off its value, or inferred from its parents' Specs."""
        spec = node.spec
        if _static(node):
            self.shape_place[node] = self._constant(self._with_library(spec))
        elif node in self.place:
            self.shape_place[node] = self._step(partial(_spec_of, self.library), (self.place[node],), None)
        elif isinstance(node, Output):
            self.shape_place[node] = self._step(itemgetter(node.index), (self.shape_place[node.parents[0]],), None)  # type: ignore[index]
        else:
            inputs = tuple(self._constant(None) if p is None else self.shape_place[p] for p in node.parents)
            self.shape_place[node] = self._step(partial(_infer, node.op, self.library), inputs, None)

    def _with_library(self, spec: Spec) -> Spec:
        return Spec(spec.shape, spec.dtype, spec.number, self.library)

    def _of_library(self, value: Any) -> int:
        """The place of a constant, as an array of the library: made now, or in each run where that would be a tracer."""
        if self.library is np or not isinstance(value, np.ndarray):
            return self._constant(value)
        made = self.library.asarray(value)
        return self._constant(made) if _lasts(made) else self._step(partial(self.library.asarray, value), (), None)

    def _constant(self, value: Any) -> int:
        place = self._next()
        self.known[place] = value
        return place

    def _step(self, function: Callable[..., Any], inputs: tuple[int, ...], node: Node | None) -> int:
        place = self._next()
        self.steps.append((function, inputs, place, node))
        if node is not None:
            self.nodes.append(node)
        return place

    def _next(self) -> int:
        self.count += 1
        return self.count - 1

    def _fold(self, function: Callable[..., Any], inputs: tuple[int, ...], node: Node) -> int | None:
        """The place of a value that depends on constants alone, computed now; an error is left to the run."""
        from ourdl_core.execute import finish

        if not node.op.mergeable:  # type: ignore[union-attr]
            return None
        values = [self.known[i] for i in inputs]
        try:
            with np.errstate(all="ignore"):
                found = finish(function(*values), values, None)
        except Exception:
            return None
        return self._constant(_owned(found)) if self.library is np or _lasts(found) else None


def _lasts(value: Any) -> bool:
    """Whether a value may be kept for other runs: a tracer (of ``jax.jit``) has no numbers, and is of one trace alone."""
    try:
        return all(np.asarray(each) is not None for each in (value if isinstance(value, tuple) else (value,)))
    except Exception:
        return False


def _is_view(node: Node) -> bool:
    op = node.op if node.op is not None or not node.parents else node.parents[0].op  # type: ignore[union-attr]
    return op is not None and op.view


def _owned(value: Any) -> Any:
    """A folded constant is the same object in every run: nobody may write into it."""
    for each in value if isinstance(value, tuple) else (value,):
        if type(each) is np.ndarray:
            each.flags.writeable = False
    return value


def _spec_of(library: Any, value: Any) -> Any:
    if type(value) is tuple:
        return tuple(_spec_of(library, each) for each in value)
    found = spec_of(value)
    return found if type(value) in NUMBER_TYPES else Spec(found.shape, found.dtype, False, library)


def _infer(op: Any, library: Any, *specs: Any) -> Any:
    found = infer(op, specs)
    many = found if isinstance(found, tuple) else (found,)
    placed = tuple(Spec(each.shape, each.dtype, each.number, library) for each in many)
    return placed if isinstance(found, tuple) else placed[0]


def _shape_only(op: Any, count: int) -> Sequence[bool]:
    """For each of ``count`` inputs whether only its shape and dtype are used; the last slot may be of several."""
    flags = op._shape_flags()
    return flags if len(flags) >= count else [*flags, *[flags[-1]] * (count - len(flags))]


def _wanted(order: Sequence[Node], outputs: Sequence[Node]) -> tuple[set[Node] | None, set[Node]]:
    """The nodes whose value is needed (None for all), and those whose shape is."""
    shaped: set[Node] = set()
    taking = {kind for kind in {type(node.op) for node in order if node.op is not None} if any(kind._shape_flags())}
    if not taking:
        return None, shaped
    computed = set(outputs)
    asked: list[Node] = []
    for node in reversed(order):
        if node in computed:
            if type(node.op) in taking:
                flags = _shape_only(node.op, len(node.parents))
                for parent, shape_only in zip(node.parents, flags, strict=False):
                    if parent is not None and shape_only:
                        asked.append(parent)
                    elif parent is not None:
                        computed.add(parent)
            else:
                computed.update(node.parents)  # type: ignore[arg-type]
    while asked:
        node = asked.pop()
        if node not in shaped:
            shaped.add(node)
            if node not in computed and not _static(node):
                asked.extend(parent for parent in node.parents if parent is not None)
    return computed, shaped


def _static(node: Node) -> bool:
    spec = node.spec
    return isinstance(spec, Spec) and None not in spec.shape


def _finished(steps: list[Any], keep: set[int], free: bool) -> list[Step]:
    """The steps, each with the places whose value is not used after it (none where there is no memory to free)."""
    found = []
    used = set(keep)
    while steps:
        function, inputs, output, node = steps.pop()
        dead: tuple[int, ...] = ()
        if free:
            for place in (output, *inputs):
                if place not in used:
                    used.add(place)
                    dead += (place,)
        found.append(tuple.__new__(Step, (function, getter(inputs), output, dead, node, inputs)))
    found.reverse()
    return found


def getter(places: tuple[int, ...]) -> Any:
    """What picks the values at ``places`` out of a list, as a sequence; in C, since every step calls it."""
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places) if places else itemgetter(slice(0, 0))
