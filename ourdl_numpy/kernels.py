"""Kernels for NumPy: ops that NumPy has a faster way for than the array API standard."""

import math
from functools import lru_cache, reduce

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

FEW = 8  # rows that are added up one by one
SHORT, NARROW, MANY = 16, 64, 64  # an axis, what lies behind it, and how often an axis as short lies there: see _folded


def einsum(op, *xs):
    """``np.einsum``, after the op has checked the sizes (NumPy would repeat any axis of size 1).

    A product of two that sums is left to ``compute``: as fast, and NumPy's result is often a transposed view, on which
    everything after it is slow.
    """
    spec = op.infer(*xs)
    if len(xs) == 2 and op.multiply_adds(*xs) > math.prod(spec.shape):
        return op.compute(*xs)
    return np.einsum(op.equation, *xs, optimize=len(xs) > 1)


def sigmoid(op, x):
    """Sigmoid without a choice for each element. exp may become inf, and then 0 comes out: less than 1e-38 is lost."""
    return 1.0 / (1.0 + np.exp(-x))


def unslice(op, x, like, out=None):
    """Unslice, written into zeros."""
    whole = np.empty(like.shape, x.dtype) if out is None else out
    whole.fill(0)
    whole[op.slices(x.ndim)] = x
    return whole


def scatter_add(op, x, indices, like, out=None):
    """ScatterAdd: slices of equal index are brought together by sorting, and summed."""
    axis = op.axis % len(like.shape)
    flat = np.where(np.asarray(indices) < 0, indices + like.shape[axis], indices).reshape(-1)
    slices = np.moveaxis(x.reshape((*like.shape[:axis], flat.size, *like.shape[axis + 1 :])), axis, 0)
    whole = np.empty(like.shape, x.dtype) if out is None else out
    whole.fill(0)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
        np.moveaxis(whole, axis, 0)[ordered[starts]] = np.add.reduceat(slices[order], starts, axis=0, dtype=x.dtype)
    return whole


def put_along_axis(op, x, indices, like, out=None):
    """PutAlongAxis, one addition an index; where each row has one index, no addition at all."""
    axis = op.axis % len(like.shape)
    whole = np.empty(like.shape, x.dtype) if out is None else out
    whole.fill(0)
    places = _along(indices, axis)
    if indices.shape[axis] == 1:
        whole[places] = x
    else:
        np.add.at(whole, places, x)
    return whole


def take_along_axis(op, x, indices):
    """TakeAlongAxis by NumPy's own indexing, in which negative indices count from the end too."""
    axis = op.axis % x.ndim
    op.infer(x, indices)
    return x[_along(indices, axis)]


def _along(indices, axis):
    """What picks ``indices`` along ``axis`` for every place in the other axes."""
    grid = _grid(tuple(indices.shape))
    return (*grid[:axis], indices, *grid[axis + 1 :])


@lru_cache(maxsize=256)
def _grid(shape):
    return np.ix_(*map(np.arange, shape))


def class_index(op, label, scores):
    """ClassIndex, looked at once: as an unsigned number a negative label is larger than any class."""
    if label.size and np.maximum.reduce(label.view(f"u{label.dtype.itemsize}"), axis=None) >= scores.shape[-1]:
        return op.compute(label, scores)  # it says which
    return label


def embedding(op, x, weight):
    """Embedding, its indices looked at once, as ClassIndex."""
    op.infer(x, weight)
    if x.size and x.view(f"u{x.dtype.itemsize}").max() >= op.size:
        return op.compute(x, weight)
    return weight[x]


def matmul(op, a, b):
    """MatMul; many matrices times one are one large product."""
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        rows = a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))
        return np.matmul(rows, b).reshape((*a.shape[:-1], b.shape[-1]))
    return np.matmul(a, b)


def sum_to(op, x, like):
    """SumTo; over the first axes of an array in C order as a product with ones: BLAS adds up faster and more exactly."""
    lead = x.ndim - len(like.shape)
    count = math.prod(x.shape[: max(lead, 0)])
    if count < FEW or x.dtype.str[1:] not in ("f4", "f8") or x.shape[lead:] != like.shape or not x.size:
        return op.compute(x, like)
    if not x.flags.c_contiguous:
        return op.compute(x, like)
    return np.matmul(np.ones(count, x.dtype), x.reshape((count, -1))).reshape(like.shape)


def maximum(op, x):
    """Max, also of a narrow array fast."""
    return _folded(np.maximum, op, x) if _is_short(op, x) else op.compute(x)


def minimum(op, x):
    """Min, also of a narrow array fast."""
    return _folded(np.minimum, op, x) if _is_short(op, x) else op.compute(x)


def total(op, x):
    """Sum, also of a narrow array fast."""
    return _folded(np.add, op, x) if _is_short(op, x) and x.dtype.str[1:] in ("f4", "f8") else op.compute(x)


def mean(op, x):
    """Mean, also of a narrow array fast."""
    if not _is_short(op, x) or x.dtype.str[1:] not in ("f4", "f8"):
        return op.compute(x)
    return _folded(np.add, op, x) / math.prod(x.shape[axis] for axis in _axes(op, x))


def _axes(op, x):
    return sorted(normalize_axis_tuple(op.axis, x.ndim))


def _is_short(op, x):
    """Whether all axes that are reduced are short, with little behind them, and there is enough to gain."""
    if op.axis in (None, ()) or getattr(x, "ndim", 0) < 2:
        return False
    return all(
        1 < x.shape[axis] <= SHORT
        and math.prod(x.shape[axis + 1 :]) <= NARROW
        and math.prod(x.shape[:axis]) >= MANY * x.shape[axis]
        for axis in _axes(op, x)
    )


def _folded(ufunc, op, x):
    """A reduction as one call for each element of the axes, on all that lie there.

    NumPy's own begins anew for each row behind the axis, which takes as long as many elements.
    """
    axes = _axes(op, x)
    for axis in axes:
        parts = (x[(*(slice(None),) * axis, slice(k, k + 1))] for k in range(x.shape[axis]))
        x = reduce(ufunc, parts)
    return x if op.keepdims else np.squeeze(x, axis=tuple(axes))
