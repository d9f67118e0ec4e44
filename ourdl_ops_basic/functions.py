"""Elementary functions of each element."""

from ourdl_core import Elementwise, namespace, ops


class Exp(Elementwise):
    """``e ** x``."""

    def compute(self, x):
        return namespace(x).exp(x)

    def vjp(self, g, y, x):
        return g * y


class Expm1(Elementwise):
    """``e ** x - 1``, accurate near 0."""

    def compute(self, x):
        return namespace(x).expm1(x)

    def vjp(self, g, y, x):
        return g * ops.Exp(x)


class Log(Elementwise):
    """The natural logarithm: -inf at 0, NaN below."""

    def compute(self, x):
        return namespace(x).log(x)

    def vjp(self, g, y, x):
        return g / x


class Log1p(Elementwise):
    """``log(1 + x)``, accurate near 0."""

    def compute(self, x):
        return namespace(x).log1p(x)

    def vjp(self, g, y, x):
        return g / (1.0 + x)


class Sqrt(Elementwise):
    """The square root; NaN below 0. The gradient at 0 is inf (NaN where ``g`` is 0)."""

    def compute(self, x):
        return namespace(x).sqrt(x)

    def vjp(self, g, y, x):
        return g * 0.5 / y


class Square(Elementwise):
    """``x * x``."""

    def compute(self, x):
        return x * x

    def vjp(self, g, y, x):
        return g * 2.0 * x


class Reciprocal(Elementwise):
    """``1 / x``; infinite at 0, with the sign of ``x``."""

    def compute(self, x):
        return namespace(x).divide(1.0, x)

    def vjp(self, g, y, x):
        return -g * y * y


class Sin(Elementwise):
    """The sine of ``x`` in radians."""

    def compute(self, x):
        return namespace(x).sin(x)

    def vjp(self, g, y, x):
        return g * ops.Cos(x)


class Cos(Elementwise):
    """The cosine of ``x`` in radians."""

    def compute(self, x):
        return namespace(x).cos(x)

    def vjp(self, g, y, x):
        return -g * ops.Sin(x)


class Tanh(Elementwise):
    """The hyperbolic tangent."""

    def compute(self, x):
        return namespace(x).tanh(x)

    def vjp(self, g, y, x):
        return g * (1.0 - y * y)
