"""Comparisons, logic and choice."""

from ourdl_core import Elementwise, namespace, ops


class Comparison(Elementwise):
    """Base of what compares or decides: the result is bool and has no gradient."""

    def vjp(self, g, y, *inputs):
        return (None,) * len(inputs)


class Equal(Comparison):
    """``a == b``.

    >>> ops.Equal(np.array([1.0, 2.0, 3.0]), 2.0)
    array([False,  True, False])
    """

    def compute(self, a, b):
        return a == b


class NotEqual(Comparison):
    """``a != b``.

    >>> ops.NotEqual(np.array([1.0, 2.0, 3.0]), 2.0)
    array([ True, False,  True])
    """

    def compute(self, a, b):
        return a != b


class Greater(Comparison):
    """``a > b``.

    >>> ops.Greater(np.array([1.0, 2.0, 3.0]), 2.0)
    array([False, False,  True])
    """

    def compute(self, a, b):
        return a > b


class GreaterOrEqual(Comparison):
    """``a >= b``.

    >>> ops.GreaterOrEqual(np.array([1.0, 2.0, 3.0]), 2.0)
    array([False,  True,  True])
    """

    def compute(self, a, b):
        return a >= b


class Less(Comparison):
    """``a < b``.

    >>> ops.Less(np.array([1.0, 2.0, 3.0]), 2.0)
    array([ True, False, False])
    """

    def compute(self, a, b):
        return a < b


class LessOrEqual(Comparison):
    """``a <= b``.

    >>> ops.LessOrEqual(np.array([1.0, 2.0, 3.0]), 2.0)
    array([ True,  True, False])
    """

    def compute(self, a, b):
        return a <= b


class IsNaN(Comparison):
    """Whether ``x`` is NaN.

    >>> ops.IsNaN(np.array([1.0, np.nan, np.inf]))
    array([False,  True, False])
    """

    def compute(self, x):
        return namespace(x).isnan(x)


class Logic(Comparison):
    """Base of logic on bools; other dtypes are refused."""

    def infer(self, *specs):
        for spec in specs:
            if spec.dtype.kind != "b":
                what = type(self).__name__
                raise TypeError(f"{what} takes bools, found {spec}: compare first, as ops.NotEqual(x, 0)")
        return super().infer(*specs)


class And(Logic):
    """Whether both ``a`` and ``b`` hold.

    >>> ops.And(np.array([True, True, False]), np.array([True, False, False]))
    array([ True, False, False])
    """

    def compute(self, a, b):
        return namespace(a, b).logical_and(a, b)


class Or(Logic):
    """Whether ``a`` or ``b`` holds, or both.

    >>> ops.Or(np.array([True, True, False]), np.array([True, False, False]))
    array([ True,  True, False])
    """

    def compute(self, a, b):
        return namespace(a, b).logical_or(a, b)


class Xor(Logic):
    """Whether exactly one of ``a`` and ``b`` holds.

    >>> ops.Xor(np.array([True, True, False]), np.array([True, False, False]))
    array([False,  True, False])
    """

    def compute(self, a, b):
        return namespace(a, b).logical_xor(a, b)


class Not(Logic):
    """Whether ``x`` does not hold.

    >>> ops.Not(np.array([True, False]))
    array([False,  True])
    """

    def compute(self, x):
        return namespace(x).logical_not(x)


class Where(Elementwise):
    """``a`` where ``condition`` holds, else ``b``. At most one of ``a`` and ``b`` may be a bare number beside arrays.

    The gradient of the one that is not chosen is 0, whatever the upstream gradient is.

    >>> ops.Where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """

    def compute(self, condition, a, b):
        xp = namespace(condition, a, b)
        bare = not hasattr(a, "ndim") and not hasattr(b, "ndim")
        if hasattr(condition, "ndim"):
            if bare:
                raise TypeError(
                    "Where: a and b are both bare numbers, which have no dtype: write one as ops.OnesLike(x), "
                    "or ops.Cast(condition, to=x.dtype)"
                )
            return xp.where(condition, a, b)
        if bare:
            chosen = a if condition else b
            return float(chosen) if float in (type(a), type(b)) else chosen
        return xp.where(xp.asarray(condition), a, b)

    def vjp(self, g, y, condition, a, b):
        zero = ops.ZerosLike(g)
        return None, ops.Where(condition, g, zero), ops.Where(condition, zero, g)


class Maximum(Elementwise):
    """The larger of ``a`` and ``b``; NaN if either is. Where they are equal, each has half of the gradient.

    ONNX's ``Max`` of two inputs (Max is a reduction here).

    >>> ops.Maximum(np.array([-1.0, 2.0]), 0.5)
    array([0.5, 2. ])
    """

    def compute(self, a, b):
        return namespace(a, b).maximum(a, b)

    def vjp(self, g, y, a, b):
        return _where_larger(g, a, b), _where_larger(g, b, a)


class Minimum(Elementwise):
    """The smaller of ``a`` and ``b``; NaN if either is. Where they are equal, each has half of the gradient.

    ONNX's ``Min`` of two inputs (Min is a reduction here).

    >>> ops.Minimum(np.array([-1.0, 2.0]), 0.5)
    array([-1. ,  0.5])
    """

    def compute(self, a, b):
        return namespace(a, b).minimum(a, b)

    def vjp(self, g, y, a, b):
        return _where_larger(g, b, a), _where_larger(g, a, b)


def _where_larger(g, a, b):
    """``g`` where ``a > b``, half of it where they are equal, else 0."""
    return ops.Where(ops.Greater(a, b), g, ops.Where(ops.Equal(a, b), g * 0.5, ops.ZerosLike(g)))


class Clip(Elementwise):
    """``min(max(x, low), high)``: ``x`` within the bounds, each of which may be absent; all ``high`` where low > high.

    The gradient passes to ``x`` inside and at the bounds, to the bound outside. (ONNX calls the inputs min and max.)

    >>> ops.Clip(np.array([-3.0, 0.5, 3.0]), -1.0, 1.0)
    array([-1. ,  0.5,  1. ])
    """

    view = True  # with no bound

    def compute(self, x, low=None, high=None):
        xp = namespace(x, low, high)
        y = x if low is None else xp.maximum(x, low)
        return y if high is None else xp.minimum(y, high)

    def vjp(self, g, y, x, low, high):
        zero = ops.ZerosLike(g)
        of_high = of_low = None
        if high is not None:
            above = ops.Greater(x if low is None else ops.Maximum(x, low), high)
            of_high, g = ops.Where(above, g, zero), ops.Where(above, zero, g)
        if low is not None:
            below = ops.Less(x, low)
            of_low, g = ops.Where(below, g, zero), ops.Where(below, zero, g)
        return g, of_low, of_high
