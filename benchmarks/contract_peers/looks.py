"""Does a planted bug show in plain use, without the checker? A bug that never shows must not count as missed.

``peer`` is the module of one framework: ``array`` (from NumPy, sharing memory where it can), ``numpy`` (back),
``gradients(f, arrays, g)`` and ``second(f, x, w, g)``.
"""

import numpy as np

from .samples import make


def unbroadcast(d, like):
    d = d.sum(tuple(range(d.ndim - like.ndim)))
    return d.sum(tuple(i for i, n in enumerate(like.shape) if n == 1), keepdims=True) if like.ndim else d


def off(found, wanted):
    return found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-4, atol=1e-7, equal_nan=True)


def value_off(peer, f, name):
    x, w = make(name)
    return off(peer.numpy(f(peer.array(x), peer.array(w))), np.tanh(x) * w)


def upstream(x, w):
    return np.asarray(np.random.default_rng(99).uniform(0.5, 1.5, np.broadcast_shapes(x.shape, w.shape)), x.dtype)


def gradient_off(peer, f, name="plain", times=1):
    x, w = make(name)
    g = upstream(x, w)
    t = np.tanh(x)
    wanted = unbroadcast(g * w * (1 - t * t), x), unbroadcast(g * t, w)
    arrays, function = (peer.array(x), peer.array(w)), f
    if w is x:
        wanted, arrays, function = (sum(wanted),), arrays[:1], lambda a: f(a, a)
    for _ in range(times):
        found = peer.gradients(function, arrays, peer.array(g))
    return any(off(peer.numpy(d), v) for d, v in zip(found, wanted, strict=True))


def second_off(peer, f):
    x, w = make("plain")
    g = upstream(x, w)
    t = np.tanh(x)
    return off(peer.numpy(peer.second(f, peer.array(x), peer.array(w), peer.array(g))), -2 * g * w * t * (1 - t * t))


def wide_output(peer, f):
    x, w = make("float32")
    return peer.numpy(f(peer.array(x), peer.array(w))).dtype != x.dtype


def wide_gradient(peer, f):
    x, w = make("float32")
    return any(peer.numpy(d).dtype != x.dtype for d in peer.gradients(f, (peer.array(x), peer.array(w)), peer.array(w)))


def size_0(peer, f):
    try:
        return value_off(peer, f, "size 0")
    except IndexError:
        return True


def writes_x(peer, f):
    x, w = (peer.array(a) for a in make("plain"))
    before = peer.numpy(x).copy()
    f(x, w)
    return off(peer.numpy(x), before)


def writes_g(peer, f):
    x, w = make("plain")
    g = peer.array(upstream(x, w))
    before = peer.numpy(g).copy()
    peer.gradients(f, (peer.array(x), peer.array(w)), g)
    return off(peer.numpy(g), before)


def returns_input(peer, f):
    """Write on the result and look at x."""
    x, w = (peer.array(a) for a in make("zeros"))
    peer.numpy(f(x, w))[...] = 7
    return bool(peer.numpy(x).any())


def shared_buffer(peer, f):
    x, w = (peer.array(a) for a in make("plain"))
    y = f(x, w)
    before = peer.numpy(y).copy()
    f(w, x)
    return off(peer.numpy(y), before)


def noise(peer, f):
    """Near zero, where even float32 has digits for it."""
    x, w = (peer.array(a * np.asarray(1e-4, a.dtype)) for a in make("plain"))
    return not np.array_equal(peer.numpy(f(x, w)), peer.numpy(f(x, w)))


def cached(peer, f):
    return value_off(peer, f, "plain") or value_off(peer, f, "the same shape again")


def python_float(peer, f):
    x, w = (peer.array(a) for a in make("0-d"))
    return type(f(x, w)) is float


NO_EFFECT = "no effect in plain use"
LOOKS = {
    "wide_gradient": wide_gradient,
    "wide_output": wide_output,
    "c_order": lambda peer, f: value_off(peer, f, "Fortran order"),
    "size_0": size_0,
    "nan": lambda peer, f: value_off(peer, f, "NaN"),
    "tails": lambda peer, f: gradient_off(peer, f, "beyond 3"),
    "writes_x": writes_x,
    "writes_g": writes_g,
    "returns_input": returns_input,
    "shared_buffer": shared_buffer,
    "noise": noise,
    "cached": cached,
    "accumulator": lambda peer, f: gradient_off(peer, f, times=2),
    "no_unbroadcast": lambda peer, f: gradient_off(peer, f, "both broadcast"),
    "second": second_off,
    "identity": lambda peer, f: gradient_off(peer, f, "one array twice"),
    "python_float": python_float,
}


def shows(bug, peer, f):
    """Whether the bug shows, and what the framework said where it refused."""
    try:
        return bool(LOOKS.get(bug, gradient_off)(peer, f)), NO_EFFECT
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"
