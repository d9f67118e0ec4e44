"""Reductions over axes. ``axis`` is an int, a tuple or None (all); ``keepdims`` keeps the reduced axes as size 1."""

import math
from typing import Annotated

import numpy as np

from ourdl_core import Composite, Op, Range, ShapeOnly, Spec, dtype_in, namespace, ops
from ourdl_ops_basic.axes import Axes, normalised


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
        shape = _reduced(x, self.axis, self.keepdims, type(self).__name__)
        return Spec(shape, x.dtype, x.number)


def _reduced(spec, axis, keepdims, what):
    """The shape of ``spec`` after a reduction."""
    axes = normalised(axis, spec.ndim, what)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(spec.shape))
    return tuple(n for i, n in enumerate(spec.shape) if i not in axes)


def _countable(xp, x):
    """``x``, as integers where it is of bools."""
    if getattr(x, "dtype", None) != xp.bool:
        return x
    return xp.astype(x, xp.__array_namespace_info__().default_dtypes()["integral"])


def _of_counts(spec):
    """The spec of a result that counts where ``spec`` is of bools."""
    return Spec(spec.shape, np.dtype(np.int64), spec.number) if spec.dtype.kind == "b" else spec


def _refuse_integers(spec, what):
    if not spec.floating:
        raise TypeError(f"{what} is of floating numbers, found {spec}: cast first, as ops.Cast(x, to='float32')")


def _refuse_nothing(spec, axis, what):
    if any(spec.shape[i] == 0 for i in normalised(axis, spec.ndim, what)):
        raise ValueError(f"{what} over an axis of size 0 has no value: found {spec}, axis={axis}")


class Sum(Reduction):
    """The sum over ``axis``, in the dtype of ``x`` (of bools: their number); 0 over an empty axis.

    >>> ops.Sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """

    def compute(self, x):
        xp = namespace(x)
        x = _countable(xp, x)
        return xp.sum(x, axis=self.axis, keepdims=self.keepdims, dtype=getattr(x, "dtype", None))

    def vjp(self, g, y, x):
        return spread(g, x, self.axis, self.keepdims)

    def infer(self, x):
        return _of_counts(super().infer(x))


class Mean(Reduction):
    """The mean over ``axis``, ``sum(x) / count``; NaN over an empty axis.

    >>> ops.Mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    array([1.5, 3.5])
    """

    def compute(self, x):
        if not hasattr(x, "dtype"):
            return float(x)
        return namespace(x).sum(x, axis=self.axis, keepdims=self.keepdims, dtype=x.dtype) / self._count(x.shape)

    def _count(self, shape):
        return math.prod(shape[i] for i in normalised(self.axis, len(shape), "Mean")) or math.nan

    def vjp(self, g, y, x):
        return spread(g / ops.Count(x, axis=self.axis), x, self.axis, self.keepdims)

    def infer(self, x):
        _refuse_integers(x, "Mean")
        spec = super().infer(x)
        return Spec((), np.dtype(np.float64), True) if x.number else spec


class Count(Op):
    """How many elements of ``like`` a reduction over ``axis`` takes together, in the dtype of ``like``.

    >>> ops.Count(np.ones((2, 3)), axis=1)
    array(3.)
    """

    axis: Axes = None

    def compute(self, like: ShapeOnly):
        count = math.prod(like.shape[i] for i in normalised(self.axis, like.ndim, "Count"))
        if like.number:
            return like.dtype.type(count).item()
        xp = namespace(like)
        return xp.asarray(count, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        normalised(self.axis, like.ndim, "Count")
        return Spec((), like.dtype, like.number)


class Var(Composite):
    """The variance over ``axis``: the sum of ``(x - mean) ** 2`` divided by ``count - correction``.

    ``correction`` 1 gives the unbiased estimate. NaN or infinite where ``count`` is not larger than ``correction``.

    >>> ops.Var(np.array([1.0, 3.0]), correction=1.0)
    array(2.)
    """

    axis: Axes = None
    keepdims: bool = False
    correction: Annotated[float, Range(low=0)] = 0.0

    def body(self, x):
        centred = x - ops.Mean(x, axis=self.axis, keepdims=True)
        total = ops.Sum(ops.Square(centred), axis=self.axis, keepdims=self.keepdims)
        return total / ops.Maximum(ops.Count(x, axis=self.axis) - self.correction, 0.0)


class Max(Reduction):
    """The largest element over ``axis``; NaN if any is. Equal largest elements share the gradient.

    (ONNX's ReduceMax; its Max of several inputs is Maximum here.)

    >>> ops.Max(np.array([[1.0, 3.0], [4.0, 2.0]]), axis=1, keepdims=True)
    array([[3.],
           [4.]])
    """

    def compute(self, x):
        return namespace(x).max(x, axis=self.axis, keepdims=self.keepdims)

    def vjp(self, g, y, x):
        chosen = ops.Equal(x, spread(y, x, self.axis, self.keepdims))
        count = ops.Sum(ops.Cast(chosen, to=x.dtype), axis=self.axis, keepdims=self.keepdims)
        share = spread(g / count, x, self.axis, self.keepdims)
        return ops.Where(chosen, share, ops.ZerosLike(share))

    def infer(self, x):
        _refuse_nothing(x, self.axis, type(self).__name__)
        return super().infer(x)


class Min(Max):
    """The smallest element over ``axis``; NaN if any is. Equal smallest elements share the gradient.

    (ONNX's ReduceMin; its Min of several inputs is Minimum here.)

    >>> ops.Min(np.array([[1.0, 3.0], [4.0, 2.0]]), axis=1)
    array([1., 2.])
    """

    def compute(self, x):
        return namespace(x).min(x, axis=self.axis, keepdims=self.keepdims)


class Prod(Reduction):
    """The product over ``axis``, in the dtype of ``x``; 1 over an empty axis.

    The gradient of an element is the product of the others, right where elements are 0 too.

    >>> ops.Prod(np.array([[2.0, 3.0], [4.0, 5.0]]), axis=1)
    array([ 6., 20.])
    """

    def compute(self, x):
        xp = namespace(x)
        x = _countable(xp, x)
        return xp.prod(x, axis=self.axis, keepdims=self.keepdims, dtype=getattr(x, "dtype", None))

    def vjp(self, g, y, x):
        """One axis after the other: the products of the others along each, multiplied."""
        dx = spread(g, x, self.axis, self.keepdims)
        rest = x
        for axis in normalised(self.axis, x.ndim, "Prod"):
            dx = dx * ops.ProdOfOthers(rest, axis=axis)
            rest = ops.Prod(rest, axis=axis, keepdims=True)
        return dx

    def infer(self, x):
        return _of_counts(super().infer(x))


class ProdOfOthers(Op):
    """``y[i] = product of x[j] over j != i`` along ``axis``: the gradient of Prod.

    Its own gradient takes memory for the square of the size of the axis.

    >>> ops.ProdOfOthers(np.array([2.0, 3.0, 4.0]), axis=0)
    array([12.,  8.,  6.])
    """

    axis: int

    def compute(self, x):
        xp = namespace(x)
        axis = normalised(self.axis, x.ndim, "ProdOfOthers")[0]
        back = xp.flip(x, axis=axis)
        after = xp.flip(_before(xp, back, axis), axis=axis)
        return _before(xp, x, axis) * after

    def vjp(self, g, y, x):
        """Of each pair (i, k) the product of all but both, from a square of copies of ``x`` with 1 on its diagonal."""
        last = ops.Unsqueeze(ops.MoveAxis(x, start=self.axis, stop=-1), axis=-2)
        weights = ops.MoveAxis(g, start=self.axis, stop=-1)
        diagonal = ops.DiagonalMask(ops.MatrixTranspose(last) * last)
        row = ops.Where(diagonal, ops.OnesLike(last), last)
        pairs = ops.ProdOfOthers(row, axis=-1)
        pairs = ops.Where(diagonal, ops.ZerosLike(pairs), pairs)
        found = ops.Squeeze(ops.MatMul(ops.Unsqueeze(weights, axis=-2), pairs), axis=-2)
        return ops.MoveAxis(found, start=-1, stop=self.axis)

    def infer(self, x):
        normalised(self.axis, x.ndim, "ProdOfOthers")
        return x


def _before(xp, x, axis):
    """The product of the elements before each along ``axis``."""
    products = xp.cumulative_prod(x, axis=axis, dtype=x.dtype, include_initial=True)
    return products[(*(slice(None),) * axis, slice(0, x.shape[axis]), ...)]


class LogSumExp(Reduction):
    """``log(sum(exp(x)))`` over ``axis``, computed as ``m + log(sum(exp(x - m)))`` with ``m = max(x)``.

    -inf over an empty axis and where all elements are -inf; there the gradient is 0.

    >>> ops.LogSumExp(np.array([1000.0, -1000.0]))
    array(1000.)
    """

    def compute(self, x):
        if not hasattr(x, "ndim"):
            return float(x)
        xp = namespace(x)
        axes = normalised(self.axis, x.ndim, "LogSumExp")
        if any(x.shape[i] == 0 for i in axes):
            shape = _reduced(x, self.axis, self.keepdims, "LogSumExp")
            return xp.full(shape, -math.inf, dtype=x.dtype)
        largest = xp.max(x, axis=axes, keepdims=True)
        largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
        total = xp.log(xp.sum(xp.exp(x - largest), axis=axes, keepdims=True, dtype=x.dtype)) + largest
        return total if self.keepdims else xp.squeeze(total, axis=axes)

    def vjp(self, g, y, x):
        y = ops.Where(ops.Equal(y, -math.inf), ops.ZerosLike(y), y)
        return spread(g, x, self.axis, self.keepdims) * ops.Exp(x - spread(y, x, self.axis, self.keepdims))

    def infer(self, x):
        _refuse_integers(x, "LogSumExp")
        spec = super().infer(x)
        return Spec((), np.dtype(np.float64), True) if x.number else spec


class ArgMax(Op):
    """The index of the largest element along ``axis`` (None: in ``x`` flattened), the first of equal ones; no gradient.

    Unlike ONNX's, the axis is not kept unless ``keepdims`` says so.

    >>> ops.ArgMax(np.array([[1.0, 3.0], [4.0, 2.0]]), axis=1)
    array([1, 0])
    """

    axis: int | None = None
    keepdims: bool = False

    def compute(self, x):
        return namespace(x).argmax(x, axis=self.axis, keepdims=self.keepdims)

    def vjp(self, g, y, x):
        return None

    def infer(self, x):
        _refuse_nothing(x, self.axis, type(self).__name__)
        shape = _reduced(x, self.axis, self.keepdims, type(self).__name__)
        return Spec(shape, np.dtype(np.int64), x.number)


class ArgMin(ArgMax):
    """The index of the smallest element along ``axis``: as ArgMax.

    >>> ops.ArgMin(np.array([[1.0, 3.0], [4.0, 2.0]]), axis=1)
    array([0, 1])
    """

    def compute(self, x):
        return namespace(x).argmin(x, axis=self.axis, keepdims=self.keepdims)
