"""Optimizers by name. An optimizer is a record, its settings and nothing else; applied to a loss it is a graph.

From a parameter and its gradient it builds the new value and the new state, so it runs and prints with the training step.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from ourdl_core import Composite, Named, Node, Range, Record
from ourdl_core.registry import Registry
from ourdl_train.patterns import Numbers, numbers_of
from ourdl_train.recurrences import AdagradStep, AdamStep, Descent, LionStep, MomentumStep, RMSpropStep
from ourdl_train.schedule import ScheduleName
from ourdl_train.updates import Updates

registry = Registry("ourdl.optimizers")

Decay = Annotated[float, Range(low=0, high=1, open_high=True)]
Bound = Annotated[float, Range(low=0, high=math.inf, open_low=True, open_high=True)]
Epsilon = Annotated[float, Range(low=0)]


class Optimizer(Record):
    """Base of optimizers: write ``step``, which says by what op one parameter moves.

    ``lr`` is the learning rate: a number, or a table of them by patterns of parameter names, of which the first that
    fits counts: ``{"*.bias": 0.1, "*": 0.05}``. ``schedule`` multiplies it by a factor that changes from step to step.

    In this order, each step: the gradients of ``accumulate`` runs are gathered to their mean, which is used once; each of
    their numbers is cut to within ±``clip_value``; all of them together are shortened to the norm ``clip_norm``; and
    ``weight_decay``, a number or a table like ``lr``, times the parameter is added to the gradient, which is L2
    regularization. Where it is ``decoupled`` (AdamW, Lion), ``lr`` times ``weight_decay`` times the parameter is taken from
    the parameter instead. With ``average`` (as 0.999) an exponential moving average of each parameter is kept, which begins
    with its value after the first step; 0 keeps none.
    """

    __slots__ = ()
    decoupled: ClassVar[bool] = False

    lr: Numbers
    schedule: ScheduleName = "Constant"
    clip_norm: Bound | None = None
    clip_value: Bound | None = None
    weight_decay: Numbers = 0.0
    accumulate: Annotated[int, Range(low=1)] = 1
    average: Decay = 0.0

    @classmethod
    def fields(cls) -> dict[str, Any]:
        """The attributes: ``lr``, those of the optimizer itself, then those that all optimizers have."""
        found = super().fields()
        own = {name: field for name, field in found.items() if name == "lr" or name not in Optimizer.__annotations__}
        return {**own, **found}

    def step(self) -> Composite:
        """The op that is given (parameter, gradient, lr) and returns the new parameter, with its states as slots.

        It may have an input ``time`` too, the fourth: the number of this step (1, 2, ...).
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to step")

    def rates(self, names: list[str]) -> dict[str, float]:
        """The learning rate of each parameter; LookupError for one without, and for a pattern that fits none."""
        return numbers_of("lr", self.lr, names)

    @property
    def told_rate(self) -> float:
        """The learning rate that is told of: the largest, where there is a table of them."""
        given: Any = self.lr
        return float(max(rate for _, rate in given) if isinstance(given, tuple) else given)

    def __call__(self, loss: Node, steps: int | None = None) -> Updates:
        """What ``Program(updates=...)`` takes; ``steps`` says how many steps the training has, for schedules."""
        return Updates(self, loss, steps)


_named = Named(registry, Optimizer)
OptimizerName = Annotated[Any, _named]


def optimizer(value: Any) -> Optimizer:
    """An optimizer from its name, from ``{"name": "Adam", "lr": 0.001}``, or itself."""
    return _named.load(value)


class SGD(Optimizer):
    """Stochastic gradient descent: ``p' = p - lr * g``; with momentum ``m' = momentum * m + g``, ``p' = p - lr * m'``.

    Momentum is that of Sutskever et al. (2013) in the form of PyTorch: the learning rate is applied to the momentum
    when it is used, not when it is gathered, and the first momentum is the first gradient. With ``nesterov`` the step is
    ``p' = p - lr * (g + momentum * m')``.
    """

    lr: Numbers = 0.01
    momentum: Decay = 0.0
    nesterov: bool = False

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov changes how momentum is used, and momentum is 0: give it too, as momentum=0.9")

    def step(self) -> Composite:
        momentum = MomentumStep.make({"decay": self.momentum, "nesterov": self.nesterov})
        return momentum if self.momentum else Descent.make({})


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015, algorithm 1): at step t = 1, 2, ... of a parameter p with gradient g

    ``m' = beta1 * m + (1 - beta1) * g``, ``v' = beta2 * v + (1 - beta2) * g**2``,
    ``p' = p - lr * (m' / (1 - beta1**t)) / (sqrt(v' / (1 - beta2**t)) + epsilon)``.

    With ``amsgrad`` (Reddi et al., 2018) the largest v' so far stands for v', as in PyTorch.
    """

    lr: Numbers = 0.001
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Epsilon = 1e-8
    amsgrad: bool = False

    def step(self) -> Composite:
        betas = {"beta1": self.beta1, "beta2": self.beta2}
        return AdamStep.make({**betas, "epsilon": self.epsilon, "amsgrad": self.amsgrad})


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``lr * weight_decay * p`` is taken from p besides.

    It decays every parameter. Often biases are left out: ``weight_decay = { "*.bias" = 0, "*" = 0.01 }``.
    """

    decoupled: ClassVar[bool] = True
    weight_decay: Numbers = 0.01


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012): ``v' = decay * v + (1 - decay) * g**2``, ``p' = p - lr * g / (sqrt(v') + epsilon)``.

    As in PyTorch, where ``decay`` is called alpha. ``centered`` takes the square of the moving mean of g from v' (Graves,
    2013). With ``momentum`` the steps are gathered: ``b' = momentum * b + g / (sqrt(v') + epsilon)``, ``p' = p - lr * b'``.
    """

    lr: Numbers = 0.01
    decay: Decay = 0.99
    epsilon: Epsilon = 1e-8
    momentum: Decay = 0.0
    centered: bool = False

    def step(self) -> Composite:
        numbers = {"decay": self.decay, "epsilon": self.epsilon, "momentum": self.momentum}
        return RMSpropStep.make({**numbers, "centered": self.centered})


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011): ``s' = s + g**2`` from 0, ``p' = p - lr * g / (sqrt(s') + epsilon)``."""

    lr: Numbers = 0.01
    epsilon: Epsilon = 1e-10

    def step(self) -> Composite:
        return AdagradStep.make({"epsilon": self.epsilon})


class Lion(Optimizer):
    """Lion (Chen et al., 2023): ``p' = p - lr * sign(beta1 * m + (1 - beta1) * g)``, ``m' = beta2 * m + (1 - beta2) * g``.

    Every number moves by ``lr``, which is therefore 3 to 10 times smaller than for Adam. ``weight_decay`` is decoupled, as
    for AdamW.
    """

    decoupled: ClassVar[bool] = True
    lr: Numbers = 1e-4
    beta1: Decay = 0.9
    beta2: Decay = 0.99

    def step(self) -> Composite:
        return LionStep.make({"beta1": self.beta1, "beta2": self.beta2})
