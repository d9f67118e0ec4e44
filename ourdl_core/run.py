"""The Node methods ``forward``, ``get_grad``, ``value`` and ``clear``: faces over one cached Program for a result."""

from __future__ import annotations

from typing import Any

from ourdl_core import context
from ourdl_core.arrays import library_of, spec_of
from ourdl_core.context import clock
from ourdl_core.gradient import pullback
from ourdl_core.keys import next_key
from ourdl_core.node import Node, Output, Variable, make_node, order_of
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.op import outputs_of
from ourdl_core.program import Plan, Program, first_value, laying_out, signature_of


class Run:
    """What is known of one result: its Program, the values of its last ``forward`` and their gradients.

    Nothing in here is referred to by a Variable but the Run of its last result, so a parameter that is shared by many
    graphs keeps none of the older ones alive.
    """

    def __init__(self, result: Node) -> None:
        self.result = result
        order = order_of([result])
        self.nodes = [node for node in order if node.op is not None]
        self.selected = [node for node in order if isinstance(node, Output)]
        self.variables = [node for node in order if isinstance(node, Variable)]
        self._single = all(node.op is None or node.op.num_outputs is None for node in self.nodes)
        self.mode = "training"
        self.stamp = self.forwarded = -1
        self._programs: dict[str, Program] = {}
        self._plans: dict[Any, Plan] = {}
        self._backward: dict[Any, Any] = {}
        self._leaves: dict[str, list[Variable]] = {}
        self._snapshot: Any = None
        self._found: dict[Node, Any] | None = None

    # ---- forward ------------------------------------------------------------------------------------------------------

    def forward(self, mode: str) -> Any:
        """Make this the result of its ancestors; compute what is stale."""
        if self.forwarded != clock.now or mode != self.mode or self.result._by is not self:
            self.mode = mode
            plan, kinds, leaves = self._plan()
            values = plan.run(leaves)
            self._hand_out(values)
            self._snapshot = clock.now, kinds, leaves, values
            self._found = None
            if plan.updated or plan.keys:
                self._advance(plan, values)
            self.stamp = self.forwarded = clock.now
        else:
            for node in self.nodes:
                node._by = self
        for variable in self._leaves[mode]:
            variable._result = self
            variable._grad = None
        return self.result._value

    def value_of(self, node: Node) -> Any:
        """The value of a node of this Run, computed anew if what it depends on has changed."""
        if self.stamp != clock.now and any(v._version > self.stamp for v in self._leaves[self.mode]):
            plan, _, leaves = self._plan()
            self._hand_out(plan.run(leaves))
            self.stamp = clock.now
        return node._value

    def _hand_out(self, values: list[Any]) -> None:
        """Give every node its value."""
        if self._single:
            for node, value in zip(self.nodes, values, strict=False):
                node._value = value
                node._grad = None
                node._by = self
            return
        rest = iter(values)
        for node in self.nodes:
            count = node.op.num_outputs  # type: ignore[union-attr]
            node._value = next(rest) if count is None else tuple(next(rest) for _ in range(count))
            node._grad = None
            node._by = self
        for output in self.selected:
            output._value = output.parents[0]._value[output.index]  # type: ignore[union-attr]
            output._by = self

    def _advance(self, plan: Plan, values: list[Any]) -> None:
        """This was a step: states take their new values, and keys move on."""
        for variable, value in zip(plan.updated, values[len(values) - len(plan.updated) :], strict=True):
            variable._value = value
            clock.now += 1
            variable._version = clock.now
        for variable in plan.keys:
            variable._value = next_key(variable._value)

    def _plan(self) -> tuple[Plan, Any, list[Any]]:
        """The layout for the present values, what it was chosen by, and these values."""
        variables = self._leaves.get(self.mode)
        if variables is None:
            return self._make_plan()
        leaves = [variable._value for variable in variables]
        kinds = (self.mode, *map(type, leaves))
        plan = self._plans.get(kinds)
        if plan is None:
            kinds = (self.mode, *map(signature_of, leaves))
            plan = self._plans.get(kinds)
        return (plan, kinds, leaves) if plan is not None else self._make_plan()

    def _make_plan(self) -> tuple[Plan, Any, list[Any]]:
        for variable in self.variables:
            if variable._value is None and variable.made is None:
                raise ValueError(f"{variable.describe()} has no value: give it one with set_value()")
        program = self._program()
        with laying_out:
            plan = Plan(program, [], {}, library_of([v._value for v in self.variables]))
            if any(variable._value is None for variable in plan.variables):
                exact = Plan(program, [], {}, plan.library, exact=True)
                for variable in exact.variables:
                    variable._value = first_value(variable, exact, seed=0)
                plan = Plan(program, [], {}, plan.library)
        self._leaves[self.mode] = plan.variables
        leaves = [variable._value for variable in plan.variables]
        # Of Python numbers alone the types say everything, and are compared faster.
        numbers = NUMBER_TYPES.issuperset(map(type, leaves))
        kinds = (self.mode, *map(type if numbers else signature_of, leaves))
        self._plans[kinds] = plan
        return plan, kinds, leaves

    def _program(self) -> Program:
        if self.mode not in self._programs:
            flat = [output for node in self.nodes for output in outputs_of(node)]
            self._programs[self.mode] = Program([], flat, mode=self.mode)
        return self._programs[self.mode]

    def clear(self) -> None:
        """Forget all values and gradients but those of Variables."""
        for node in (*self.nodes, *self.selected):
            node._value = node._grad = node._by = None
        for variable in self._leaves.get(self.mode, self.variables):
            variable._grad = variable._result = None
        self._snapshot = self._found = None
        self.stamp = self.forwarded = -1

    # ---- gradients ----------------------------------------------------------------------------------------------------

    def gradient(self, node: Node) -> Any:
        """d(result)/d(node) at the values of the last ``forward``; those of all Variables are taken together."""
        if self._snapshot is None:
            return None
        stamp, kinds, leaves, values = self._snapshot
        if clock.last_set > stamp and any(v._set > stamp for v in self._leaves[kinds[0]]):
            raise RuntimeError(
                f"a value was set after {self.result.describe()}.forward(): call forward() again before get_grad()"
            )
        if not isinstance(node, Variable):
            return self._gradients((node,), kinds, leaves, values).get(node)
        if self._found is None:
            self._found = self._gradients((), kinds, leaves, values)
        return self._found.get(node)

    def _gradients(self, wrt: tuple[Node, ...], kinds: Any, leaves: list[Any], values: list[Any]) -> dict[Node, Any]:
        """The gradients (of all Variables where ``wrt`` is empty), computed from the values of all nodes."""
        found = self._backward.get((wrt, kinds))
        if found is None:
            variables = self._leaves[kinds[0]]
            found = self._backward[wrt, kinds] = self._make_backward(wrt or tuple(variables), leaves, values)
        nodes, plan, order = found
        return dict(zip(nodes, plan.run([*values[: plan.inputs], *[leaves[i] for i in order]]), strict=True))

    def _make_backward(self, wrt: tuple[Node, ...], leaves: list[Any], values: list[Any]) -> Any:
        outputs = pullback([self.result], wrt, [])
        found = [node for node, output in zip(wrt, outputs, strict=True) if output is not None]
        connected = [output for output in outputs if output is not None]
        given = [output for node in self.nodes for output in outputs_of(node)]
        program = Program(given, connected, mode=self.mode)
        variables = self._leaves[self.mode]
        state = {str(variable.name): value for variable, value in zip(variables, leaves, strict=True)}
        specs = [spec_of(value).unsized() for value in values[: len(given)]]
        plan = Plan(program, specs, state, library_of(leaves), final=False)
        return found, plan, [variables.index(v) for v in plan.variables]


def parent_gradient(node: Node, parent: Node) -> Any:
    """d(node)/d(parent) with the other parents held; a vector of ones as upstream gradient."""
    from ourdl_core.infer import placeholder

    if parent not in node.parents:
        raise ValueError(f"{parent.describe()} is not a parent of {node.describe()}")
    hidden = context.graph.set(None)
    try:
        parents = list(dict.fromkeys(p for p in node.parents if p is not None))
        values = [p.value for p in parents]
        stand_ins = {p: placeholder(spec_of(v).unsized()) for p, v in zip(parents, values, strict=True)}
        copy = make_node(node.op, tuple(None if p is None else stand_ins[p] for p in node.parents))
        copy._made, copy._label = node._made, node._label
        found = pullback([copy], [stand_ins[parent]], [])
        inputs = [stand_ins[p] for p in parents]
        program = Program(inputs, [g for g in found if g is not None], mode="training")
        state = program.init(*values) if copy._made else {}
        outputs, _ = program(state, *values)
    finally:
        context.graph.reset(hidden)
    return outputs[0] if outputs else None
