"""Elementary functions of each element."""

from ourdl_core import DType, Elementwise, Op, Spec, dtype_in, namespace, ops


class Exp(Elementwise):
    """``e ** x``."""

    def compute(self, x):
        return namespace(x).exp(x)

    def vjp(self, g, y, x):
        return g * y


class Log(Elementwise):
    """The natural logarithm: -inf at 0, NaN below."""

    def compute(self, x):
        return namespace(x).log(x)

    def vjp(self, g, y, x):
        return g / x


class Sqrt(Elementwise):
    """The square root; NaN below 0."""

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


class Identity(Op):
    """``x`` itself."""

    view = True

    def compute(self, x):
        return x

    def vjp(self, g, y, x):
        return g

    def infer(self, x):
        return x


class Cast(Op):
    """``x`` with another dtype. The gradient passes between floating dtypes."""

    to: DType

    def compute(self, x):
        xp = namespace(x)
        return xp.astype(x, dtype_in(xp, self.to))

    def vjp(self, g, y, x):
        return ops.Cast(g, to=x.dtype)

    def infer(self, x):
        import numpy as np

        return Spec(x.shape, np.dtype(self.to), x.number)
