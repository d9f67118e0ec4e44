"""Plans: one layout of a Program, for given ranks and dtypes: lowered, laid out as steps, ready to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.context import LayingOut
from ourdl_core.execute import Executor
from ourdl_core.executors import executor_named
from ourdl_core.infer import UndeclaredError, placeholder, spec_of_made, unknown
from ourdl_core.initializers import initializer
from ourdl_core.keys import generator, make_key
from ourdl_core.layout import Builder, Layout
from ourdl_core.lower import Lowering, merged
from ourdl_core.node import Node, Variable
from ourdl_core.numbers import NUMBER_TYPES

if TYPE_CHECKING:
    from ourdl_core.program import Program

# One at a time. Running needs no lock.
laying_out = LayingOut()


class Plan:
    """One layout of a Program: which Variables it has as state, which it updates, and how it runs.

    ``exact`` keeps the sizes of values (to find the shapes of parameters); ``final=False`` leaves out updates of states;
    ``held`` says what Variables hold, where that is not found in ``state``. ``through``: inner nodes among the inputs have
    their values given, and gradients still pass through them. ``whole=False``: the values of single nodes are wanted, once
    or a few times, so that it would not pay to specialise for arrays.
    """

    def __init__(
        self,
        program: Program,
        specs: Sequence[Spec],
        state: Mapping[str, Any],
        library: Any,
        exact: bool = False,
        final: bool = True,
        held: Mapping[Variable, Spec] | None = None,
        through: bool = False,
        whole: bool = True,
    ) -> None:
        self._held = held or {}
        self._leaves: dict[Variable, Variable] = {}
        self._state = state
        self._exact = exact
        self._through: dict[Node, Node] = {}
        self._placed: set[Node] = set()
        self._first = Lowering(self._leaf, program.mode)
        self._second = Lowering(lambda v: v if v in self._placed else self._leaf(v), program.mode, first=self._first)
        inputs = [self._input(node, spec, through) for node, spec in zip(program._inputs, specs, strict=True)]
        outputs = self._lower(program._outputs)
        news = self._lower_updates(program) if final else []
        order, roots = merged([*outputs, *(node for _, node in news)], self._given())
        outputs = roots[: len(outputs)]
        updated: dict[Variable, Node] = {}
        for (variable, _), node in zip(news, roots[len(outputs) :], strict=True):
            if updated.setdefault(variable, node) is not node:
                raise ValueError(f"{variable.describe()} is updated twice in a run: give each op its own state")
        used = set(order)  # what only another mode would use is no part of the state
        self._leaves = {v: leaf for v, leaf in self._leaves.items() if leaf in used or v in updated}
        self.variables = list(self._leaves)
        self.names = [str(variable.name) for variable in self.variables]
        self.updated = list(updated)
        self.updated_names = [str(variable.name) for variable in updated]
        self.keys = [str(variable.name) for variable in self.variables if variable.is_key]
        self.specs = {variable: leaf.spec for variable, leaf in self._leaves.items()}
        self.rules = {v: self._rule(v) for v in self.variables}
        self.inputs = len(inputs)
        self.library = library
        self.leaves = [*inputs, *self._leaves.values()]
        self.roots = [*outputs, *updated.values()]
        self.layout: Layout = Builder(self.leaves, self.roots, order, library).build()
        self.signature = self.state_signature(state)
        # What NumPy arrays and Python numbers must be to run with this layout: quick to compare.
        self.kinds = tuple(map(_kind, self.leaves)) if library is np else None
        # From the values of the leaves to the outputs, then the new values of what is updated.
        executor = executor_named(program.executor) if (whole or self.layout.scalar) and library is np else Executor
        self.executor = executor(self.layout, library)
        self.run = self.executor.run
        for leaf in self._leaves.values():
            leaf._rule = None  # it refers to this plan
        del self._first, self._second, self._state, self._held, self._through, self._placed

    def _input(self, node: Node, spec: Spec, through: bool) -> Node:
        leaf = placeholder(spec)
        leaf._label, leaf._where = node._label, node._where
        self._placed.add(leaf)
        if through and not isinstance(node, Variable):
            self._through[node] = leaf
        else:
            self._first.give(node, leaf)
        return leaf

    def _lower(self, nodes: Iterable[Node]) -> list[Node]:
        """The primitive form of ``nodes``; what stayed whole for the chain rule is expanded now."""
        return self._expanded(self._first.lower(nodes))

    def _expanded(self, nodes: list[Node]) -> list[Node]:
        return self._second.lower(nodes) if self._first.partial else nodes

    def _given(self) -> dict[Node, Node]:
        """The leaves that stand for inner nodes, by the lowered forms of these."""
        images = ((self._first.lowered.get(node), leaf) for node, leaf in self._through.items())
        if self._first.partial:
            images = ((self._second.lowered.get(image, image), leaf) for image, leaf in images)  # type: ignore[arg-type]
        return {image: leaf for image, leaf in images if isinstance(image, Node)}

    def _lower_updates(self, program: Program) -> list[tuple[Variable, Node]]:
        """The new values of Variables: those that the Program was given, and those of the states of its ops."""
        wanted = program._updates_for([variable for variable in self._leaves if variable.trained])
        news = list(zip(wanted, self._lower(wanted.values()), strict=True))
        news = [(variable, self._fitting(variable, node)) for variable, node in news]
        for pass_ in (self._first, self._second):
            for variable, nodes in pass_.updates.items():
                news += [(variable, node) for node in self._expanded(nodes)]
        for variable, _ in news:
            self._leaf(variable)
        return news

    def _fitting(self, variable: Variable, node: Node) -> Node:
        """The new value of a Variable, of its dtype; ValueError where it cannot have its shape."""
        spec, found = self._leaf(variable).spec, node.spec
        if len(found.shape) != len(spec.shape) or not _may_be(found.shape, spec.shape):
            raise ValueError(f"{variable.describe()} is {spec}, and its update is {found}: an update keeps the shape")
        if spec.number or found.number or found.dtype == spec.dtype:
            return node
        from ourdl_core.ops import home

        return self._lower([home("Cast")(node, to=spec.dtype.name)])[0]

    def _leaf(self, variable: Variable) -> Node:
        leaf = self._leaves.get(variable)
        if leaf is None:
            leaf = self._leaves[variable] = unknown(partial(self._spec, variable))
            self._placed.add(leaf)
            leaf._label, leaf._where = variable._label, variable._where
        return leaf

    def _rule(self, variable: Variable) -> Any:
        return self._first.rules.get(variable, variable._rule)

    def _spec(self, variable: Variable) -> Spec:
        """What the state holds for it; else what it holds, declares, or is made with."""
        if variable in self._held:
            return self._held[variable]
        name = variable.name
        if name is not None and name in self._state:
            return self._found(self._state[name])
        if variable._value is not None:
            return self._found(variable._value)
        rule = self._rule(variable)
        if rule is not None:
            beside = {} if rule[0].fixed else rule[2]
            return spec_of_made(rule, {slot: self._spec_beside(node) for slot, node in beside.items()})
        if variable._spec is not None and (variable.made is not None or variable.trainable):
            return variable._spec  # type: ignore[no-any-return]
        raise ValueError(_without_value(variable))

    def _spec_beside(self, node: Node) -> Spec:
        """The spec of an input of the op that makes a Variable; it need not be part of this Program."""
        if node not in self._first.lowered:
            try:
                return node.spec
            except UndeclaredError:
                return self._first.lower([node])[0].spec
        return self._first.lowered[node].spec  # type: ignore[no-any-return]

    def _found(self, value: Any) -> Spec:
        return spec_of(value) if self._exact else spec_of(value).unsized()

    def state_signature(self, state: Mapping[str, Any]) -> Any:
        """Rank and dtype of what ``state`` holds for the Variables of this layout."""
        return tuple(signature_of(state[name]) for name in self.names if name in state)


def first_value(variable: Variable, plan: Plan, seed: int) -> Any:
    """The value that a Variable begins with: its own, or one drawn from (seed, name) by its initializer."""
    name = str(variable.name)
    if variable._value is not None:
        return variable._value
    if variable.is_key:
        return make_key(seed, name)
    if variable.made is None:
        raise ValueError(_without_value(variable))
    spec = plan.specs[variable]
    if None in spec.shape:
        raise ValueError(
            f"the shape of {variable.describe()} is {spec}: its sizes follow from the inputs. Declare their shapes, "
            "or give example inputs: program.init(x, seed=0)"
        )
    rule = plan.rules[variable]
    draw = initializer(variable.made.init_of(None if rule is None else rule[1]))
    value = np.asarray(draw(generator(seed, name), spec.shape), spec.dtype)  # type: ignore[arg-type]
    if value.shape != spec.shape:
        raise ValueError(f"{draw!r} drew shape {list(value.shape)} for {variable.describe()}, which is {spec}")
    value.flags.writeable = False
    return value


def _without_value(variable: Variable) -> str:
    if variable.trainable:
        return f"{variable.describe()} is a parameter without a value: give it a value, or shape= and init="
    return f"{variable.describe()} is neither an input of this Program nor has it a value"


def _may_be(found: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    return all(a == b or None in (a, b) for a, b in zip(found, wanted, strict=True))


def _kind(leaf: Node) -> Any:
    """As ``signature_of`` the values of ``leaf``."""
    spec = leaf.spec
    return type(spec.dtype.type(0).item()) if spec.number else (spec.dtype, spec.ndim)


def signature_of(value: Any) -> Any:
    """What a layout depends on: the kind of a Python number, or dtype and rank of an array."""
    kind = type(value)
    return kind if kind in NUMBER_TYPES else (value.dtype, value.ndim)
