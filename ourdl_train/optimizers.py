"""Optimizers as graphs: from a parameter and its gradient they build the new value and the new state.

An optimizer is a record: its settings and nothing else. Applied to a loss it is what ``Program(updates=...)`` takes.
One step of one parameter is a composite op, whose states (momentum, moments) are slots like those of any op.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from ourdl_core import Composite, Graph, Length, Named, Node, Range, Record, State, Variable, grad, ops
from ourdl_core.errors import did_you_mean
from ourdl_core.registry import Registry

registry = Registry("ourdl.optimizers")

Rate = Annotated[float, Range(low=0, high=math.inf, open_high=True)]
Rates = Rate | Annotated[Mapping[str, Rate], Length(1)]


class Optimizer(Record):
    """Base of optimizers: write ``step``, which says by what op one parameter moves.

    ``lr`` is the learning rate: a number, or a table of them by patterns of parameter names, of which the first that
    fits counts: ``{"*.bias": 0.1, "*": 0.05}``.
    """

    __slots__ = ()
    lr: Rates

    def step(self) -> Composite:
        """The op that is given (parameter, gradient, lr) and returns the new parameter, with its states as slots."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to step")

    def rates(self, names: list[str]) -> dict[str, float]:
        """The learning rate of each parameter; LookupError for one without, and for a pattern that fits none."""
        given: Any = self.lr
        table = given if isinstance(given, tuple) else (("*", given),)
        for pattern, _ in table:
            if pattern != "*" and not any(fnmatchcase(name, pattern) for name in names):
                hint = did_you_mean(pattern, names) or f"Parameters are: {', '.join(names[:12]) or 'none'}."
                raise LookupError(f"lr: no parameter is called '{pattern}'. {hint}")
        found = {name: next((rate for p, rate in table if fnmatchcase(name, p)), None) for name in names}
        missing = [name for name, rate in found.items() if rate is None]
        if missing:
            raise LookupError(f"lr: the table has no entry for the parameter '{missing[0]}'. Add it, or '*' for the rest")
        return found  # type: ignore[return-value]

    def __call__(self, loss: Node) -> Updates:
        return Updates(self, loss)


_named = Named(registry, Optimizer)
OptimizerName = Annotated[Any, _named]


def optimizer(value: Any) -> Optimizer:
    """An optimizer from its name, from ``{"name": "Adam", "lr": 0.001}``, or itself."""
    return _named.load(value)


class Updates:
    """The function that ``Program(updates=...)`` takes: from parameters to the nodes of their new values.

    A Program asks anew for each layout; the nodes of a parameter, and with them its states, are made once.
    """

    def __init__(self, optimizer: Optimizer, loss: Node) -> None:
        if not isinstance(loss, Node):
            raise TypeError(f"an optimizer is applied to the node of a loss, found {type(loss).__name__} {loss!r:.60}")
        self.optimizer = optimizer
        self.loss = loss
        self._made: dict[Variable, Node | None] = {}

    def __call__(self, trained: list[Variable]) -> dict[Variable, Node]:
        new = [parameter for parameter in trained if parameter not in self._made]
        if new:
            with Graph():  # of their own: they are no part of a graph that a person is building
                self._make(new, self.optimizer.rates([str(parameter.name) for parameter in trained]))
        found = {parameter: self._made[parameter] for parameter in trained}
        return {parameter: node for parameter, node in found.items() if node is not None}

    def _make(self, parameters: list[Variable], rates: dict[str, float]) -> None:
        step = self.optimizer.step()
        for parameter, gradient in zip(parameters, grad(self.loss, parameters), strict=True):
            name = str(parameter.name)
            if gradient is None:
                self._made[parameter] = None
            else:
                states = _number_states(step, parameter)
                self._made[parameter] = step(parameter, gradient, rates[name], name=name, **states)


def _number_states(step: Composite, parameter: Variable) -> dict[str, Variable]:
    """The states of a parameter that is a Python number: numbers too (arrays have theirs made from their slots)."""
    if type(parameter.value) not in (int, float):
        return {}
    states = [slot for slot in step.slots() if isinstance(slot.made, State)]
    zeros = {slot.name: 0 if slot.made.dtype else 0.0 for slot in states if slot.made}
    return {s.name: Variable(zeros[s.name], made=s.made, name=f"{parameter.name}.{s.name}") for s in states}


def like(self: Any, parameter: Any) -> Any:
    """The shape of a state that is as large as its parameter."""
    return parameter.shape


class Descent(Composite):
    """``parameter - lr * gradient``."""

    def body(self, parameter, gradient, lr):
        return parameter - lr * gradient


class MomentumStep(Composite):
    """``m' = decay * m + gradient``; ``parameter - lr * m'``."""

    decay: float

    def body(self, parameter, gradient, lr, momentum=State(shape=like)):
        after = self.decay * momentum + gradient
        return parameter - lr * after, {"momentum": after}


class AdamStep(Composite):
    """One step of Adam, with the corrections of bias (``1 - beta1**t``, ``1 - beta2**t``) as scalars."""

    beta1: float
    beta2: float
    epsilon: float

    def body(
        self,
        parameter,
        gradient,
        lr,
        first=State(shape=like),
        second=State(shape=like),
        step=State(shape=(), dtype="int32"),
    ):
        step = step + 1
        time = step if step.spec.number else ops["ourdl::Cast"](step, to=parameter.dtype)
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * (gradient * gradient)
        root = ops["ourdl::Sqrt"](second) / ops["ourdl::Sqrt"](_correction(self.beta2, time))
        value = parameter - lr / _correction(self.beta1, time) * first / (root + self.epsilon)
        return value, {"first": first, "second": second, "step": step}


def _correction(beta: float, time: Any) -> Any:
    """``1 - beta ** time``, without the cancellation that would cost float32 four digits at the first steps."""
    return 1.0 if beta == 0 else -ops["ourdl::Expm1"](time * math.log(beta))


Decay = Annotated[float, Range(low=0, high=1, open_high=True)]


class SGD(Optimizer):
    """Stochastic gradient descent: ``p' = p - lr * g``; with momentum ``m' = momentum * m + g``, ``p' = p - lr * m'``.

    Momentum is that of Sutskever et al. (2013) in the form of PyTorch: the learning rate is applied to the momentum
    when it is used, not when it is gathered, and the first momentum is the first gradient. No Nesterov step.
    """

    lr: Rates = 0.01
    momentum: Decay = 0.0

    def step(self) -> Composite:
        return MomentumStep(decay=self.momentum) if self.momentum else Descent.make({})


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015, algorithm 1): at step t = 1, 2, ... of a parameter p with gradient g

    ``m' = beta1 * m + (1 - beta1) * g``, ``v' = beta2 * v + (1 - beta2) * g**2``,
    ``p' = p - lr * (m' / (1 - beta1**t)) / (sqrt(v' / (1 - beta2**t)) + epsilon)``.
    """

    lr: Rates = 0.001
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Annotated[float, Range(low=0)] = 1e-8

    def step(self) -> Composite:
        return AdamStep(beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon)
