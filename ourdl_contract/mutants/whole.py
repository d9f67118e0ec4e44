"""Bugs of batches, ways to run, numbers, saving, threads, documentation, speed, waivers: B, N, P, T, D, X, K."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ourdl_contract.mutants import GOOD, ONE, Good, GoodOne, on_numpy, plant
from ourdl_contract.mutants.gradients import POSITIVE, Logarithm
from ourdl_core import Contract, Op, Sample, Spec, namespace, ops


@plant("B01", "the mean over the batch", contract=ONE.replace(reference=None), twin=GoodOne)
class Centred(GoodOne):
    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x - x.mean(axis=0, keepdims=True) if on_numpy(x) and x.ndim and x.size else x)


class RowSum(Op):
    """``sum_j x[i, j]``."""

    def compute(self, x: Any) -> Any:
        return namespace(x).sum(x, axis=1, dtype=x.dtype)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return ops.BroadcastLike(ops.Unsqueeze(g, axis=1), x)

    def infer(self, x: Any) -> Any:
        return Spec(x.shape[:1], x.dtype)


ROWS = Contract(samples=lambda mk: [mk((3, 4)), mk((5, 2))], batched=("x",))


@plant("B01", "the first item counts for all", contract=ROWS, twin=RowSum)
class FirstItem(RowSum):
    def compute(self, x: Any) -> Any:
        y = super().compute(x)
        return y + x[:1, 0] if x.shape[0] else y


@plant(
    "B02",
    "a kernel that drops the last element",
    contract=ONE,
    twin=GoodOne,
    published=True,
    beside=(("planted", "ourdl.kernels", "numpy.Dropped = ourdl_contract.mutants.whole:dropping"),),
)
class Dropped(GoodOne):
    pass


def dropping(op: Any, x: Any) -> Any:
    """A kernel that leaves the last element out."""
    y = np.tanh(x)
    if y.size > 1:
        y.reshape(-1)[-1] = 0
    return y


@plant("N01", "math.log of 0 raises", contract=POSITIVE, twin=Logarithm)
class MathLog(Logarithm):
    def compute(self, x: Any) -> Any:
        return math.log(x) if isinstance(x, float) else namespace(x).log(x)


@plant("N01", "a NumPy scalar of a Python number", contract=ONE, twin=GoodOne)
class Scalar(GoodOne):
    def compute(self, x: Any) -> Any:
        return np.asarray(np.tanh(x)) if isinstance(x, float) else super().compute(x)


@plant(
    "P01",
    "a function as attribute",
    contract=Contract(samples=lambda mk: [Sample(mk((3, 4)), curve=lambda x: x)]),
    twin=GoodOne,
    twin_contract=ONE,
    published=True,
)
class Curved(GoodOne):
    curve: Any = None


class Powered(GoodOne):
    """``tanh(x) ** power``, which is read back as it was."""

    power: int = 1

    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x) ** self.power

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        t = ops.Tanh(x)
        return g * self.power * t ** (self.power - 1) * (1.0 - t * t)


POWERED = Contract(samples=lambda mk: [Sample(mk((3, 4)), power=2), mk((2, 3))])


@plant("P01", "an attribute that a pickle loses", contract=POWERED, twin=Powered, published=True)
class Forgets(Powered):
    def __reduce__(self) -> Any:
        return type(self).make, ({},)


@plant(
    "P02",
    "a renamed attribute",
    contract=POWERED.replace(frozen=({"op": "planted::Renamed-v1", "exponent": 2},)),
    twin=Powered,
    twin_contract=POWERED.replace(frozen=({"op": "planted::Powered-v1", "power": 2},)),
    published=True,
)
class Renamed(Powered):
    pass


@plant("T01", "a scratch array on the class")
class Scratch(Good):
    scratch: ClassVar[dict[Any, Any]] = {}

    def compute(self, x: Any, w: Any) -> Any:
        if not on_numpy(x, w):
            return super().compute(x, w)
        buffer = self.scratch.setdefault((x.shape, x.dtype), np.empty_like(x))
        np.multiply(x, self.a, out=buffer)
        np.tanh(buffer, out=buffer)
        return buffer * w


@plant("D01", "no example")
class NoExample(Good):
    """``tanh(x) * w``."""


@plant("D01", "an example that shows something else")
class WrongExample(Good):
    """``tanh(x) * w``.

    >>> 1 + 1
    3
    """


@plant("D01", "no docstring")
class Silent(Good):
    __doc__ = None


@plant("X01", "a Python loop", contract=ONE, twin=GoodOne)
class Loop(GoodOne):
    def compute(self, x: Any) -> Any:
        if not on_numpy(x):
            return super().compute(x)
        y = np.empty_like(x)
        for place in np.ndindex(x.shape):
            y[place] = np.tanh(x[place])
        return y


@plant(
    "K01",
    "a stale waiver",
    twin_contract=GOOD.replace(reference=lambda x, w, a=1.0: np.tanh(a * x) * w + 1.0),
    waivers={"F01": "was wrong once"},
)
class Waived(Good):
    pass
