"""Comparisons, logic and choice."""

from ourdl_core import Elementwise, namespace, ops


class Comparison(Elementwise):
    """Base of what compares or decides: the result is bool and has no gradient."""

    def vjp(self, g, y, *inputs):
        return (None,) * len(inputs)


class Equal(Comparison):
    """``a == b``."""

    def compute(self, a, b):
        return a == b


class Greater(Comparison):
    """``a > b``."""

    def compute(self, a, b):
        return a > b


class GreaterOrEqual(Comparison):
    """``a >= b``."""

    def compute(self, a, b):
        return a >= b


class Less(Comparison):
    """``a < b``."""

    def compute(self, a, b):
        return a < b


class LessOrEqual(Comparison):
    """``a <= b``."""

    def compute(self, a, b):
        return a <= b


class Where(Elementwise):
    """``a`` where ``condition`` holds, else ``b``. At most one of ``a`` and ``b`` may be a bare number beside arrays."""

    def compute(self, condition, a, b):
        xp = namespace(condition, a, b)
        if hasattr(condition, "ndim") and not hasattr(a, "ndim") and not hasattr(b, "ndim"):
            raise TypeError(
                "Where: a and b are both bare numbers, which have no dtype: write one as ops.OnesLike(x), "
                "or ops.Cast(condition, to=x.dtype)"
            )
        if not hasattr(condition, "ndim"):
            return a if condition else b
        return xp.where(condition, a, b)

    def vjp(self, g, y, condition, a, b):
        zero = ops.ZerosLike(g)
        return None, ops.Where(condition, g, zero), ops.Where(condition, zero, g)
