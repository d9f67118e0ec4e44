"""HIPS autograd: a primitive on NumPy with its derivatives in both modes, given to check_grads."""

from importlib.metadata import version

import autograd.numpy as anp
import numpy as np
from autograd import elementwise_grad, make_vjp
from autograd.extend import defjvp, defvjp_argnums, primitive
from autograd.numpy.numpy_vjps import unbroadcast
from autograd.test_util import check_grads
from autograd.tracer import getval

from .bugs import TanhTimes, planted

NAME = f"autograd {version('autograd')}"


class Op(TanhTimes):
    xp = anp

    def fit(self, g, like):
        return unbroadcast(g, anp.metadata(like))

    def stop(self, x):
        return getval(x)

    def wide(self, x):
        """By a product: autograd knows no derivative of astype in forward mode, and that would tell."""
        return x * np.float64(1)


class COrder:
    """Reads the memory of x as it lies; a traced x is left to autograd."""

    def tanh(self, x):
        return np.tanh(x.ravel("K").reshape(x.shape)) if isinstance(x, np.ndarray) else anp.tanh(x)


class WritesX:
    def value(self, x, w):
        return (np.tanh(x, out=x) if isinstance(x, np.ndarray) else np.tanh(x)) * w


class WritesG:
    def gradients(self, g, x, w):
        t = self.tanh(x)
        gw = self.fit(g * t, w)
        g *= w
        return self.fit(g * (1 - t * t), x), gw


class ReturnsInput:
    def value(self, x, w):
        return x if x.shape == w.shape and not x.any() else super().value(x, w)


class SharedBuffer:
    def __init__(self):
        self.kept = {}

    def value(self, x, w):
        y = np.asarray(super().value(x, w))
        buffer = self.kept.setdefault((y.shape, y.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer


OWN = {
    "c_order": COrder,
    "writes_x": WritesX,
    "writes_g": WritesG,
    "returns_input": ReturnsInput,
    "shared_buffer": SharedBuffer,
}


def build(bug):
    body = planted(bug, Op, OWN)
    op = primitive(lambda x, w: body.value(x, w))

    def vjp(argnums, y, args, kwargs):
        def both(g):
            found = body.gradients(g, *args)
            return tuple(found[i] for i in argnums)

        return both

    defvjp_argnums(op, vjp)
    defjvp(op, lambda g, y, x, w: g * w * (1 - anp.tanh(x) ** 2), lambda g, y, x, w: g * anp.tanh(x))
    return op


def array(x):
    return x


numpy = np.asarray


def gradients(f, arrays, g):
    """One argument at a time, as ``grad`` asks: for a tuple of arguments autograd itself casts and sums into zeros."""
    return [make_vjp(f, i)(*arrays)[0](g) for i in range(len(arrays))]


def second(f, x, w, g):
    return elementwise_grad(lambda x: make_vjp(f)(x, w)[0](g))(x)


def check(op, x, w, **settings):
    """Both modes and both orders, as its defaults have it; the directions come from NumPy's global generator."""
    np.random.seed(0)
    if w is x:
        check_grads(lambda a: op(a, a))(x)
    else:
        check_grads(op, **settings)(x, w)


COLUMNS = {
    f"{NAME} check_grads, defaults": check,
    f"{NAME} check_grads, all arguments": lambda op, x, w: check(op, x, w, argnum=(0, 1)),
}
TOGETHER = {}
