"""Reductions over axes. ``axis`` is an int, a tuple or None (all); ``keepdims`` keeps the reduced axes as size 1."""

from ourdl_core import Op, ShapeOnly, Spec, dtype_in, namespace, ops

Axes = int | tuple[int, ...] | None


def normalised(axis: Axes, ndim: int, what: str) -> tuple[int, ...]:
    """The axes as non-negative ints; ValueError for one that is out of range or given twice."""
    axes = tuple(range(ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    for each in axes:
        if not -ndim <= each < ndim:
            raise ValueError(f"{what}: axis {each} is out of range for {ndim} dimensions")
    found = tuple(each % ndim for each in axes)
    if len(set(found)) != len(found):
        raise ValueError(f"{what}: axis {axes} names a dimension twice")
    return found


def reduced(spec: Spec, axis: Axes, keepdims: bool, what: str) -> tuple:
    """The shape of ``spec`` after a reduction."""
    axes = normalised(axis, spec.ndim, what)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(spec.shape))
    return tuple(n for i, n in enumerate(spec.shape) if i not in axes)


def spread(g, like, axis, keepdims):
    """A gradient of a reduced shape, back on the shape of what was reduced."""
    if axis is not None and not keepdims:
        g = ops.Unsqueeze(g, axis=axis)
    return ops.BroadcastLike(g, like)


class Reduction(Op):
    """Base of reductions: ``axis`` (int, tuple or None for all) and ``keepdims``."""

    axis: Axes = None
    keepdims: bool = False

    def infer(self, x):
        shape = reduced(x, self.axis, self.keepdims, type(self).__name__)
        return Spec(shape, x.dtype, x.number)


class Sum(Reduction):
    """The sum over ``axis``, in the dtype of ``x``; 0 over an empty axis."""

    def compute(self, x):
        xp = namespace(x)
        return xp.sum(x, axis=self.axis, keepdims=self.keepdims, dtype=getattr(x, "dtype", None))

    def vjp(self, g, y, x):
        return spread(g, x, self.axis, self.keepdims)


class Mean(Reduction):
    """The mean over ``axis``, ``sum(x) / count``; NaN over an empty axis."""

    def compute(self, x):
        return namespace(x).mean(x, axis=self.axis, keepdims=self.keepdims)

    def vjp(self, g, y, x):
        return spread(g, x, self.axis, self.keepdims) / ops.Count(x, axis=self.axis)


class Count(Op):
    """The number of elements of ``like`` along ``axis``, a scalar of its dtype. Only the shape is used."""

    axis: Axes = None

    def compute(self, like: ShapeOnly):
        count = 1
        for axis in normalised(self.axis, like.ndim, "Count"):
            count *= like.shape[axis]
        if like.number:
            return like.dtype.type(count).item()
        xp = namespace(like)
        return xp.asarray(count, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return Spec((), like.dtype, like.number)


class Max(Reduction):
    """The largest element over ``axis``; NaN if any is. Equal largest elements share the gradient."""

    def compute(self, x):
        return namespace(x).max(x, axis=self.axis, keepdims=self.keepdims)

    def vjp(self, g, y, x):
        chosen = ops.Cast(ops.Equal(x, spread(y, x, self.axis, self.keepdims)), to=x.dtype)
        count = ops.Sum(chosen, axis=self.axis, keepdims=self.keepdims)
        return spread(g / count, x, self.axis, self.keepdims) * chosen


class LogSumExp(Reduction):
    """``log(sum(exp(x)))`` over ``axis``, computed as ``m + log(sum(exp(x - m)))`` with ``m = max(x)``."""

    def compute(self, x):
        xp = namespace(x)
        largest = xp.max(x, axis=self.axis, keepdims=True)
        largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
        total = xp.log(xp.sum(xp.exp(x - largest), axis=self.axis, keepdims=True, dtype=getattr(x, "dtype", None))) + largest
        if self.keepdims or not hasattr(x, "ndim"):
            return total
        return xp.squeeze(total, axis=normalised(self.axis, x.ndim, "LogSumExp"))

    def vjp(self, g, y, x):
        return spread(g, x, self.axis, self.keepdims) * ops.Exp(x - spread(y, x, self.axis, self.keepdims))
