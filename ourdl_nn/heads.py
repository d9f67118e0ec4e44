"""What attention is put together from: heads that serve several queries, and who may look where."""

import numpy as np

from ourdl_core import Op, ShapeOnly, Spec, namespace, ops


class RepeatLike(Op):
    """Each slice of ``x`` along ``axis`` several times in a row, so that there are as many as ``like`` has.

    >>> ops.RepeatLike(np.array([1.0, 2.0]), np.zeros(4), axis=0)
    array([1., 1., 2., 2.])
    """

    view = True  # with nothing to repeat
    axis: int

    def compute(self, x, like: ShapeOnly):
        count = _repeats(self, x, like)
        return x if count == 1 else namespace(x).repeat(x, count, axis=self.axis)

    def vjp(self, g, y, x, like):
        return ops.SumRepeats(g, x, axis=self.axis), None

    def infer(self, x, like):
        _repeats(self, x, like)
        return Spec(_resized(x, self.axis, like.shape[self.axis]), x.dtype)


class SumRepeats(Op):
    """Sums of equally many slices of ``x`` along ``axis``, as many sums as ``like`` has slices: RepeatLike's gradient.

    >>> ops.SumRepeats(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(2), axis=0)
    array([3., 7.])
    """

    view = True  # with nothing to sum
    axis: int

    def compute(self, x, like: ShapeOnly):
        count = _repeats(self, like, x)
        if count == 1:
            return x
        xp, axis = namespace(x), self.axis % x.ndim
        groups = xp.reshape(x, (*x.shape[:axis], like.shape[axis], count, *x.shape[axis + 1 :]))
        return xp.sum(groups, axis=axis + 1, dtype=x.dtype)

    def vjp(self, g, y, x, like):
        return ops.RepeatLike(g, x, axis=self.axis), None

    def infer(self, x, like):
        _repeats(self, like, x)
        return Spec(_resized(x, self.axis, like.shape[self.axis]), x.dtype)


def _repeats(op, few, many):
    """How often each of ``few`` is repeated to make ``many``; None where sizes are not known."""
    what = type(op).__name__
    if few.ndim != many.ndim or not -few.ndim <= op.axis < few.ndim:
        wanted = f"both inputs need as many dimensions, with an axis {op.axis}"
        raise ValueError(f"{what}: {wanted}: found {few.ndim} and {many.ndim}")
    small, large = few.shape[op.axis], many.shape[op.axis]
    if small is None or large is None or small == large:
        return None if None in (small, large) else 1
    if not small or large % small:
        raise ValueError(f"{what}: {small} along axis {op.axis} cannot be repeated to make {large}: it does not divide it")
    return large // small


def _resized(x, axis, size):
    axis %= x.ndim
    return (*x.shape[:axis], size, *x.shape[axis + 1 :])


class CausalMask(Op):
    """A bool matrix [length of queries, length of keys]: whether the key does not come after the query.

    The axis of the lengths is the last but one of both. The last query stands beside the last key: with fewer queries
    than keys, they are the last ones of the sequence. No gradient.

    >>> ops.CausalMask(np.ones((2, 1)), np.ones((3, 1)))
    array([[ True,  True, False],
           [ True,  True,  True]])
    """

    def compute(self, queries: ShapeOnly, keys: ShapeOnly):
        xp, rows, columns = namespace(queries), queries.shape[-2], keys.shape[-2]
        places = xp.expand_dims(xp.arange(rows), axis=-1) + (columns - rows)
        return xp.arange(columns) <= places

    def vjp(self, g, y, queries, keys):
        return None, None

    def infer(self, queries, keys):
        if queries.ndim < 2 or keys.ndim < 2:
            raise ValueError(f"CausalMask: queries and keys are [..., length, features], found {queries} and {keys}")
        return Spec((queries.shape[-2], keys.shape[-2]), np.dtype(bool))
