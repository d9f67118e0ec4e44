"""Bugs of what is computed: F01 to F07, F14 to F16, S01, S02."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ourdl_contract.mutants import GOOD, ONE, Good, GoodOne, on_numpy, plant
from ourdl_core import Contract, Elementwise, Error, Op, Sample, Spec, namespace, ops


@plant("F01", "output + 1e-6")
class Shifted(Good):
    def compute(self, x: Any, w: Any) -> Any:
        return super().compute(x, w) + 1e-6


@plant("F01", "wrong where abs(x) > 3")
class WrongFarOut(Good):
    def compute(self, x: Any, w: Any) -> Any:
        return namespace(x, w).where(abs(x) > 3, 0.9 * w, super().compute(x, w))


@plant("F01", "wrong from the thousandth element on")
class WrongWhenLarge(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return y * 1.01 if on_numpy(y) and y.size > 1000 else y


class StableSoftmax(Op):
    """``exp(x) / sum(exp(x))`` along the last axis."""

    def compute(self, x: Any) -> Any:
        return self.normalised(x, namespace(x).max(x, axis=-1, keepdims=True))

    def normalised(self, x: Any, shift: Any) -> Any:
        """The formula with ``shift`` taken from ``x`` first."""
        xp = namespace(x)
        e = xp.exp(x - shift)
        return e / xp.sum(e, axis=-1, keepdims=True, dtype=e.dtype)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g * y - y * ops.Sum(g * y, axis=-1, keepdims=True)

    def infer(self, x: Any) -> Any:
        return Spec(x.shape, x.dtype)


def softmax(x: Any) -> Any:
    """The same in NumPy."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


SOFTMAX = Contract(samples=lambda mk: [mk((3, 4)), mk((2, 3, 5))], reference=softmax)


@plant("F01", "softmax that overflows", contract=SOFTMAX, twin=StableSoftmax)
class NaiveSoftmax(StableSoftmax):
    def compute(self, x: Any) -> Any:
        return self.normalised(x, 0.0)


@plant("F01", "an attribute is ignored")
class Deaf(Good):
    def compute(self, x: Any, w: Any) -> Any:
        return namespace(x, w).tanh(x) * w


@plant("F02", "float64 output", bug="wide_output")
class Wide(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return y.astype(np.float64) if on_numpy(y) else y


class StableSoftplus(Elementwise):
    """``log(1 + exp(x))`` without overflow."""

    def compute(self, x: Any) -> Any:
        xp = namespace(x)
        return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-abs(x)))

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g * ops.Sigmoid(x)


SOFTPLUS = Contract(samples=lambda mk: [mk((3, 4)), mk((2, 3, 5))], reference=lambda x: np.logaddexp(0.0, x))


@plant("F03", "softplus that overflows", contract=SOFTPLUS, twin=StableSoftplus)
class NaiveSoftplus(StableSoftplus):
    def compute(self, x: Any) -> Any:
        xp = namespace(x)
        return xp.log(1.0 + xp.exp(x))


@plant("F03", "half the digits lost on the way")
class Coarse(Good):
    def compute(self, x: Any, w: Any) -> Any:
        if on_numpy(x) and x.dtype == np.float32:
            x = x.astype(np.float16).astype(np.float32)
        return super().compute(x, w)


@plant("F04", "claims float16 and fails on it", contract=GOOD.replace(dtypes=("f2", "f4", "f8")))
class NoHalf(Good):
    def compute(self, x: Any, w: Any) -> Any:
        if on_numpy(x) and x.dtype == np.float16:
            raise TypeError("NoHalf: float16 is not supported")
        return super().compute(x, w)


@plant("F04", "wrong in a dtype that is not claimed", contract=GOOD.replace(dtypes=("f8",)))
class WrongInSingle(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return y * np.float32(1.01) if on_numpy(y) and y.dtype == np.float32 else y


@plant("F05", "inferred with its axes swapped")
class SwappedSpec(Good):
    def infer(self, *specs: Any) -> Any:
        spec = super().infer(*specs)
        return Spec(tuple(reversed(spec.shape)), spec.dtype, spec.number)


@plant("F05", "inferred as float64 always")
class WideSpec(Good):
    def infer(self, *specs: Any) -> Any:
        spec = super().infer(*specs)
        return spec if spec.number else Spec(spec.shape, np.dtype(np.float64))


@plant("F06", "a Python float comes out", bug="python_float")
class PythonFloat(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return float(y) if hasattr(y, "ndim") and y.ndim == 0 else y


@plant("F07", "crashes on size 0", bug="size_0")
class NeedsElements(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        if on_numpy(y) and y.ndim:
            y.reshape(-1)[0]
        return y


@plant("F07", "size 0 loses its shape")
class FlatNothing(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return np.zeros(0, y.dtype) if on_numpy(y) and y.size == 0 else y


@plant("F14", "swallows NaN", bug="nan")
class SwallowsNaN(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return np.nan_to_num(y) if isinstance(y, (np.ndarray, np.generic)) else y


@plant("F14", "swallows NaN, without a reference to say so", contract=Contract(samples=ONE.samples), twin=GoodOne)
class SwallowsNaNAlone(GoodOne):
    def compute(self, x: Any) -> Any:
        y = super().compute(x)
        return np.nan_to_num(y) if isinstance(y, (np.ndarray, np.generic)) else y


@plant("F14", "infinite where it should be finite")
class Explodes(Good):
    def compute(self, x: Any, w: Any) -> Any:
        xp = namespace(x, w)
        return xp.where(x > 1.0, math.inf, super().compute(x, w))


class Strict(Good):
    """Refuses vectors of other lengths in words of its own."""

    def infer(self, *specs: Any) -> Any:
        if specs[0].ndim == 1:
            raise ValueError(f"{type(self).__name__}: x must be a matrix, found {specs[0]}")
        return super().infer(*specs)


STRICT = GOOD.replace(errors=(Error((np.ones(3), np.ones(3)), type=ValueError, match="x must be a matrix"),))


@plant("F15", "bare Exception", contract=STRICT, twin=Strict)
class BareException(Good):
    def infer(self, *specs: Any) -> Any:
        if specs[0].ndim == 1:
            raise Exception("x must be a matrix")
        return super().infer(*specs)


@plant("F15", "takes what it should refuse", contract=STRICT, twin=Strict)
class TakesAnything(Good):
    pass


@plant("F15", "unknown attributes are ignored")
class IgnoresTypos(Good):
    def __new__(cls, *inputs: Any, **keywords: Any) -> Any:
        known = {name: value for name, value in keywords.items() if name != "no_such_attribute"}
        return super().__new__(cls, *inputs, **known)


@plant("F16", "np.exp on the input", contract=ONE, twin=GoodOne)
class NumPyOnly(GoodOne):
    def compute(self, x: Any) -> Any:
        e = np.exp(-2.0 * abs(x))
        return np.sign(x) * (1.0 - e) / (1.0 + e)


@plant("F16", "the result is an array of NumPy whatever came in", contract=ONE, twin=GoodOne)
class BackToNumPy(GoodOne):
    def compute(self, x: Any) -> Any:
        return np.tanh(np.asarray(x))


# ---- samples that could show nothing ---------------------------------------------------------------------------------


@plant(
    "S01",
    "only square samples",
    contract=GOOD.replace(samples=lambda mk: [Sample(mk((3, 3)), mk((3, 3)), a=0.5)]),
    twin_contract=GOOD,
)
class Square(Good):
    pass


@plant(
    "S01",
    "samples at which nothing varies",
    contract=GOOD.replace(samples=lambda mk: [Sample(np.zeros((3, 4)), mk((3, 4)), a=0.5)]),
    twin_contract=GOOD,
)
class Zeros(Good):
    pass


@plant(
    "S01",
    "samples at which one gradient is 0",
    contract=GOOD.replace(samples=lambda mk: [Sample(mk((3, 4)) + 900.0, mk((3, 4)), a=0.5)]),
    twin_contract=GOOD,
)
class Saturated(Good):
    pass


@plant(
    "S01",
    "an attribute that no sample uses",
    contract=GOOD.replace(samples=lambda mk: [(mk((3, 4)), mk((3, 4)))]),
    twin_contract=GOOD,
)
class Unused(Good):
    pass


def own_reference(x: Any, w: Any, a: float = 1.0) -> Any:
    """The op itself, in place of something to compare it with."""
    return Good.make({"a": a}).compute(x, w)


@plant("S01", "a reference that is the op itself", contract=GOOD.replace(reference=own_reference), twin_contract=GOOD)
class OwnReference(Good):
    compute = Good.compute


@plant(
    "S01",
    "a reference of other ops",
    contract=ONE.replace(reference=lambda x: ops.Tanh(x)),
    twin=GoodOne,
    twin_contract=ONE,
)
class ReferenceOfOps(GoodOne):
    pass


@plant("S01", "tolerances so wide that nothing fails", contract=GOOD.replace(tol={"f8": (1.0, 1.0)}), twin_contract=GOOD)
class AnythingGoes(Good):
    pass


@plant("S01", "no dtype claimed, so that none is tried", contract=GOOD.replace(dtypes=()), twin_contract=GOOD)
class NoDtype(Good):
    pass


@plant("S02", "no samples", contract=GOOD.replace(samples=lambda mk: []), twin_contract=GOOD)
class Empty(Good):
    pass


@plant(
    "S02",
    "a claim that no sample tries",
    contract=Contract(samples=lambda mk: [np.asarray(0.5), np.asarray(1.5)], batched=("x",), claims=()),
    twin=GoodOne,
    twin_contract=ONE,
)
class NotABatch(Op):
    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g * (1.0 - y * y)


@plant(
    "S02",
    "a claim whose cases are all of size 0",
    contract=Contract(samples=lambda mk: [np.zeros((0, 3))]),
    twin=GoodOne,
    twin_contract=ONE,
)
class Nothing(GoodOne):
    pass


