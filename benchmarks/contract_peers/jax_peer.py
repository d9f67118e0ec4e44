"""JAX: a ``custom_vjp`` on jax.numpy, given to check_grads; what needs memory of its own is NumPy in a ``pure_callback``."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from .bugs import TanhTimes, planted

NAME = f"JAX {jax.__version__}"


class Op(TanhTimes):
    xp = jnp

    def fit(self, g, like):
        g = g.sum(tuple(range(g.ndim - like.ndim)))
        return g.sum(tuple(i for i, n in enumerate(like.shape) if n == 1), keepdims=True)

    def stop(self, x):
        return jax.lax.stop_gradient(x)

    def wide(self, x):
        return x.astype(jnp.float64)


class OnHost:
    """The value by a NumPy function, which gets the arrays that JAX hands out."""

    def value(self, x, w):
        shape = jax.ShapeDtypeStruct(jnp.broadcast_shapes(x.shape, w.shape), jnp.result_type(x, w))
        return jax.pure_callback(self.on_host, shape, x, w)


class COrder(OnHost):
    def on_host(self, x, w):
        x, w = np.asarray(x), np.asarray(w)
        return np.tanh(x.ravel("K")).reshape(x.shape) * w


class WritesX(OnHost):
    def on_host(self, x, w):
        x = np.asarray(x)
        return np.tanh(x, out=x) * np.asarray(w)


class WritesG:
    def gradients(self, g, x, w):
        found = super().gradients(g, x, w)
        g[...] = 0
        return found


class ReturnsInput(OnHost):
    def on_host(self, x, w):
        return x if x.shape == w.shape and not np.any(x) else np.tanh(x) * w


class SharedBuffer(OnHost):
    def __init__(self):
        self.kept = {}

    def on_host(self, x, w):
        y = np.asarray(np.tanh(x) * np.asarray(w))
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
    op = jax.custom_vjp(body.value)
    op.defvjp(lambda x, w: (op(x, w), (x, w)), lambda saved, g: body.gradients(g, *saved))
    return op


array = jnp.asarray
numpy = np.asarray


def gradients(f, arrays, g):
    return jax.vjp(f, *arrays)[1](g)


def second(f, x, w, g):
    return jax.grad(lambda x: jax.vjp(f, x, w)[1](g)[0].sum())(x)


def check(op, x, w, *, x64, **settings):
    """Reverse mode, both orders: a ``custom_vjp`` has no forward mode."""
    if w is x:
        check_grads(lambda a: op(a, a), (array(x),), order=2, modes=["rev"], **settings)
    else:
        check_grads(op, (array(x), array(w)), order=2, modes=["rev"], **settings)


FLOAT32 = {"eps": 2e-3, "atol": 1e-4, "rtol": 1e-4}  # the finest that the correct op passes
FLOAT64 = {"eps": 1e-5, "atol": 1e-8, "rtol": 1e-8}


def strict(op, x, w, *, x64):
    check(op, x, w, x64=x64, **(FLOAT64 if x64 and x.dtype == "f8" else FLOAT32))


COLUMNS = {
    f"{NAME} check_grads, x64, defaults": partial(check, x64=True),
    f"{NAME} check_grads, x64, strict": partial(strict, x64=True),
    f"{NAME} check_grads, f32, defaults": partial(check, x64=False),
    f"{NAME} check_grads, f32, strict": partial(strict, x64=False),
}
TOGETHER = {}


def begin(check):
    jax.config.update("jax_enable_x64", check.keywords["x64"])
