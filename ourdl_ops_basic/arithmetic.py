"""Arithmetic on each element."""

from ourdl_core import Elementwise, namespace, ops


class Add(Elementwise):
    """``x1 + x2 + ... + xn``, of any number of inputs (0 of none)."""

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
    """``a / b``; ``x / 0`` is infinite with the sign of ``x``, ``0 / 0`` is NaN."""

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
