"""The Node methods ``forward``, ``get_grad``, ``value`` and ``clear``: faces over one cached Program for a result."""

from __future__ import annotations

import weakref
from typing import Any

from ourdl_core import context
from ourdl_core.arrays import library_of, spec_of
from ourdl_core.context import clock
from ourdl_core.gradient import pullback
from ourdl_core.infer import placeholder
from ourdl_core.keys import next_key
from ourdl_core.layout import getter
from ourdl_core.node import Node, Output, Variable, make_node, order_of, shown
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.op import outputs_of
from ourdl_core.plan import Plan, first_value, laying_out, signature_of
from ourdl_core.program import Program


class Run:
    """What is known of one result: its layouts, the values of its last ``forward`` and their gradients.

    References go from a result to its Run and on to its ancestors; back from these they are weak, so that a graph is
    freed as soon as nobody holds its result. The result of the last ``forward`` of all is held by ``context.clock``: it
    need not be kept to ask for gradients.
    """

    def __init__(self, result: Node) -> None:
        order = order_of([result])
        self.ref = weakref.ref(self)
        self.result = weakref.ref(result)
        self.name = result.describe()
        self.nodes = [node for node in order[:-1] if node.op is not None]
        self.selected = [node for node in order[:-1] if isinstance(node, Output)]
        self.variables = [node for node in order if isinstance(node, Variable)]
        self._single = not any(isinstance(n, Output) or (n.op is not None and n.op.num_outputs is not None) for n in order)
        self._moves = False  # whether each forward is a step, which moves keys and states on
        # The last plan of Python numbers alone, after ``clock.kinds`` as it was (the types are still these) and its leaves,
        # and before its key.
        self._numbers: Any = None, None, None, None
        self.mode = "training"
        self.stamp = self.forwarded = -1
        self._plans: dict[Any, Plan] = {}
        self._backward: dict[Any, Any] = {}
        self._kinds: Any = None  # what the last gradients of all Variables were laid out for, and their layout
        self._all: Any = None
        self._leaves: dict[str, list[Variable]] = {}
        self.snapshot: Any = None
        self._claim = -1  # as ``clock.claim`` when this result took its ancestors
        self._values: list[Any] | None = None  # of the last run; the nodes are given them when one is asked
        self._given = False
        self._graded: list[Node] = []  # whose gradients were asked for
        self._found: Any = None  # the gradients of all Variables, and their places
        self._asked = False  # whether a gradient was asked for after the last ``forward``
        self._together: Any = None, None  # for what ``_with_gradients`` was made last, and what it is

    # ---- forward ------------------------------------------------------------------------------------------------------

    def forward(self, result: Node, mode: str) -> Any:
        """Make this the result of its ancestors; compute what is stale."""
        if self._moves or self.forwarded != clock.now or mode != self.mode or result._by is not self.ref:
            self.mode = mode
            plan, kinds, leaves = self._plan(result)
            together = self._with_gradients(result, plan, kinds) if self._asked else None
            if together is not None:
                values = self._values = together[1].run(leaves)
                self._found = together[0], values
                self.snapshot = clock.now, kinds, leaves, values
            else:
                values = self._values = plan.run(leaves)
                self._found = None
                self.snapshot = clock.now, kinds, leaves, values
                if plan.updated or plan.keys:
                    self._advance(plan, values)
                    self._moves = True
            self._given = self._asked = False
            self.stamp = self.forwarded = clock.now
        if self._claim != clock.claim:
            self._take(result)
        if self._graded:
            self._forget_gradients()
        clock.last = result
        if self._single and self._values is not None:
            value = self._values[len(self.nodes)]
            return value if type(value) is float else shown(value)
        self.hand_out(result)
        return shown(result._value)

    def _take(self, result: Node) -> None:
        """Make this the result that its ancestors and its Variables speak of."""
        for node in (*self.nodes, *self.selected, result):
            node._by = self.ref
            node._grad = None
        for variable in self._leaves[self.mode]:
            variable._result = self.ref
            variable._grad = None
        self._given = False
        clock.claim += 1
        self._claim = clock.claim

    def _forget_gradients(self) -> None:
        for node in self._graded:
            node._grad = None
        self._graded.clear()

    def refresh(self) -> None:
        """Compute the values anew if what they depend on has changed; which result they belong to stays as it is."""
        result = self.result()
        if self._values is None:  # cleared
            return
        if self.stamp != clock.now and result is not None and any(
            variable._version > self.stamp for variable in self._leaves[self.mode]
        ):
            plan, _, leaves = self._plan(result)
            used = {} if self.snapshot is None else dict(zip(self._leaves[self.mode], self.snapshot[2], strict=True))
            for i, variable in enumerate(self._leaves[self.mode]):
                if variable in used and not variable.trained and variable.made is not None:
                    leaves[i] = used[variable]  # keys and states as they were: reading a value is no step
            self._values, self._given = plan.run(leaves), False
            self._forget_gradients()
            self.stamp = clock.now
        if result is not None:
            self.hand_out(result)

    def evaluate(self, result: Node) -> None:
        """Compute the value, without making it the result that gradients are of."""
        plan, _, leaves = self._plan(result)
        self._values, self._given = plan.run(leaves), False
        for node in (*self.nodes, *self.selected, result):
            node._by = self.ref
            node._grad = None
        clock.claim += 1  # these are no longer of another result, and its Variables still are
        self.hand_out(result)
        self.stamp = clock.now

    def hand_out(self, result: Node) -> None:
        """Give every node that is of this result its value."""
        if self._given or self._values is None:
            return
        self._given = True
        rest = iter(self._values)
        for node in (*self.nodes, *self.selected, result):
            if isinstance(node, Output):
                value = node.parents[0]._value[node.index]  # type: ignore[union-attr]
            else:
                count = node.op.num_outputs  # type: ignore[union-attr]
                value = next(rest) if count is None else tuple(next(rest) for _ in range(count))
            if node._by is self.ref:
                node._value = value

    def _advance(self, plan: Plan, values: list[Any]) -> None:
        """This was a step: states take their new values, and keys move on."""
        for variable, value in zip(plan.updated, values[len(values) - len(plan.updated) :], strict=True):
            variable._value = value
            clock.now += 1
            clock.kinds += 1
            variable._version = clock.now
        for variable in self._leaves[self.mode]:
            if variable.is_key:
                variable._value = next_key(variable._value)

    def _plan(self, result: Node) -> tuple[Plan, Any, list[Any]]:
        """The layout for the present values, what it was chosen by, and these values."""
        at, variables, plan, kinds = self._numbers
        if at == clock.kinds and kinds[0] == self.mode:
            return plan, kinds, [variable._value for variable in variables]
        variables = self._leaves.get(self.mode)
        if variables is None:
            return self._make_plan(result)
        leaves = [variable._value for variable in variables]
        kinds = (self.mode, *map(type, leaves))
        plan = self._plans.get(kinds)
        if plan is not None:
            self._numbers = clock.kinds, variables, plan, kinds
            return plan, kinds, leaves
        kinds = (self.mode, *map(signature_of, leaves))
        plan = self._plans.get(kinds)
        return (plan, kinds, leaves) if plan is not None else self._make_plan(result)

    def _make_plan(self, result: Node) -> tuple[Plan, Any, list[Any]]:
        for variable in self.variables:
            if variable._value is None and variable.made is None:
                raise ValueError(f"{variable.describe()} has no value: give it one with set_value()")
        owners = [*self.nodes, result] if result.op is not None else self.nodes
        program = Program([], [output for node in owners for output in outputs_of(node)], mode=self.mode)
        with laying_out:
            plan = Plan(program, [], {}, library_of([v._value for v in self.variables]), whole=False)
            if any(variable._value is None for variable in plan.variables):
                exact = Plan(program, [], {}, plan.library, exact=True, whole=False)
                for variable in exact.variables:
                    variable._value = first_value(variable, exact, seed=0)
                clock.kinds += 1
                plan = Plan(program, [], {}, plan.library, whole=False)
        self._leaves[self.mode] = plan.variables
        leaves = [variable._value for variable in plan.variables]
        # Of Python numbers alone the types say everything, and are compared faster.
        numbers = NUMBER_TYPES.issuperset(map(type, leaves))
        kinds = (self.mode, *map(type if numbers else signature_of, leaves))
        self._plans[kinds] = plan
        return plan, kinds, leaves

    def clear(self, result: Node) -> None:
        """Forget all values and gradients but those of Variables."""
        if self._claim == clock.claim:
            for node in self._graded:
                node._grad = None
            self._graded.clear()
        else:  # some of them are of another result
            for node in (*self.nodes, *self.selected, result):
                node._value = node._grad = node._by = None
            for variable in self._leaves.get(self.mode, self.variables):
                variable._grad = variable._result = None
            clock.claim += 1
        if self._given:
            for node in (*self.nodes, *self.selected, result):
                node._value = None
            self._given = False
        self.snapshot = self._found = self._values = None
        self.stamp = self.forwarded = -1

    # ---- gradients ----------------------------------------------------------------------------------------------------

    @property
    def invalid(self) -> bool:
        """Whether a value was set after the last ``forward``, or that was cleared."""
        if self.snapshot is None:
            return True
        stamp, kinds = self.snapshot[:2]
        return clock.last_set > stamp and any(variable._set > stamp for variable in self._leaves[kinds[0]])

    def gradient(self, node: Node) -> Any:
        """d(result)/d(node) at the values of the last ``forward``; those of all Variables are taken together."""
        if self._found is not None and clock.last_set <= self.snapshot[0]:
            places, found = self._found
            if node in places:
                self._graded.append(node)
                self._asked = True
                return found[places[node]]
        if self.snapshot is None or self.result() is None:
            return None
        self._graded.append(node)
        self._asked = True
        if clock.last_set > self.snapshot[0] and self.invalid:
            raise RuntimeError(f"a value was set after {self.name}.forward(): call forward() again before get_grad()")
        if not isinstance(node, Variable):
            places, found = self._gradients((node,))
        else:
            self._found = self._found or self._gradients(())
            places, found = self._found
        place = places.get(node)
        return None if place is None else found[place]

    def _gradients(self, wrt: tuple[Node, ...]) -> tuple[dict[Node, int], list[Any]]:
        """The gradients of ``wrt`` (of all Variables where that is empty) from the values of all nodes, and their places."""
        _, kinds, leaves, values = self.snapshot
        found = self._backward.get((wrt, kinds)) if wrt or kinds is not self._kinds else self._all
        if found is None:
            found = self._backward[wrt, kinds] = self._make_backward(wrt)
        if not wrt:
            self._kinds, self._all = kinds, found
        places, plan, pick = found
        given = values if plan.inputs == len(values) else values[: plan.inputs]
        gradients = plan.run([*given, *pick(leaves)])
        return places, gradients if plan.layout.scalar else list(map(shown, gradients))

    def _with_gradients(self, result: Node, plan: Plan, kinds: Any) -> Any:
        """The places of the gradients of all Variables, and what computes them with the values of the nodes, in one run.

        Of Python numbers, where a run costs so little that calling it counts; None elsewhere. It is used by the ``forward``
        after one whose gradients were asked for.
        """
        if kinds is self._together[0]:
            return self._together[1]
        found = None
        variables = self._leaves[self.mode]
        if plan.layout.scalar and not plan.updated and not plan.keys and result.op is not None:
            outputs = [output for node in (*self.nodes, result) for output in outputs_of(node)]
            wanted = [v for v in variables if plan.specs[v].floating]
            gradients = {v: g for v, g in zip(wanted, pullback([result], wanted, []), strict=True) if g is not None}
            program = Program([], [*outputs, *gradients.values()], mode=self.mode)
            with laying_out:
                both = Plan(program, [], {}, plan.library, whole=False)
            if both.variables == variables and both.layout.scalar:
                found = {v: i for i, v in enumerate(gradients, len(outputs))}, both
        self._together = kinds, found
        return found

    def _make_backward(self, wrt: tuple[Node, ...]) -> Any:
        result = self.result()
        assert result is not None
        _, kinds, leaves, values = self.snapshot
        variables = self._leaves[kinds[0]]
        specs = self._plans[kinds].specs
        wanted = wrt or tuple(v for v in variables if specs[v].floating)
        outputs = pullback([result], wanted, [])
        found = [n for n, g in zip(wanted, outputs, strict=True) if g is not None]
        owners = [*self.nodes, result] if result.op is not None else self.nodes
        given = [output for node in owners for output in outputs_of(node)]
        program = Program(given, [output for output in outputs if output is not None], mode=kinds[0])
        held = {variable: spec_of(value).unsized() for variable, value in zip(variables, leaves, strict=True)}
        with laying_out:
            shapes = [spec_of(value).unsized() for value in values[: len(given)]]
            plan = Plan(program, shapes, {}, library_of(leaves), held=held, final=False, through=True, whole=False)
        places = {variable: i for i, variable in enumerate(variables)}
        return {node: i for i, node in enumerate(found)}, plan, getter(tuple(places[v] for v in plan.variables))


def parent_gradient(node: Node, parent: Node) -> Any:
    """d(node)/d(parent) with the other parents held, as the node was last computed; a vector of ones as seed."""
    if parent not in node.parents:
        raise ValueError(f"{parent.describe()} is not a parent of {node.describe()}")
    run = None if node._by is None else node._by()
    used = {} if run is None or run.snapshot is None else dict(zip(run._leaves[run.mode], run.snapshot[2], strict=True))
    parents = list(dict.fromkeys(p for p in node.parents if p is not None))
    values = [used.get(p, p.value) for p in parents]
    with context.hidden():
        stand_ins = {p: placeholder(spec_of(v).unsized()) for p, v in zip(parents, values, strict=True)}
        copy = make_node(node.op, tuple(None if p is None else stand_ins[p] for p in node.parents))
        copy._made, copy._label, copy._names = node._made, node._label, node._names
        found = [g for g in pullback([copy], [stand_ins[parent]], []) if g is not None]
        program = Program(list(stand_ins.values()), found, mode="training" if run is None else run.mode)
        state = {str(variable.name): value for variable, value in used.items() if isinstance(variable, Variable)}
        outputs, _ = program(state, *values)
    return outputs[0] if outputs else None
