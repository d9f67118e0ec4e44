"""Shapes of a graph for chosen sizes, and the names of sizes that vary, followed through the ops."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ourdl_core import Composite, Node, Spec, Variable, context
from ourdl_core.arrays import spec_of
from ourdl_core.infer import infer_node, largest_trial, names_of, placeholder, spec_of_made
from ourdl_core.lower import run_body
from ourdl_core.node import Constant, Output, order_of

#: A shape for people: a size is a number, the name of one that varies, or None where it cannot be told.
Shape = tuple[int | str | None, ...]


def declared_names(variable: Variable) -> tuple[str | None, ...]:
    """The names that a Variable gives its sizes; None for a number, and for a size that varies without a name."""
    sizes = getattr(variable, "sizes", None) or ()
    return tuple(size if isinstance(size, str) else None for size in sizes)


class Specs:
    """The specs of nodes when sizes that vary are as in ``sizes``, by name, and those without a name are ``unnamed``.

    ``rules`` says how what a body made follows from its nodes. Where an op refuses these sizes, its spec is that of
    ``otherwise``; without it, its error is raised.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        unnamed: int | None = None,
        rules: Mapping[Variable, Any] | None = None,
        otherwise: Specs | None = None,
    ) -> None:
        self.sizes = sizes
        self.unnamed = unnamed
        self.guessed = False  # whether ``unnamed`` was used
        self._rules = {} if rules is None else rules
        self._otherwise = otherwise
        self._known: dict[Node, Any] = {}

    def of(self, node: Node) -> Any:
        """The spec of a node, a tuple of them for one with several outputs."""
        for each in order_of([node], stop=self._known):
            if each not in self._known:
                self._known[each] = self._one(each)
        return self._known[node]

    def of_parents(self, node: Node) -> tuple[Spec | None, ...]:
        """The specs of the parents, None for one that is absent."""
        return tuple(None if parent is None else self.of(parent) for parent in node.parents)

    def _one(self, node: Node) -> Any:
        if isinstance(node, Output):
            return self.of(node.parents[0])[node.index]  # type: ignore[arg-type]
        if isinstance(node, Constant):
            return node.spec
        if isinstance(node, Variable):
            return self._filled(self._of_variable(node))
        try:
            found = infer_node(node, self.of_parents(node))
        except Exception:
            if self._otherwise is None:
                raise
            return self._otherwise.of(node)
        return tuple(map(self._filled, found)) if isinstance(found, tuple) else self._filled(found)

    def _of_variable(self, variable: Variable) -> Spec:
        """What a parameter holds, else what it follows from, else what is declared."""
        if variable._value is not None and (variable.trained or variable.made is not None):
            return spec_of(variable._value)
        rule = self._rules.get(variable, variable._rule)
        if rule is not None and not callable(rule):
            return spec_of_made(rule, {slot: self.of(node) for slot, node in rule[2].items()})
        declared = variable.spec
        names = declared_names(variable) or (None,) * declared.ndim
        shape = tuple(n if name is None else self.sizes.get(name) for n, name in zip(declared.shape, names, strict=True))
        return Spec(shape, declared.dtype, declared.number)

    def _filled(self, spec: Spec) -> Spec:
        """``spec`` with a number for every size that is not known."""
        if self.unnamed is None or None not in spec.shape:
            return spec
        self.guessed = True
        return Spec(tuple(self.unnamed if n is None else n for n in spec.shape), spec.dtype, spec.number)

    def made_inside(self, node: Node) -> dict[Variable, Spec]:
        """What the body of a composite makes for itself, at any depth."""
        if not isinstance(node.op, Composite):
            return {}
        inputs = tuple(None if spec is None else placeholder(spec) for spec in self.of_parents(node))
        label = node._label or context.Label(node.kind)
        scope = context.Trace(label, {} if node._made is None else node._made, node._where, names=node._names)
        with names_of(node):
            results, _ = run_body(node.op, inputs, scope, "training")
        inner = Specs({}, self.unnamed, scope.rules)
        found: dict[Variable, Spec] = {}
        with context.tracing(scope, None):
            for each in order_of(results):
                if isinstance(each, Variable) and each.made is not None:
                    found[each] = inner.of(each)
                found.update(inner.made_inside(each))
        return found


@contextmanager
def trials_of_at_most(elements: int) -> Iterator[None]:
    """A block in which no op is run on more elements, to find the shape of its output."""
    token = largest_trial.set(elements)
    try:
        yield
    finally:
        largest_trial.reset(token)


# ---- names ----------------------------------------------------------------------------------------------------------


class NamedShapes:
    """The shapes of nodes with the names of sizes that vary, as far as these can be told.

    A size has a name if it is equal to the size of that name whatever that is. It is tried with small and with large
    primes, drawn at random: an expression that is not the name itself, as ``2 * batch`` or ``min(batch, 50)``, agrees
    in all trials with a chance of less than one in 10,000, and only where small sizes are no exception.
    """

    MOST = 1000  # names that are followed; there are primes for no more

    def __init__(self, names: Sequence[str], rules: Mapping[Variable, Any] | None = None) -> None:
        names = names[: self.MOST]
        draw = random.Random(0)
        ranges = ((11, 100 + 20 * len(names)), (1_000_000, 1_200_000)) if names else ()
        chosen = [draw.sample(_primes(*each), len(names)) for each in ranges]
        self._declared = Specs({}, rules=rules)
        self._trials = [
            Specs(dict(zip(names, sizes, strict=True)), rules=rules, otherwise=self._declared) for sizes in chosen
        ]
        self._name_of = dict(zip(zip(*chosen, strict=True), names, strict=False))

    def of(self, node: Node) -> tuple[Shape, ...]:
        """The shape of each output of a node."""
        declared = _listed(self._declared.of(node))
        with trials_of_at_most(1_000_000):
            trials = [_listed(trial.of(node)) for trial in self._trials]
        return tuple(
            tuple(
                self._name_of.get(tuple(trial[i].shape[axis] for trial in trials)) if size is None else int(size)
                for axis, size in enumerate(spec.shape)
            )
            for i, spec in enumerate(declared)
        )


def _listed(found: Any) -> tuple[Spec, ...]:
    return found if isinstance(found, tuple) else (found,)


def _primes(low: int, high: int) -> list[int]:
    sieve = np.ones(high, bool)
    sieve[:2] = False
    for i in range(2, math.isqrt(high) + 1):
        if sieve[i]:
            sieve[i * i :: i] = False
    return [int(prime) for prime in np.flatnonzero(sieve) if prime >= low]
