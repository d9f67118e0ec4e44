"""Bugs of gradients: G01 to G12."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ourdl_contract.mutants import GOOD, ONE, Good, GoodOne, plant
from ourdl_core import Composite, Contract, Elementwise, Op, Sample, Spec, namespace, ops, registry
from ourdl_core.ops import NamedOp


@plant("G01", "gradient times 1.0005", bug="scaled")
class Scaled(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx * 1.0005, dw


@plant("G01", "gradient of w missing", bug="missing_w")
class MissingW(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return super().vjp(g, y, x, w)[0], None


@plant("G01", "gradients swapped", bug="swapped")
class Swapped(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dw, dx


@plant("G01", "gradient off by a millionth")
class Millionth(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx, dw * (1.0 + 3e-6)


@plant("G01", "an infinite gradient")
class Infinite(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx * float("inf"), dw


@plant("G02", "wrong where abs(x) > 3", bug="tails")
class WrongTails(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return ops.Where(ops.Abs(x) > 3.0, dx * 1.1, dx), dw


class Logarithm(Elementwise):
    """``log(x)``, of positive numbers."""

    def compute(self, x: Any) -> Any:
        return namespace(x).log(x)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g / x


POSITIVE = Contract(
    samples=lambda mk: [mk((3, 4), 0.5, 3), mk((2, 3, 5), 0.5, 3)], reference=np.log, domain=(0.0, np.inf)
)


@plant("G02", "wrong at the edge of the domain", contract=POSITIVE, twin=Logarithm)
class WrongAtEdge(Logarithm):
    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g / (x + 1e-5)


class NotSummed(Op):
    """Broadcasts, but is not ``Elementwise``, so nothing sums its gradients."""

    a: float = 1.0

    compute = Good.compute
    vjp = Good.vjp

    def infer(self, *specs: Any) -> Any:
        return Good.make({"a": self.a}).infer(*specs)


plant(
    "G03",
    "no un-broadcast",
    contract=GOOD.replace(
        claims={"elementwise", "second_order"},
        samples=lambda mk: [(mk((3, 4)), mk((3, 4))), Sample(mk((2, 3)), mk((2, 3)), a=0.5)],
    ),
    bug="no_unbroadcast",
)(NotSummed)


@plant("G03", "the mean over what was broadcast, not the sum")
class Averaged(Good):
    def gradients(self, g: Any, y: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        counts = [ops.Count(g) / ops.Count(x) for x in inputs]
        return tuple(d / n for d, n in zip(super().gradients(g, y, inputs), counts, strict=True))


@plant("G04", "float64 gradient from float32", bug="wide_gradient")
class WideGradient(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return tuple(ops.Cast(d, to="float64") for d in super().vjp(g, y, x, w))


@plant("G05", "ignores g", bug="ignores_g")
class IgnoresG(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return super().vjp(ops.OnesLike(g), y, x, w)


@plant("G05", "g squared")
class Squared(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return super().vjp(g * ops.Abs(g), y, x, w)


@plant("G05", "a little is left where g is 0")
class Leaks(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx + 1e-13, dw


@plant("G06", "a hidden accumulator", bug="accumulator")
class Accumulates(Good):
    total: ClassVar[list[float]] = [1.0]

    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        self.total[0] += 1e-3
        return dx * self.total[0], dw


@plant("G07", "parent == parents[0]", bug="identity")
class ByIdentity(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx, (dx if w is x else dw)


@plant("G07", "a node in two slots is counted once")
class CountedOnce(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return dx, (None if w is x else dw)


class Picks(Op):
    """``x[index]`` along the first axis."""

    def compute(self, x: Any, index: Any) -> Any:
        return namespace(x, index).take(x, index, axis=0)

    def vjp(self, g: Any, y: Any, x: Any, index: Any) -> Any:
        return ops.ScatterAdd(g, index, x), None

    def infer(self, x: Any, index: Any) -> Any:
        return Spec((*index.shape, *x.shape[1:]), x.dtype)


PICKS = Contract(
    samples=lambda mk: [(mk((5, 3)), np.array([4, 0, 0, 2])), (mk((6, 2)), np.array([1, 5, 3]))],
    reference=lambda x, index: x[index],
)


@plant("G08", "zeros for whole numbers", contract=PICKS, twin=Picks)
class ZerosForIndex(Picks):
    def vjp(self, g: Any, y: Any, x: Any, index: Any) -> Any:
        return ops.ScatterAdd(g, index, x), ops.ZerosLike(index)


class Stopped(Good):
    """The same, and no gradient passes."""

    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return None, None


@plant("G08", "a gradient in spite of its claim", contract=GOOD.replace(claims={"no_gradient"}), twin=Stopped)
class PassesAnyway(Good):
    pass


@plant("G09", "wrong second derivative", bug="second")
class WrongSecond(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        t = ops.StopGradient(ops.Tanh(x * self.a))
        return g * w * (self.a * (1.0 - t * t)), g * t


@plant("G09", "the upstream gradient counts as constant")
class Detached(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return super().vjp(ops.StopGradient(g), y, x, w)


@plant("G09", "wrong second derivative where none is claimed", contract=GOOD.replace(claims=()))
class WrongUnclaimed(WrongSecond):
    pass


@plant("G09", "no second derivative, and no word of it", contract=GOOD.replace(claims=()))
class SilentSecond(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return _Opaque(g, x, w), _Opaque(g, w, x)


class _Opaque(Elementwise):
    """A gradient that cannot be differentiated, and says so in words that help nobody."""

    def compute(self, g: Any, x: Any, w: Any) -> Any:
        return g * x * w

    def vjp(self, *inputs: Any) -> Any:
        raise RuntimeError("no")


class GoodLoss(Composite):
    """The mean of ``(x - label)²``."""

    def body(self, x: Any, label: Any) -> Any:
        return ops.Mean(ops.Square(x - label))


LOSS = Contract(
    samples=lambda mk: [(mk((3, 4)), mk((3, 4))), (mk((2, 5)), mk((2, 5)))],
    reference=lambda x, label: np.mean((x - label) ** 2),
    claims={"second_order", "loss"},
)


@plant("G10", "flipped sign", contract=LOSS, twin=GoodLoss)
class Ascends(GoodLoss):
    def vjp(self, g: Any, y: Any, x: Any, label: Any) -> Any:
        slope = g * 2.0 * (label - x) / ops.Count(x)
        return slope, -slope


class GoodMaximum(Elementwise):
    """The larger of both; half of the gradient each where they are equal."""

    def compute(self, a: Any, b: Any) -> Any:
        return namespace(a, b).maximum(a, b)

    def vjp(self, g: Any, y: Any, a: Any, b: Any) -> Any:
        half = ops.Where(ops.Equal(a, b), g * 0.5, ops.ZerosLike(g))
        return ops.Where(a > b, g, half), ops.Where(b > a, g, half)


LARGER = Contract(
    samples=lambda mk: [(mk((3, 4)), mk((3, 4))), (mk((2, 3, 5)), mk((2, 3, 5)))],
    reference=np.maximum,
    claims={"second_order"},
)


@plant("G11", "== on nodes, which is identity", contract=LARGER, twin=GoodMaximum)
class ComparesNodes(GoodMaximum):
    def vjp(self, g: Any, y: Any, a: Any, b: Any) -> Any:
        equal = ops.Where(a == b, g * 0.5, ops.ZerosLike(g))
        return ops.Where(a > b, g, equal), ops.Where(b > a, g, equal)


@plant("G11", "another gradient on arrays")
class LooksAtValues(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        dx, dw = super().vjp(g, y, x, w)
        return (dx * 1.01 if isinstance(x, np.ndarray) else dx), dw


@plant("G12", "looks names up as a person would", contract=ONE, twin=GoodOne, published=True)
class LooksUp(GoodOne):
    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        t = NamedOp(registry.get("Tanh"))(x)
        return g * (1.0 - t * t)
