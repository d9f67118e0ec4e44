"""The error function and its complement."""

import math

from ourdl_core import Elementwise, namespace, ops

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), pages 631 to 637; the
# coefficients are those of his CALERF (Netlib specfun), highest power first. In turn: erf(x) / x in x ** 2 for
# x <= 0.46875; erfc(x) * exp(x ** 2) in x up to 4; and beyond, in 1 / x ** 2.
_SMALL = (
    (
        1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


def _polynomial(coefficients, x):
    value = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        value = value * x + c
    return value


def _ratio(pair, x):
    return _polynomial(pair[0], x) / _polynomial(pair[1], x)


def _erf_near_0(xp, x, square):
    """``erf(x)`` where ``abs(x) <= 0.46875``."""
    return x * _ratio(_SMALL, xp.minimum(square, 0.25))


def _scaled_erfc(xp, size, square):
    """``erfc(size) * exp(square)`` where ``size >= 0.46875``."""
    middle = _ratio(_MIDDLE, size)
    inverse = 1.0 / xp.maximum(square, 16.0)
    large = (1 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)) / xp.maximum(size, 4.0)
    return xp.where(size <= 4.0, middle, large)


def _exp_of_minus_square(xp, size, square):
    """``exp(-size ** 2)`` for sizes to 28, without the error that ``exp`` makes of the rounding of ``square``.

    The square of ``near`` is exact, so ``lost`` is what the rounding took away; ``exp(-lost)`` is ``1 - lost``.
    """
    near = xp.round(size * 64.0) * 0.015625
    lost = (near * near - square) + (size - near) * (size + near)
    return xp.exp(-square) * (1.0 - lost)


class Erf(Elementwise):
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t ** 2)`` from 0 to ``x``.

    By the rational approximations of W. J. Cody (1969), to full double precision.

    >>> ops.Erf(np.array([0.0, -10.0, 10.0]))
    array([ 0., -1.,  1.])
    """

    def compute(self, x):
        if not hasattr(x, "dtype"):
            return math.erf(x)
        xp = namespace(x)
        size = xp.minimum(abs(x), 6.0)  # beyond 6 it is 1 in double precision
        square = size * size
        rest = xp.exp(-square) * _scaled_erfc(xp, size, square)
        return xp.where(size <= 0.46875, _erf_near_0(xp, x, square), xp.sign(x) * (1.0 - rest))

    def vjp(self, g, y, x):
        return g * (2 / math.sqrt(math.pi)) * ops.Exp(-x * x)


class Erfc(Elementwise):
    """``1 - erf(x)`` without cancellation: the right tail is as accurate as the rest, until it underflows.

    By the rational approximations of W. J. Cody (1969), to full double precision.

    >>> ops.Erfc(np.array([-10.0, 0.0, 10.0]))
    array([2.00000000e+00, 1.00000000e+00, 2.08848758e-45])
    """

    def compute(self, x):
        if not hasattr(x, "dtype"):
            return math.erfc(x)
        xp = namespace(x)
        size = xp.minimum(abs(x), 28.0)  # beyond 28 it is 0 or 2 in double precision
        square = size * size
        rest = _exp_of_minus_square(xp, size, square) * _scaled_erfc(xp, size, square)
        return xp.where(size <= 0.46875, 1.0 - _erf_near_0(xp, x, square), xp.where(x < 0.0, 2.0 - rest, rest))

    def vjp(self, g, y, x):
        return g * (-2 / math.sqrt(math.pi)) * ops.Exp(-x * x)
