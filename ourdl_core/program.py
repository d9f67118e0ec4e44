"""Programs: a Function laid out as steps, pure and safe to run from several threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ourdl_core.arrays import Spec, as_value, library_of, spec_of
from ourdl_core.execute import Timing, elements, length_of
from ourdl_core.executors import executor_named
from ourdl_core.infer import UndeclaredError
from ourdl_core.keys import next_key
from ourdl_core.lower import MODES
from ourdl_core.naming import adopt, unique_names
from ourdl_core.node import Node, Variable, like, order_of
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.plan import Plan, first_value, laying_out, signature_of

State = dict[str, Any]
Updates = Mapping[Variable, Node] | Callable[[list[Variable]], Mapping[Variable, Node]]

# Layouts of one Program that are kept for states of different dtypes.
MOST_PLANS = 8


class Program:
    """``outputs`` (and new values of the state) as a pure function of ``inputs`` and the state.

    ``(outputs, state) = program(state, *inputs)``. The state holds, by name, every Variable that is not an input:
    parameters, running statistics, keys, the moments of an optimizer. ``program.init(seed)`` makes the first one.

    ``inputs`` and ``outputs`` are lists of nodes or dicts of them by name (then inputs may be given by keyword, and
    outputs come as a dict); one node as ``outputs`` comes alone. An input that is not a Variable is given from outside too:
    how it would be computed does not matter, and no gradient passes through it. ``updates`` maps Variables to the nodes
    of their new values, or is a function from the parameters found to such a mapping (an optimizer applied to a loss).
    ``mode`` is ``"training"`` or ``"inference"``; that of a Program with updates is training. ``executor`` is the name of
    what runs it (group ``ourdl.executors``); by default ``"numpy"``, which specialises it on the shapes that it sees.
    """

    def __init__(
        self,
        inputs: Sequence[Node] | Mapping[str, Node],
        outputs: Node | Sequence[Node] | Mapping[str, Node],
        updates: Updates | None = None,
        *,
        mode: str | None = None,
        executor: str | None = None,
    ) -> None:
        mode = mode or ("training" if updates else "inference")
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(map(repr, MODES))}, found {mode!r}")
        executor_named(executor)
        self.mode, self.executor = mode, executor
        self._inputs = tuple(inputs.values() if isinstance(inputs, Mapping) else inputs)
        many = dict(outputs) if isinstance(outputs, Mapping) else outputs
        self.outputs = many if isinstance(many, (Node, dict)) else list(many)
        self._outputs = _listed(self.outputs)
        self._updates = updates if callable(updates) else dict(updates or {})
        self._given_updates: dict[Variable, Node] = {} if callable(self._updates) else self._updates
        given = self._given_updates
        _check_nodes([*self._inputs, *self._outputs, *given, *given.values()])
        self._check_places(given)
        adopt([*self._inputs, *self._outputs, *given, *given.values()])
        self.input_names = list(inputs) if isinstance(inputs, Mapping) else [str(node) for node in self._inputs]
        self._plans: dict[Any, list[Plan]] = {}
        self._last: Plan | None = None
        _announce(self)

    def _check_places(self, updated: Mapping[Variable, Node]) -> None:
        """Each input once, and only Variables that are not inputs updated."""
        if len(set(self._inputs)) != len(self._inputs):
            twice = next(node for i, node in enumerate(self._inputs) if node in self._inputs[:i])
            raise ValueError(f"{twice.describe()} is an input of this Program twice")
        for variable in updated:
            if not isinstance(variable, Variable):
                raise TypeError(f"only a Variable can be updated, found {variable.describe()}, which is computed")
            if variable in self._inputs:
                raise ValueError(f"{variable.describe()} is an input of this Program, so it cannot be updated")

    # ---- running ----------------------------------------------------------------------------------------------------

    def __call__(self, state: Mapping[str, Any], /, *inputs: Any, **named: Any) -> tuple[Any, State]:
        """Run once: the outputs, and the state after the run (``state`` itself is left as it is)."""
        values = self._bound(inputs, named)
        plan, leaves = self._leaves(values, state)
        found = plan.run(leaves)
        for i in plan.layout.shared:  # what is handed out can be written to without changing anything else
            found[i] = found[i].copy() if type(found[i]) is np.ndarray else found[i]
        count = len(self._outputs)
        after = dict(state)
        for variable, name, value in zip(plan.updated, plan.updated_names, found[count:], strict=True):
            after[name] = like(value, state[name], variable)
        for name in plan.keys:
            after[name] = next_key(state[name])
        return self._shaped(found[:count]), after

    def loop(self, state: Mapping[str, Any], /, *sequences: Any, **named: Any) -> tuple[Any, State]:
        """Run once for each element of ``sequences``, from state to state: the outputs of all runs, and the last state.

        Each input has an axis of steps in front: an array, or a list of Python numbers, each of which is one as in a call.
        Outputs come stacked in the same way. As so many calls, without what a call costs. The arrays of ``state`` stay as
        they are; those that replace them are written in place, step after step.
        """
        values = self._in_order(sequences, named)
        for name, each in zip(self.input_names, values, strict=True):
            if not isinstance(each, (list, tuple)) and not getattr(each, "ndim", 0):
                what = "an array with an axis of steps in front, or a list of numbers"
                raise TypeError(f"loop: input '{name}' must be {what}, found {type(each).__name__}")
        counts = list(map(length_of, values))
        if len(set(counts)) != 1 or 0 in counts:
            shown = ", ".join(f"{name} {count}" for name, count in zip(self.input_names, counts, strict=True))
            what = "a loop takes one step for each element of its inputs, as many of each, at least one"
            raise ValueError(f"{what}; found {shown or 'no input'}")
        try:
            rows = [_rows(node, each) for node, each in zip(self._inputs, values, strict=True)]
        except ValueError as error:
            error.add_note("  of one step: a loop takes an axis of steps in front, as array[None] gives it")
            raise
        plan, leaves = self._leaves([next(elements(each)) for each in rows], state)
        held = leaves[plan.inputs :]
        places = {name: i for i, name in enumerate(plan.names)}
        updated = {places[name]: v for name, v in zip(plan.updated_names, plan.updated, strict=True)}
        outputs, held = plan.executor.loop(rows, held, updated, [places[name] for name in plan.keys])
        return self._shaped(outputs), {**state, **dict(zip(plan.names, held, strict=True))}

    def profile(self, state: Mapping[str, Any], /, *inputs: Any, repeats: int = 10, **named: Any) -> list[Timing]:
        """How long each call of a run takes: the medians of ``repeats`` runs, in the order of execution."""
        if not isinstance(repeats, int) or repeats < 1:
            raise ValueError(f"profile: repeats is a whole number of at least 1, found {repeats!r}")
        plan, leaves = self._leaves(self._bound(inputs, named), state)
        return plan.executor.timings(leaves, repeats)

    def source(self, state: Mapping[str, Any], /, *inputs: Any, **named: Any) -> str:
        """The Python that runs this Program for inputs and a state of these shapes."""
        plan, leaves = self._leaves(self._bound(inputs, named), state)
        return plan.executor.source(leaves)

    def _leaves(self, values: list[Any], state: Mapping[str, Any]) -> tuple[Plan, list[Any]]:
        """The layout to run, and the values of its leaves."""
        plan = self._last
        if plan is not None:
            leaves = [*values, *map(state.get, plan.names)]
            if plan.kinds == tuple([(v.dtype, v.ndim) if type(v) is np.ndarray else type(v) for v in leaves]):
                return plan, leaves
        state = {name: v if _is_value(v) else as_value(v, f"the state '{name}'") for name, v in state.items()}
        plan = self._last = self._plan(values, state)
        return plan, [*values, *(_stored(state, name) for name in plan.names)]

    def evaluate(self, values: list[Any]) -> list[Any]:
        """The outputs of a Program that has no state, as a list."""
        return self.runner(values)(values)

    def runner(self, values: list[Any]) -> Callable[[list[Any]], list[Any]]:
        """What evaluates lists of values of these ranks and dtypes; for loops, which look for the layout only once."""
        plan = self._plan(values, {})
        if plan.names:
            raise ValueError(f"'{plan.names[0]}' is not an input and no state was given: call program(state, ...)")
        return plan.run

    def init(self, *inputs: Any, seed: int = 0, **named: Any) -> State:
        """The first state: values that Variables hold, else drawn from (``seed``, name).

        Example ``inputs`` are needed where sizes of parameters follow from inputs that do not declare them.
        """
        given = self._bound(inputs, named) if inputs or named else None
        try:
            specs = [_declared(node) for node in self._inputs] if given is None else [spec_of(value) for value in given]
        except UndeclaredError:
            held = self._held()
            if held is None:
                raise
            return held
        with laying_out:
            plan = Plan(self, specs, {}, np, exact=True)
        self._check_names(plan)
        return {str(variable.name): first_value(variable, plan, seed) for variable in plan.variables}

    def _held(self) -> State | None:
        """The state, where it is no more than the values that Variables hold, so that no shape is needed to make it."""
        order = order_of([*self._outputs, *self._given_updates.values()])
        inputs = set(self._inputs)
        variables = [v for v in order if isinstance(v, Variable) and v not in inputs]
        if callable(self._updates) or any(v._value is None for v in variables):
            return None
        unique_names(variables)
        return {str(v.name): v._value for v in variables}

    def store(self, state: Mapping[str, Any]) -> None:
        """Give the Variables of this Program the values that they have in ``state``."""
        for plans in list(self._plans.values()):
            for variable in plans[0].variables:
                if str(variable.name) in state:
                    variable.set_value(state[str(variable.name)])

    def _bound(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
        """The input values in order, each as its Variable takes it."""
        return list(map(_accepted, self._inputs, self._in_order(inputs, named)))

    def _in_order(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """What is given for each input, in their order."""
        if named:
            known = set(self.input_names)
            strange = [name for name in named if name not in known]
            if strange:
                raise TypeError(f"this Program has no input '{strange[0]}'. Inputs: {', '.join(self.input_names)}")
            if len(known) != len(self.input_names):
                raise TypeError("inputs of this Program have the same name: give their values by position")
            positional = [name for name in self.input_names if name not in named]
            if len(positional) == len(inputs):
                values = {**dict(zip(positional, inputs, strict=True)), **named}
                inputs = tuple(values[name] for name in self.input_names)
            else:
                inputs = (*inputs, *named.values())
        if len(inputs) != len(self._inputs):
            count = "1 input" if len(self._inputs) == 1 else f"{len(self._inputs)} inputs"
            raise TypeError(
                f"this Program has {count} ({', '.join(self.input_names) or 'none'}), "
                f"found {len(inputs)}"
            )
        return inputs

    def _plan(self, values: list[Any], state: Mapping[str, Any]) -> Plan:
        """The layout for values of these ranks and dtypes, made at their first appearance."""
        library = library_of([*values, *state.values()])
        key = (library.__name__, *map(signature_of, values))
        for plan in self._plans.get(key, ()):
            if plan.state_signature(state) == plan.signature:
                return plan
        with laying_out:
            specs = [_sized(node, value) for node, value in zip(self._inputs, values, strict=True)]
            plan = Plan(self, specs, state, library)
            self._check_names(plan)
            self._plans[key] = [plan, *self._plans.get(key, ())][:MOST_PLANS]
        return plan

    def _check_names(self, plan: Plan) -> None:
        """The state is by name: no two Variables of one name, and none called as an input."""
        unique_names([*plan.variables, *(node for node in self._inputs if isinstance(node, Variable))])

    def _updates_for(self, trained: list[Variable]) -> dict[Variable, Node]:
        """The updates as nodes; an optimizer builds them when it is known which parameters there are."""
        if not callable(self._updates):
            return self._updates
        found = self._updates(trained)
        if not isinstance(found, Mapping):
            raise TypeError(f"updates must give a mapping from Variables to nodes, found {type(found).__name__}")
        _check_nodes([*found, *found.values()])
        self._check_places(found)
        return dict(found)

    def _shaped(self, values: list[Any]) -> Any:
        if isinstance(self.outputs, Node):
            return values[0]
        return dict(zip(self.outputs, values, strict=True)) if isinstance(self.outputs, dict) else tuple(values)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        from ourdl_core.text import program_text

        return program_text(self)

    def __repr__(self) -> str:
        return f"<Program of {', '.join(self.input_names) or 'no inputs'}, for {self.mode}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from ourdl_core.display import mimebundle

        return mimebundle(self)

    def plan(self, *inputs: Any, state: Mapping[str, Any] | None = None) -> Plan:
        """The layout for these inputs, or for what the Variables declare; for executors, tools and tests."""
        with laying_out:
            if inputs:
                return self._plan(self._bound(inputs, {}), state or {})
            if self._plans and not all(node._spec for node in self._inputs):
                return next(reversed(self._plans.values()))[0]
            return Plan(self, [_declared(node) for node in self._inputs], state or {}, np)


def _check_nodes(places: Sequence[Any]) -> None:
    for node in places:
        if not isinstance(node, Node):
            hint = ": a gradient is None where the output does not use the node" if node is None else f" {node!r:.60}"
            raise TypeError(f"a Program is made of nodes, found {type(node).__name__}{hint}")
        if node.op is not None and node.op.num_outputs is not None:
            raise TypeError(f"{node.describe()} has {len(node.outputs)} outputs: choose, as {node}.outputs[0]")


def _is_value(value: Any) -> bool:
    return type(value) is np.ndarray or type(value) in NUMBER_TYPES or hasattr(value, "__array_namespace__")


def _listed(outputs: Any) -> list[Node]:
    if isinstance(outputs, Node):
        return [outputs]
    return list(outputs.values() if isinstance(outputs, dict) else outputs)


def _stored(state: Mapping[str, Any], name: str) -> Any:
    try:
        return state[name]
    except KeyError:
        raise LookupError(
            f"the state has no '{name}': begin with state = program.init(seed=0), with inputs if they declare no shape"
        ) from None


def _accepted(node: Node, value: Any) -> Any:
    return node.accept(value, copy=False) if isinstance(node, Variable) else as_value(value, f"input {node}", copy=False)


def _rows(node: Node, values: Any) -> Any:
    """``values`` with every element as an input ``node`` takes it: a list of numbers of one type, or an array."""
    if isinstance(values, (list, tuple)):
        kinds = set(map(type, values))
        if kinds == {int, float}:  # whole numbers among others
            values, kinds = list(map(float, values)), {float}
        if len(kinds) == 1 and kinds <= NUMBER_TYPES and type(_accepted(node, values[0])) in NUMBER_TYPES:
            return values
        values = as_value(values, f"input {node}", copy=False)
    first = _accepted(node, values[0])
    return np.asarray(values, first.dtype) if isinstance(values, np.ndarray) else values


def _declared(node: Node) -> Spec:
    if isinstance(node, Variable) and node._spec is None and node._value is not None:
        return spec_of(node._value).unsized()
    return node.spec


def _sized(node: Node, value: Any) -> Spec:
    """The spec of an input: the sizes that it declares, the rank and dtype that came."""
    found = spec_of(value).unsized()
    declared = node._spec if isinstance(node, Variable) else None
    return found if declared is None else Spec(declared.shape, found.dtype, found.number)


def _announce(program: Program) -> None:
    from ourdl_core.hooks import hooks

    hooks.call("ourdl_program_made", program=program)
