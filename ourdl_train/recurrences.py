"""One step of one parameter, as an op for each optimizer: the states that it keeps are slots like those of any op.

Inputs are the parameter, its gradient and the learning rate; where there is one called ``time``, the number of this step
(1, 2, ...), which all parameters share. The body gives the new parameter and the new values of the states.
"""

from __future__ import annotations

import math
from typing import Any

from ourdl_core import Composite, State, ops


def like(self: Any, parameter: Any) -> Any:
    """The shape of a state that is as large as its parameter."""
    return parameter.shape


class Descent(Composite):
    """``parameter - lr * gradient``."""

    def body(self, parameter, gradient, lr):
        return parameter - lr * gradient


class MomentumStep(Composite):
    """``m' = decay * m + gradient``; ``parameter - lr * m'``, with Nesterov ``parameter - lr * (gradient + decay * m')``."""

    decay: float
    nesterov: bool = False

    def body(self, parameter, gradient, lr, momentum=State(shape=like)):
        after = self.decay * momentum + gradient
        move = gradient + self.decay * after if self.nesterov else after
        return parameter - lr * move, {"momentum": after}


class AdamStep(Composite):
    """One step of Adam, with the corrections of bias (``1 - beta1**t``, ``1 - beta2**t``) as scalars."""

    beta1: float
    beta2: float
    epsilon: float
    amsgrad: bool = False

    @property
    def unused(self) -> tuple[str, ...]:
        """The states that it does not keep."""
        return () if self.amsgrad else ("greatest",)

    def body(
        self,
        parameter,
        gradient,
        lr,
        time,
        first=State(shape=like),
        second=State(shape=like),
        greatest=State(shape=like),
    ):
        time = as_dtype(time, parameter)
        first = _moving(self.beta1, first, gradient)
        second = _moving(self.beta2, second, gradient * gradient)
        after = {"first": first, "second": second}
        if self.amsgrad:
            second = after["greatest"] = ops["ourdl::Maximum"](greatest, second)
        root = ops["ourdl::Sqrt"](second) / ops["ourdl::Sqrt"](_correction(self.beta2, time))
        return parameter - lr / _correction(self.beta1, time) * first / (root + self.epsilon), after


class RMSpropStep(Composite):
    """One step of RMSprop: the gradient over the root of its moving mean square, or variance (``centered``)."""

    decay: float
    epsilon: float
    momentum: float
    centered: bool

    @property
    def unused(self) -> tuple[str, ...]:
        """The states that it does not keep."""
        return (*([] if self.centered else ["first"]), *([] if self.momentum else ["velocity"]))

    def body(
        self,
        parameter,
        gradient,
        lr,
        second=State(shape=like),
        first=State(shape=like),
        velocity=State(shape=like),
    ):
        after = {"second": _moving(self.decay, second, gradient * gradient)}
        spread = after["second"]
        if self.centered:
            mean = after["first"] = _moving(self.decay, first, gradient)
            spread = ops["ourdl::Maximum"](spread - mean * mean, 0.0)  # rounding can make it less than 0
        move = gradient / (ops["ourdl::Sqrt"](spread) + self.epsilon)
        if self.momentum:
            move = after["velocity"] = self.momentum * velocity + move
        return parameter - lr * move, after


class AdagradStep(Composite):
    """``s' = s + gradient**2``; ``parameter - lr * gradient / (sqrt(s') + epsilon)``."""

    epsilon: float

    def body(self, parameter, gradient, lr, squares=State(shape=like)):
        squares = squares + gradient * gradient
        return parameter - lr * gradient / (ops["ourdl::Sqrt"](squares) + self.epsilon), {"squares": squares}


class LionStep(Composite):
    """The sign of ``beta1 * m + (1 - beta1) * gradient``; then ``m' = beta2 * m + (1 - beta2) * gradient``."""

    beta1: float
    beta2: float

    def body(self, parameter, gradient, lr, momentum=State(shape=like)):
        move = ops["ourdl::Sign"](_moving(self.beta1, momentum, gradient))
        return parameter - lr * move, {"momentum": _moving(self.beta2, momentum, gradient)}


def as_dtype(x: Any, other: Any) -> Any:
    """``x`` in the dtype of ``other``; a Python number stays one, and beside one an array stays what it is."""
    if x.spec.number or other.spec.number or x.dtype == other.dtype:
        return x
    return ops["ourdl::Cast"](x, to=other.dtype)


def _moving(decay: float, mean: Any, new: Any) -> Any:
    """One step of an exponential moving mean."""
    return decay * mean + (1 - decay) * new


def _correction(beta: float, time: Any) -> Any:
    """``1 - beta ** time``, without the cancellation that would cost float32 four digits at the first steps."""
    return 1.0 if beta == 0 else -ops["ourdl::Expm1"](time * math.log(beta))
