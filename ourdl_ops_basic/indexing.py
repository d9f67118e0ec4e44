"""Choosing elements by index."""

from ourdl_core import Op, ShapeOnly, Spec, dtype_in, namespace, ops
from ourdl_ops_basic.reductions import normalised


class TakeAlongAxis(Op):
    """``y[..., j, ...] = x[..., indices[..., j, ...], ...]`` along ``axis``; the other sizes are equal, or 1 in ``indices``.

    An index that is negative or beyond the end is an IndexError.
    """

    axis: int = -1

    def compute(self, x, indices):
        xp = namespace(x, indices)
        return xp.take_along_axis(x, indices, axis=self.axis)

    def vjp(self, g, y, x, indices):
        return ops.PutAlongAxis(g, indices, x, axis=self.axis), None

    def infer(self, x, indices):
        return Spec(indices.shape, x.dtype)


class PutAlongAxis(Op):
    """Zeros of the shape of ``like``, with ``x`` added at ``indices`` along ``axis``: the gradient of TakeAlongAxis."""

    axis: int = -1

    def compute(self, x, indices, like: ShapeOnly):
        xp = namespace(x, indices)
        axis = normalised(self.axis, len(like.shape), "PutAlongAxis")[0]
        size = like.shape[axis]
        places = xp.arange(size, dtype=dtype_in(xp, "int64")) if xp.__name__ != "jax.numpy" else xp.arange(size)
        hit = xp.expand_dims(xp.moveaxis(indices, axis, -1), axis=-1) == places
        spread = xp.where(hit, xp.expand_dims(xp.moveaxis(x, axis, -1), axis=-1), xp.zeros((), dtype=x.dtype))
        return xp.moveaxis(xp.sum(spread, axis=-2, dtype=x.dtype), -1, axis)

    def vjp(self, g, y, x, indices, like):
        return ops.TakeAlongAxis(g, indices, axis=self.axis), None, None

    def infer(self, x, indices, like):
        return Spec(like.shape, x.dtype)
