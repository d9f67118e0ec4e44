"""Arithmetic on each element."""

from ourdl_core import Elementwise, namespace, ops


class Add(Elementwise):
    """``x1 + x2 + ... + xn``, of any number of inputs (0 of none)."""

    view = True  # of a single input

    def compute(self, *xs):
        if not xs:
            return 0.0
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total

    def vjp(self, g, y, *xs):
        return (g,) * len(xs)


class Sub(Elementwise):
    """``a - b``."""

    def compute(self, a, b):
        return a - b

    def vjp(self, g, y, a, b):
        return g, -g


class Mul(Elementwise):
    """``a * b``."""

    def compute(self, a, b):
        return a * b

    def vjp(self, g, y, a, b):
        return g * b, g * a


class Div(Elementwise):
    """``a / b``; ``x / 0`` is infinite with the sign of ``x``, ``0 / 0`` is NaN.

    Of floating numbers; unlike ONNX's, of integers too only where the array library divides them (as true division).
    """

    def compute(self, a, b):
        return namespace(a, b).divide(a, b)

    def vjp(self, g, y, a, b):
        return g / b, -g * y / b


class Neg(Elementwise):
    """``-x``."""

    def compute(self, x):
        return -x

    def vjp(self, g, y, x):
        return -g


class Pow(Elementwise):
    """``a ** b``; NaN for a negative ``a`` and a fractional ``b``, and ``0 ** 0`` is 1.

    The gradient of ``a`` is ``b * a ** (b - 1)``, and 0 where ``b`` is 0 (also at ``a = 0``). The gradient of ``b`` is
    ``y * log(a)``, 0 at ``a = 0`` for ``b >= 0``, and NaN for a negative ``a``.
    """

    def compute(self, a, b):
        if hasattr(a, "ndim") or hasattr(b, "ndim"):
            return a**b  # quicker in NumPy than pow(a, b) where b is 2
        return namespace(a, b).pow(a, b)

    def vjp(self, g, y, a, b):
        reduced = ops.Where(ops.Equal(b, 0), ops.OnesLike(b), b - 1)
        base = ops.Where(ops.Equal(a, 0), ops.OnesLike(a), a)
        return g * b * a**reduced, g * y * ops.Log(base)


class Abs(Elementwise):
    """``|x|``; the gradient at 0 is 0."""

    def compute(self, x):
        return abs(x)

    def vjp(self, g, y, x):
        return g * ops.Sign(x)


class Sign(Elementwise):
    """-1, 0 or 1; NaN where ``x`` is NaN. The gradient is 0 everywhere."""

    def compute(self, x):
        return namespace(x).sign(x)

    def vjp(self, g, y, x):
        return None
