"""Arithmetic on each element."""

import math

from ourdl_core import Elementwise, Node, Variable, namespace, ops


class Add(Elementwise):
    """``x1 + x2 + ... + xn``, of any number of inputs (0 of none).

    >>> ops.Add(np.array([1.0, 2.0]), np.array([10.0, 20.0]), 0.5)
    array([11.5, 22.5])
    """

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
    """``a - b``.

    >>> ops.Sub(np.array([1.0, 2.0]), np.array([0.5, 5.0]))
    array([ 0.5, -3. ])
    """

    def compute(self, a, b):
        return a - b

    def vjp(self, g, y, a, b):
        return g, -g

    def simplified(self, a, b):
        return a if _changes_nothing(b, 0, a) else None


class Mul(Elementwise):
    """``a * b``.

    >>> ops.Mul(np.array([1.0, 2.0]), np.array([0.5, 5.0]))
    array([ 0.5, 10. ])
    """

    def compute(self, a, b):
        return a * b

    def vjp(self, g, y, a, b):
        return g * b, g * a

    def simplified(self, a, b):
        return a if _changes_nothing(b, 1, a) else b if _changes_nothing(a, 1, b) else None


class Div(Elementwise):
    """``a / b``; ``x / 0`` is infinite with the sign of ``x``, ``0 / 0`` is NaN.

    Of floating numbers; unlike ONNX's, of integers too only where the array library divides them (as true division).

    >>> ops.Div(np.array([1.0, -1.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    array([0.25, -inf,  nan])
    """

    def compute(self, a, b):
        return namespace(a, b).divide(a, b)

    def vjp(self, g, y, a, b):
        return g / b, -g * y / b

    def simplified(self, a, b):
        return a if _changes_nothing(b, 1, a) else None


class Neg(Elementwise):
    """``-x``.

    >>> ops.Neg(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """

    def compute(self, x):
        return -x

    def vjp(self, g, y, x):
        return -g

    def simplified(self, x):
        return x.parents[0] if type(x.op) is Neg else None


class Pow(Elementwise):
    """``a ** b``; NaN for a negative ``a`` and a fractional ``b``, and ``0 ** 0`` is 1.

    The gradient of ``a`` is ``b * a ** (b - 1)``, and 0 where ``b`` is 0 (also at ``a = 0``). The gradient of ``b`` is
    ``y * log(a)``, 0 at ``a = 0`` for ``b >= 0``, and NaN for a negative ``a``.

    >>> ops.Pow(np.array([3.0, 0.0, -2.0]), np.array([2.0, 0.0, 0.5]))
    array([ 9.,  1., nan])
    """

    def compute(self, a, b):
        if hasattr(a, "ndim") or hasattr(b, "ndim"):
            return a**b  # quicker in NumPy than pow(a, b) where b is 2
        return namespace(a, b).pow(a, b)

    def vjp(self, g, y, a, b):
        at_zero = ops.Equal(a, 0)
        # 0 * 0 ** -1 would be NaN. A number in the graph is known not to be 0, and x ** 2 need not look for it.
        known = _known_nonzero(a) or _known_nonzero(b)
        base = a if known else ops.Where(ops.And(at_zero, ops.Equal(b, 0)), ops.OnesLike(y), a)
        return g * b * base ** (b - 1), g * y * ops.Log(ops.Where(at_zero, ops.OnesLike(a), a))


def _number_of(x):
    """The number that a node is, where it is one that is written into the graph; else None."""
    if x.op is not None or x.parents or isinstance(x, Variable) or not x.spec.number:
        return None
    return x.value


def _changes_nothing(number, neutral, x):
    """Whether ``number`` is written into the graph as ``neutral``, and does not widen ``x``, which is floating."""
    value = _number_of(number)
    if value is None or value != neutral or math.copysign(1, value) < 0:
        return False
    return _number_of(x) is None and x.spec.dtype.kind == "f"


def _known_nonzero(x):
    """Whether ``x`` is a number other than 0 that is written into the graph, or a bare one."""
    if isinstance(x, Node):
        return _number_of(x) not in (None, 0)
    return not hasattr(x, "ndim") and x != 0


class Abs(Elementwise):
    """``|x|``; the gradient at 0 is 0.

    >>> ops.Abs(np.array([-1.5, 2.0]))
    array([1.5, 2. ])
    """

    def compute(self, x):
        return abs(x)

    def vjp(self, g, y, x):
        return g * ops.Sign(x)


class Sign(Elementwise):
    """-1, 0 or 1; NaN where ``x`` is NaN. The gradient is 0 everywhere.

    >>> ops.Sign(np.array([-1.5, 0.0, 2.0]))
    array([-1.,  0.,  1.])
    """

    def compute(self, x):
        return namespace(x).sign(x)

    def vjp(self, g, y, x):
        return None
