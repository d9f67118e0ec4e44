"""Elementary functions of each element."""

from ourdl_core import Elementwise, namespace, ops


class Exp(Elementwise):
    """``e ** x``.

    >>> ops.Exp(np.array([0.0, -np.inf, np.inf]))
    array([ 1.,  0., inf])
    """

    def compute(self, x):
        return namespace(x).exp(x)

    def vjp(self, g, y, x):
        return g * y

    def logarithm(self, x):
        return x


class Expm1(Elementwise):
    """``e ** x - 1``, accurate near 0.

    >>> ops.Expm1(np.array([0.0, 1e-20, -np.inf]))
    array([ 0.e+00,  1.e-20, -1.e+00])
    """

    def compute(self, x):
        return namespace(x).expm1(x)

    def vjp(self, g, y, x):
        return g * ops.Exp(x)


class Log(Elementwise):
    """The natural logarithm: -inf at 0, NaN below.

    >>> ops.Log(np.array([1.0, 0.0, -1.0]))
    array([  0., -inf,  nan])
    """

    def compute(self, x):
        return namespace(x).log(x)

    def vjp(self, g, y, x):
        return g / x

    def simplified(self, x):
        """Of an op that knows its own logarithm, that: exact where the op's value would be rounded to 0 or to inf."""
        logarithm = getattr(type(x.op), "logarithm", None)
        return None if logarithm is None else logarithm(x.op, *x.parents)


class Log1p(Elementwise):
    """``log(1 + x)``, accurate near 0.

    >>> ops.Log1p(np.array([0.0, 1e-20, -1.0]))
    array([0.e+00, 1.e-20,   -inf])
    """

    def compute(self, x):
        return namespace(x).log1p(x)

    def vjp(self, g, y, x):
        return g / (1.0 + x)


class Sqrt(Elementwise):
    """The square root; NaN below 0. The gradient at 0 is inf (NaN where ``g`` is 0).

    >>> ops.Sqrt(np.array([9.0, 0.25, -1.0]))
    array([3. , 0.5, nan])
    """

    def compute(self, x):
        return namespace(x).sqrt(x)

    def vjp(self, g, y, x):
        return g * 0.5 / y


class Square(Elementwise):
    """``x * x``.

    >>> ops.Square(np.array([-3.0, 0.5]))
    array([9.  , 0.25])
    """

    def compute(self, x):
        return x * x

    def vjp(self, g, y, x):
        return g * 2.0 * x


class Reciprocal(Elementwise):
    """``1 / x``; infinite at 0, with the sign of ``x``.

    >>> ops.Reciprocal(np.array([4.0, -0.5, 0.0]))
    array([ 0.25, -2.  ,   inf])
    """

    def compute(self, x):
        return namespace(x).divide(1.0, x)

    def vjp(self, g, y, x):
        return -g * y * y


class Sin(Elementwise):
    """The sine of ``x`` in radians.

    >>> ops.Sin(np.array([0.0, np.pi / 2]))
    array([0., 1.])
    """

    def compute(self, x):
        return namespace(x).sin(x)

    def vjp(self, g, y, x):
        return g * ops.Cos(x)


class Cos(Elementwise):
    """The cosine of ``x`` in radians.

    >>> ops.Cos(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """

    def compute(self, x):
        return namespace(x).cos(x)

    def vjp(self, g, y, x):
        return -g * ops.Sin(x)


class Tanh(Elementwise):
    """The hyperbolic tangent.

    >>> ops.Tanh(np.array([0.0, -50.0, 50.0]))
    array([ 0., -1.,  1.])
    """

    def compute(self, x):
        return namespace(x).tanh(x)

    def vjp(self, g, y, x):
        return g * (1.0 - y * y)
