"""An optimizer applied to a loss: what ``Program(updates=...)`` takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ourdl_core import Node, State, Variable, grad, ops
from ourdl_core.context import hidden
from ourdl_train.around import Average, ClipByNorm, Gather, Held, InDtypeOf, states_of
from ourdl_train.clock import Clock
from ourdl_train.patterns import numbers_of

if TYPE_CHECKING:
    from ourdl_train.optimizers import Optimizer


class Updates:
    """The function that ``Program(updates=...)`` takes: from parameters to the nodes of their new values, and of the clock.

    ``steps`` says how many steps the training has, for schedules. A Program asks anew for each layout; the states of a
    parameter are made once.
    """

    def __init__(self, optimizer: Optimizer, loss: Node, steps: int | None = None) -> None:
        if not isinstance(loss, Node):
            raise TypeError(f"an optimizer is applied to the node of a loss, found {type(loss).__name__} {loss!r:.60}")
        self.optimizer = optimizer
        self.loss = loss
        self._op = optimizer.step()
        self._timed = any(slot.name == "time" for slot in self._op.slots())
        self._states: dict[Variable, dict[str, Any]] = {}
        self._made: dict[tuple[Variable, ...], dict[Variable, Node]] = {}
        with hidden():  # the nodes are no part of a graph that a person is building
            self._clock = Clock(loss, optimizer.schedule, optimizer.accumulate, steps)
            self.rate = self._scaled(optimizer.told_rate)

    def __call__(self, trained: list[Variable]) -> dict[Variable, Node]:
        key = tuple(trained)
        if key not in self._made:
            with hidden():
                self._made[key] = self._make(trained)
        return dict(self._made[key])

    def averaged(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The state with the averages of the parameters in their place; itself where none are kept, or no step was taken."""
        if not self.optimizer.average or not int(state[str(self._clock.step.name)]):
            return state
        kept = {str(p.name): str(states["average"].name) for p, states in self._states.items() if "average" in states}
        return {**state, **{name: state[average] for name, average in kept.items()}}

    def epoch_ended(
        self, state: Mapping[str, Any], row: Mapping[str, Any], more_is_better: Collection[str] = ()
    ) -> Mapping[str, Any]:
        """The state after an epoch, whose numbers are ``row``: a schedule may look at them (Plateau).

        ``more_is_better`` names the metrics of which more is better, without ``validation_``.
        """
        return self._clock.epoch_ended(state, row, more_is_better)

    def _make(self, trained: list[Variable]) -> dict[Variable, Node]:
        names = [str(parameter.name) for parameter in trained]
        rates = self.optimizer.rates(names)
        decays = numbers_of("weight_decay", self.optimizer.weight_decay, names)
        found: dict[Variable, Node] = {}
        for parameter, gradient in self._gradients(trained).items():
            name = str(parameter.name)
            found.update(self._moved(parameter, gradient, self._rate(parameter, rates[name]), decays[name]))
        return {**found, **self._clock.updates(self._timed or self.optimizer.average > 0)}

    def _gradients(self, trained: list[Variable]) -> dict[Variable, Node]:
        """The gradients of those parameters that the loss uses: gathered, then clipped."""
        pairs = zip(trained, grad(self.loss, trained), strict=True)
        found = {parameter: gradient for parameter, gradient in pairs if gradient is not None}
        rule, moves = self.optimizer, self._clock.moves
        if moves is not None:
            gather = Gather(count=rule.accumulate)
            found = {p: self._on(gather, p, p, g, moves) for p, g in found.items()}
        if rule.clip_value is not None:
            found = {p: ops["ourdl::Clip"](g, -rule.clip_value, rule.clip_value) for p, g in found.items()}
        if rule.clip_norm is not None and found:
            clipped = ClipByNorm(norm=rule.clip_norm, count=len(found))(*found.values())
            found = dict(zip(found, clipped.outputs, strict=True))
        return found

    def _moved(self, parameter: Variable, gradient: Node, rate: Any, decay: float) -> dict[Variable, Node]:
        """The new value of a parameter, and those of its states that are held back."""
        coupled = not self.optimizer.decoupled
        gradient = gradient + decay * parameter if decay and coupled else gradient
        node = self._on(self._op, parameter, parameter, gradient, rate, *([self._clock.time] if self._timed else []))
        moves, held = self._clock.moves, {}
        value = node
        if moves is not None:
            states = {name: self._states[parameter][name] for name in states_of(self._op)}
            value, *after = Held(held=self._op)(*node.parents).outputs
            held = {state: _where(moves, new, state) for state, new in zip(states.values(), after, strict=True)}
        value = value if coupled or not decay else value - rate * decay * parameter
        value = value if moves is None else _where(moves, value, parameter)
        if self.optimizer.average:
            value = self._on(Average(decay=self.optimizer.average), parameter, value, self._clock.time, moves)
        return {parameter: value, **held}

    def _scaled(self, rate: float) -> float | Node:
        return rate if self._clock.factor is None else self._clock.factor * rate

    def _rate(self, parameter: Variable, rate: float) -> Any:
        scaled = self._scaled(rate)
        return InDtypeOf(scaled, parameter) if isinstance(scaled, Node) else scaled

    def _on(self, op: Any, parameter: Variable, *inputs: Any) -> Node:
        """The node of ``op``, whose states are those of ``parameter``, by the name of their slot."""
        kept = self._states.setdefault(parameter, {})
        names = states_of(op)
        if type(parameter.value) in (int, float):  # those of a Python number are Python numbers
            numbers = {slot.name: slot.made for slot in op.slots() if slot.name in names and slot.name not in kept}
            kept.update({n: _number(f"{parameter.name}.{n}", made) for n, made in numbers.items()})
        given = {name: kept[name] for name in names if name in kept}
        node: Node = op(*inputs, name=str(parameter.name), **given)
        kept.update({name: getattr(node, name) for name in names})
        return node


def _number(name: str, made: State) -> Variable:
    return Variable(0 if made.dtype else 0.0, made=made, name=name)


def _where(condition: Node, a: Node, b: Node) -> Any:
    return ops["ourdl::Where"](condition, a, b)
