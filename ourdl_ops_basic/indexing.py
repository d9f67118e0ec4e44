"""Choosing elements by index. A negative index counts from the end, as in ONNX."""

import math
from typing import Annotated

import numpy as np

from ourdl_core import DType, Op, Range, ShapeOnly, Spec, dtype_in, namespace, ops
from ourdl_ops_basic.axes import normalised


def wrapped(xp, indices, size):
    """``indices`` with the negative ones counted from the end; what is below the range is put above it."""
    if xp.isdtype(indices.dtype, "unsigned integer"):
        return indices
    from_end = xp.where(indices < -size, size, indices + size)
    return xp.where(indices < 0, from_end, indices)


def _refuse_fractions(spec, what):
    if spec.dtype.kind not in "iu":
        raise TypeError(f"{what}: indices are whole numbers, found {spec}: cast them, as ops.Cast(x, to='int64')")


class Gather(Op):
    """``y[..., j..., ...] = x[..., indices[j...], ...]``: slices of ``x`` along ``axis``.

    The axes of ``indices`` stand in the place of that axis. An index that is out of range is an IndexError where the
    array library has such errors (JAX gives NaN).

    >>> ops.Gather(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """

    axis: int = 0

    def compute(self, x, indices):
        xp = namespace(x, indices)
        axis = normalised(self.axis, x.ndim, "Gather")[0]
        indices = xp.asarray(indices)
        flat = wrapped(xp, xp.reshape(indices, (-1,)), x.shape[axis])
        return xp.reshape(xp.take(x, flat, axis=axis), (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    def vjp(self, g, y, x, indices):
        return ops.ScatterAdd(g, indices, x, axis=self.axis), None

    def infer(self, x, indices):
        _refuse_fractions(indices, "Gather")
        axis = normalised(self.axis, x.ndim, "Gather")[0]
        return Spec((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


class ScatterAdd(Op):
    """Zeros of the shape of ``like``, with the slices of ``x`` added at ``indices`` along ``axis``.

    It is the gradient of Gather. ``compute`` compares every index with every place; the kernels do not.

    >>> ops.ScatterAdd(np.array([1.0, 2.0, 3.0]), np.array([0, 0, -1]), np.zeros(4))
    array([3., 0., 0., 3.])
    """

    axis: int = 0

    def compute(self, x, indices, like: ShapeOnly):
        xp = namespace(x, indices)
        axis = normalised(self.axis, like.ndim, "ScatterAdd")[0]
        size = like.shape[axis]
        flat = wrapped(xp, xp.reshape(xp.asarray(indices), (-1,)), size)
        before, after = math.prod(like.shape[:axis]), math.prod(like.shape[axis + 1 :])
        slices = xp.reshape(x, (before, 1, flat.shape[0], after))
        hit = xp.reshape(xp.expand_dims(xp.arange(size), axis=-1) == flat, (1, size, flat.shape[0], 1))
        spread = xp.where(hit, slices, xp.zeros((), dtype=x.dtype))
        return xp.reshape(xp.sum(spread, axis=2, dtype=x.dtype), like.shape)

    def vjp(self, g, y, x, indices, like):
        return ops.Gather(g, indices, axis=self.axis), None, None

    def infer(self, x, indices, like):
        _refuse_fractions(indices, "ScatterAdd")
        normalised(self.axis, like.ndim, "ScatterAdd")
        return Spec(like.shape, x.dtype)


class TakeAlongAxis(Op):
    """``y[..., j, ...] = x[..., indices[..., j, ...], ...]`` along ``axis``; the other sizes are equal.

    ONNX's GatherElements. An index that is out of range is an IndexError where the array library has such errors (JAX
    gives NaN).

    >>> ops.TakeAlongAxis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]))
    array([[2.],
           [3.]])
    """

    axis: int = -1

    def compute(self, x, indices):
        xp = namespace(x, indices)
        axis = normalised(self.axis, x.ndim, "TakeAlongAxis")[0]
        return xp.take_along_axis(x, wrapped(xp, indices, x.shape[axis]), axis=axis)

    def vjp(self, g, y, x, indices):
        return ops.PutAlongAxis(g, indices, x, axis=self.axis), None

    def infer(self, x, indices):
        _refuse_fractions(indices, "TakeAlongAxis")
        axis = normalised(self.axis, x.ndim, "TakeAlongAxis")[0]
        if indices.ndim != x.ndim:
            raise ValueError(f"TakeAlongAxis: x and indices have as many dimensions, found {x} and {indices}")
        for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)):
            if i != axis and None not in (n, m) and n != m:
                raise ValueError(f"TakeAlongAxis: {x} and {indices} differ outside axis {axis}: ops.Expand one of them")
        rest = zip(x.shape, indices.shape, strict=True)
        shape = [m if i == axis or n is None else n for i, (n, m) in enumerate(rest)]
        return Spec(tuple(shape), x.dtype)


class PutAlongAxis(Op):
    """Zeros of the shape of ``like``, with ``x`` added at ``indices`` along ``axis``: the gradient of TakeAlongAxis.

    >>> ops.PutAlongAxis(np.array([[5.0], [6.0]]), np.array([[1], [0]]), np.zeros((2, 2)))
    array([[0., 5.],
           [6., 0.]])
    """

    axis: int = -1

    def compute(self, x, indices, like: ShapeOnly):
        xp = namespace(x, indices)
        axis = normalised(self.axis, len(like.shape), "PutAlongAxis")[0]
        size = like.shape[axis]
        flat = wrapped(xp, xp.moveaxis(indices, axis, -1), size)
        hit = xp.expand_dims(flat, axis=-1) == xp.arange(size)
        spread = xp.where(hit, xp.expand_dims(xp.moveaxis(x, axis, -1), axis=-1), xp.zeros((), dtype=x.dtype))
        return xp.moveaxis(xp.sum(spread, axis=-2, dtype=x.dtype), -1, axis)

    def vjp(self, g, y, x, indices, like):
        return ops.TakeAlongAxis(g, indices, axis=self.axis), None, None

    def infer(self, x, indices, like):
        _refuse_fractions(indices, "PutAlongAxis")
        normalised(self.axis, like.ndim, "PutAlongAxis")
        return Spec(like.shape, x.dtype)


class OneHot(Op):
    """1 at the index and 0 elsewhere, along a new axis of size ``depth``, which stands at ``axis`` of the result.

    All 0 for an index that is out of range (negative ones count from the end); no gradient. (In ONNX ``depth`` and the
    two values are inputs.)

    >>> ops.OneHot(np.array([2, 0]), depth=3, to="int64")
    array([[0, 0, 1],
           [1, 0, 0]])
    """

    depth: Annotated[int, Range(low=0)]
    axis: int = -1
    to: DType = "float32"

    def compute(self, indices):
        xp = namespace(indices)
        xp = xp if hasattr(indices, "ndim") else np
        indices = wrapped(xp, xp.asarray(indices), self.depth)
        hit = xp.expand_dims(indices, axis=-1) == xp.arange(self.depth)
        axis = normalised(self.axis, hit.ndim, "OneHot")[0]
        return xp.moveaxis(xp.astype(hit, dtype_in(xp, self.to)), -1, axis)

    def vjp(self, g, y, indices):
        return None

    def infer(self, indices):
        _refuse_fractions(indices, "OneHot")
        axis = normalised(self.axis, indices.ndim + 1, "OneHot")[0]
        return Spec((*indices.shape[:axis], self.depth, *indices.shape[axis:]), np.dtype(self.to))
