"""The Node methods ``forward``, ``get_grad``, ``value`` and ``clear``: faces over one cached Program for a result."""

from __future__ import annotations

import itertools
from typing import Any

from ourdl_core import context
from ourdl_core.arrays import library_of, spec_of
from ourdl_core.gradient import pullback
from ourdl_core.node import Node, Output, Variable, make_node, order_of
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.op import outputs_of
from ourdl_core.program import Plan, Program, first_value, signature_of

_clock = itertools.count(1)
tick = _clock.__next__


def run_of(result: Node) -> Run:
    """The Run of a result, made at the first need and kept by the node."""
    if result._run is None:
        result._run = Run(result)
    return result._run


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
        self.mode = "training"
        self._programs: dict[str, Program] = {}
        self._plans: dict[Any, Plan] = {}
        self._backward: dict[Any, Any] = {}
        self._leaves: dict[str, list[Variable]] = {}
        self._versions: list[int] | None = None
        self._snapshot: tuple[list[Any], list[Any], list[int]] | None = None
        self._found: dict[Variable, Any] | None = None

    # ---- forward ------------------------------------------------------------------------------------------------------

    def forward(self, mode: str) -> Any:
        """Make this the result of its ancestors; compute what is stale."""
        if not self._nodes_are_fresh(mode):
            self.mode = mode
            leaves, values = self._compute(advance=True)
            self._keep(leaves, values)
        for variable in self._leaves[mode]:
            variable._result = self
            variable._grad = None
        for node in self.nodes:
            node._grad = None
        return self.result._value

    def _keep(self, leaves: list[Any], values: list[Any]) -> None:
        self._snapshot = leaves, values, [v._set for v in self._leaves[self.mode]]
        self._found = None

    def _nodes_are_fresh(self, mode: str) -> bool:
        return (
            mode == self.mode
            and self._snapshot is not None
            and self.result._by is self
            and self._versions == [v._version for v in self._leaves[mode]]
            and all(node._by is self for node in self.nodes)
            and not any(v.is_key for v in self._leaves[mode])
        )

    def _compute(self, advance: bool) -> tuple[list[Any], list[Any]]:
        """Run the Program and give every node its value. ``advance``: this is a step, so states and keys move on."""
        plan, leaves = self._plan()
        values = plan.run(leaves)
        self._hand_out(values)
        variables = self._leaves[self.mode]
        if advance and (plan.updated or plan.keys):
            self._advance(plan, variables, values)
        self._versions = [v._version for v in variables]
        return leaves, values

    def _hand_out(self, values: list[Any]) -> None:
        position = 0
        for node in self.nodes:
            count = node.op.num_outputs  # type: ignore[union-attr]
            if count is None:
                node._value = values[position]
                position += 1
            else:
                node._value = tuple(values[position : position + count])
                position += count
            node._by = self
        for output in self.selected:
            output._value = output.parents[0]._value[output.index]  # type: ignore[union-attr]
            output._by = self

    def _advance(self, plan: Plan, variables: list[Variable], values: list[Any]) -> None:
        from ourdl_core.keys import next_key

        for variable, value in zip(plan.updated, values[len(values) - len(plan.updated) :], strict=True):
            variable._value = value
            variable._version = tick()
        for variable in variables:
            if variable.is_key:
                variable._value = next_key(variable._value)

    def _plan(self) -> tuple[Plan, list[Any]]:
        """The layout for the present values, and these values."""
        variables = self._leaves.get(self.mode)
        if variables is not None:
            leaves = [variable._value for variable in variables]
            kinds = (self.mode, *map(type, leaves))
            plan = self._plans.get(kinds) if NUMBER_TYPES.issuperset(kinds[1:]) else None
            plan = plan or self._plans.get((self.mode, *map(signature_of, leaves)))
            if plan is not None:
                return plan, leaves
        return self._make_plan()

    def _make_plan(self) -> tuple[Plan, list[Any]]:
        for variable in self.variables:
            if variable._value is None and variable.made is None:
                raise ValueError(f"{variable.describe()} has no value: give it one with set_value()")
        program = self._program()
        library = library_of([v._value for v in self.variables])
        plan = Plan(program, [], {}, library, exact=True)
        for variable in plan.variables:
            if variable._value is None:
                variable._value = first_value(variable, plan, seed=0)
        plan = Plan(program, [], {}, library)
        self._leaves[self.mode] = plan.variables
        leaves = [variable._value for variable in plan.variables]
        self._plans[(self.mode, *map(signature_of, leaves))] = plan
        return plan, leaves

    def _program(self) -> Program:
        if self.mode not in self._programs:
            flat = [output for node in self.nodes for output in outputs_of(node)]
            self._programs[self.mode] = Program([], flat, mode=self.mode)
        return self._programs[self.mode]

    def value_of(self, node: Node) -> Any:
        """The value of a node of this Run, computed anew if a Variable has changed since."""
        if self._versions != [v._version for v in self._leaves[self.mode]]:
            self._compute(advance=False)
        return node._value

    def clear(self) -> None:
        """Forget all values and gradients but those of Variables."""
        for node in (*self.nodes, *self.selected):
            node._value = node._grad = node._by = None
        for variable in self._leaves.get(self.mode, self.variables):
            variable._grad = variable._result = None
        self._snapshot = self._found = None

    # ---- gradients ----------------------------------------------------------------------------------------------------

    def gradient(self, node: Node) -> Any:
        """d(result)/d(node) at the values of the last ``forward``; those of all Variables are taken together."""
        if self._snapshot is None:
            return None
        leaves, values, given = self._snapshot
        variables = self._leaves[self.mode]
        if given != [v._set for v in variables]:
            raise RuntimeError(
                f"a value was set after {self.result.describe()}.forward(): call forward() again before get_grad()"
            )
        if not isinstance(node, Variable):
            return self._gradients((node,), leaves, values).get(node)
        if self._found is None:
            self._found = self._gradients(tuple(variables), leaves, values)
        return self._found.get(node)

    def _gradients(self, wrt: tuple[Node, ...], leaves: list[Any], values: list[Any]) -> dict[Node, Any]:
        """The gradients, with the values of all nodes given, so that nothing of the forward pass is done again."""
        key = (self.mode, wrt, tuple(map(signature_of, leaves)))
        if key not in self._backward:
            self._backward[key] = self._make_backward(wrt, leaves, values)
        found, plan, order = self._backward[key]
        if plan is None:
            return {}
        gradients = plan.run([*values[: plan.inputs], *[leaves[i] for i in order]])
        return dict(zip(found, gradients, strict=True))

    def _make_backward(self, wrt: tuple[Node, ...], leaves: list[Any], values: list[Any]) -> Any:
        outputs = pullback([self.result], wrt, [])
        found = [node for node, output in zip(wrt, outputs, strict=True) if output is not None]
        connected = [output for output in outputs if output is not None]
        if not connected:
            return found, None, ()
        given = [output for node in self.nodes for output in outputs_of(node)]
        program = Program(given, connected, mode=self.mode)
        variables = self._leaves[self.mode]
        state = {str(variable.name): value for variable, value in zip(variables, leaves, strict=True)}
        specs = [spec_of(value).unsized() for value in values[: len(given)]]
        plan = Plan(program, specs, state, library_of(leaves), final=False)
        return found, plan, [variables.index(v) for v in plan.variables]


def gradient_of(node: Node) -> Any:
    """d(result)/d(node), where the result is the last that ``forward`` was called on above ``node``."""
    run = node._result if isinstance(node, Variable) else node._by
    if run is None:
        return None
    return run.gradient(node)


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
