"""The op without a framework, and the bugs that can be said in the same words for all of them."""

import math

import numpy as np


class TanhTimes:
    """tanh(x) * w; a peer says what its array namespace is, how it un-broadcasts and how it stops a gradient."""

    xp = np

    def tanh(self, x):
        return self.xp.tanh(x)

    def value(self, x, w):
        return self.tanh(x) * w

    def gradients(self, g, x, w):
        t = self.tanh(x)
        return self.fit(g * w * (1 - t * t), x), self.fit(g * t, w)


class Scaled:
    def gradients(self, g, x, w):
        gx, gw = super().gradients(g, x, w)
        return gx * 1.0005, gw * 1.0005


class MissingW:
    def gradients(self, g, x, w):
        return super().gradients(g, x, w)[0], self.xp.zeros_like(w)


class Swapped:
    """Shapes stay right: only the numbers tell."""

    def gradients(self, g, x, w):
        t = self.tanh(x)
        return self.fit(g * t, x), self.fit(g * w * (1 - t * t), w)


class WideGradient:
    def gradients(self, g, x, w):
        gx, gw = super().gradients(g, x, w)
        return self.wide(gx), self.wide(gw)


class WideOutput:
    def value(self, x, w):
        return self.wide(super().value(x, w))


class Size0:
    def value(self, x, w):
        if 0 in x.shape:
            raise IndexError("index 0 is out of bounds for axis 0 with size 0")
        return super().value(x, w)


class SwallowsNaN:
    def value(self, x, w):
        return self.xp.nan_to_num(super().value(x, w))


class Tails:
    def gradients(self, g, x, w):
        gx, gw = super().gradients(g, x, w)
        return self.xp.where(abs(x) > 3, 0 * gx, gx), gw


class IgnoresG:
    def gradients(self, g, x, w):
        return super().gradients(self.xp.ones_like(g), x, w)


class Noise:
    """The generator belongs to the op: two calls give two answers."""

    def __init__(self):
        self.generator = np.random.default_rng(0)

    def value(self, x, w):
        y = super().value(x, w)
        return y + self.xp.asarray(1e-9 * self.generator.standard_normal(tuple(y.shape)), dtype=y.dtype)


class Cached:
    def __init__(self):
        self.kept = {}

    def value(self, x, w):
        return self.kept.setdefault((tuple(x.shape), x.dtype), self.tanh(x)) * w


class Accumulator:
    """Each gradient of x adds to the last one, as long as the shape stays the same."""

    total = None

    def gradients(self, g, x, w):
        gx, gw = super().gradients(g, x, w)
        fresh = self.total is None or self.total.shape != gx.shape
        self.total = gx if fresh else self.total + gx
        return self.total, gw


class NoUnbroadcast:
    def fit(self, g, like):
        return g


class Second:
    """The gradient is right, but its own derivative takes tanh(x) for a constant."""

    def gradients(self, g, x, w):
        t = self.stop(self.tanh(x))
        return self.fit(g * w * (1 - t * t), x), self.fit(g * self.tanh(x), w)


class Identity:
    def gradients(self, g, x, w):
        gx, gw = super().gradients(g, x, w)
        return tuple(gx if parent is x else gw for parent in (x, w))


class PythonFloat:
    def value(self, x, w):
        y = super().value(x, w)
        return float(y.reshape(())) if math.prod(y.shape) == 1 else y


SHARED = {
    "scaled": Scaled,
    "missing_w": MissingW,
    "swapped": Swapped,
    "wide_gradient": WideGradient,
    "wide_output": WideOutput,
    "size_0": Size0,
    "nan": SwallowsNaN,
    "tails": Tails,
    "ignores_g": IgnoresG,
    "noise": Noise,
    "cached": Cached,
    "accumulator": Accumulator,
    "no_unbroadcast": NoUnbroadcast,
    "second": Second,
    "identity": Identity,
    "python_float": PythonFloat,
}


def planted(bug, correct, own):
    """A fresh op of the class ``correct`` with one bug in it; ``own`` are the bugs that this peer words itself."""
    return type(bug, ((SHARED | own)[bug], correct), {})() if bug else correct()
