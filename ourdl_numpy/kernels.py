"""Kernels for NumPy: ops that NumPy has a faster way for than the array API standard."""

import math

import numpy as np


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


def unslice(op, x, like):
    """Unslice, written into zeros."""
    whole = np.zeros(like.shape, x.dtype)
    whole[op.slices(x.ndim)] = x
    return whole


def scatter_add(op, x, indices, like):
    """ScatterAdd: slices of equal index are brought together by sorting, and summed."""
    axis = op.axis % len(like.shape)
    flat = np.where(np.asarray(indices) < 0, indices + like.shape[axis], indices).reshape(-1)
    slices = np.moveaxis(x.reshape((*like.shape[:axis], flat.size, *like.shape[axis + 1 :])), axis, 0)
    whole = np.zeros(like.shape, x.dtype)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
        np.moveaxis(whole, axis, 0)[ordered[starts]] = np.add.reduceat(slices[order], starts, axis=0, dtype=x.dtype)
    return whole


def put_along_axis(op, x, indices, like):
    """PutAlongAxis, one addition an index."""
    axis = op.axis % len(like.shape)
    whole = np.zeros(like.shape, x.dtype)
    places = list(np.ix_(*map(np.arange, indices.shape)))
    places[axis] = indices
    np.add.at(whole, tuple(places), x)
    return whole
