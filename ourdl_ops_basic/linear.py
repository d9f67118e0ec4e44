"""Linear algebra."""

from ourdl_core import Op, Spec, namespace, ops
from ourdl_core.infer import broadcast_shapes


class MatMul(Op):
    """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``; the others broadcast.

    A 1-d ``a`` is a row, a 1-d ``b`` a column, and that axis is removed again (as NumPy's ``matmul``).
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
            db = ops.Squeeze(ops.MatMul(ops.MatrixTranspose(a), column), axis=-1)
            return ops.SumTo(column * b, a), ops.SumTo(db, b)
        da, db = ops.MatMul(g, ops.MatrixTranspose(b)), ops.MatMul(ops.MatrixTranspose(a), g)
        return (da if a.ndim >= b.ndim == 2 else ops.SumTo(da, a)), (db if a.ndim == b.ndim == 2 else ops.SumTo(db, b))

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
        return Spec(shape, _common_dtype(a, b))


def _common_dtype(a, b):
    import numpy as np

    return np.result_type(a.dtype, b.dtype)


class MatrixTranspose(Op):
    """The last two axes swapped."""

    view = True

    def compute(self, x):
        return namespace(x).matrix_transpose(x)

    def vjp(self, g, y, x):
        return ops.MatrixTranspose(g)

    def infer(self, x):
        return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
