"""The matrix product."""

import math

import numpy as np

from ourdl_core import Op, Spec, broadcast_shapes, namespace, ops


class MatMul(Op):
    """The matrix product, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``; the axes before the last two broadcast.

    A 1-d ``a`` is a row, a 1-d ``b`` a column, and that axis is removed again (as NumPy's ``matmul``).

    >>> ops.MatMul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """

    def compute(self, a, b):
        return namespace(a, b).matmul(a, b)

    def vjp(self, g, y, a, b):
        if a.ndim == 1 and b.ndim == 1:
            return g * b, g * a
        if a.ndim == 1:
            row = ops.Unsqueeze(g, axis=-2)
            da = ops.Squeeze(ops.MatMul(row, ops.MatrixTranspose(b)), axis=-2)
            return ops.SumTo(da, a), ops.SumTo(ops.Unsqueeze(a, axis=-1) * row, b)
        if b.ndim == 1:
            column = ops.Unsqueeze(g, axis=-1)
            return column * b, ops.MatMul(ops.Transpose(ops.Flatten(a, axis=-1)), ops.Reshape(g, shape=(-1,)))
        da = ops.MatMul(g, ops.MatrixTranspose(b))
        if b.ndim == 2:  # one matrix for all: the batch is summed within one product
            return da, ops.MatMul(ops.Transpose(ops.Flatten(a, axis=-1)), ops.Flatten(g, axis=-1))
        return ops.SumTo(da, a), ops.SumTo(ops.MatMul(ops.MatrixTranspose(a), g), b)

    def infer(self, a, b):
        if a.ndim == 0 or b.ndim == 0:
            raise ValueError(f"MatMul: both inputs need at least one dimension, found {a} and {b}")
        left = a.shape if a.ndim > 1 else (1, *a.shape)
        right = b.shape if b.ndim > 1 else (*b.shape, 1)
        if None not in (left[-1], right[-2]) and left[-1] != right[-2]:
            raise ValueError(f"MatMul: the inner sizes of {a} and {b} differ: {left[-1]} and {right[-2]}")
        shape = broadcast_shapes("MatMul", [left[:-2], right[:-2]])
        shape += () if a.ndim == 1 else (left[-2],)
        shape += () if b.ndim == 1 else (right[-1],)
        return Spec(shape, np.result_type(a.dtype, b.dtype))

    def multiply_adds(self, a, b):
        return math.prod(self.infer(a, b).shape) * a.shape[-1]
