"""Shapes: reshaping, broadcasting, and what undoes it. Where a graph needs sizes, it says ``...Like``."""

import math
from typing import Annotated

import numpy as np

from ourdl_core import Op, Range, ShapeOnly, Spec, broadcast_shapes, dtype_in, namespace, ops


class OnesLike(Op):
    """Ones of the shape and dtype of ``like``.

    >>> ops.OnesLike(np.array([3.0, 4.0]))
    array([1., 1.])
    """

    def compute(self, like: ShapeOnly):
        if like.number:
            return like.dtype.type(1).item()
        xp = namespace(like)
        return xp.ones(like.shape, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return like


class ZerosLike(Op):
    """Zeros of the shape and dtype of ``like``.

    >>> ops.ZerosLike(np.array([[3, 4]]))
    array([[0, 0]])
    """

    def compute(self, like: ShapeOnly):
        if like.number:
            return like.dtype.type(0).item()
        xp = namespace(like)
        return xp.zeros(like.shape, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return like


class Shape(Op):
    """The sizes of ``like`` as a 1-d array of integers; no gradient.

    >>> ops.Shape(np.ones((2, 3)))
    array([2, 3])
    """

    def compute(self, like: ShapeOnly):
        xp = namespace(like)
        xp = np if like.number else xp
        return xp.asarray(list(like.shape), dtype=_integers(xp))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return Spec((like.ndim,), np.dtype(np.int64))


class Size(Op):
    """The number of elements of ``like``, a 0-d array of integers; no gradient.

    >>> ops.Size(np.ones((2, 3)))
    array(6)
    """

    def compute(self, like: ShapeOnly):
        xp = np if like.number else namespace(like)
        return xp.asarray(math.prod(like.shape), dtype=_integers(xp))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return Spec((), np.dtype(np.int64))


def _integers(xp):
    """The dtype of indices: int64, or int32 in JAX without 64-bit numbers."""
    return xp.__array_namespace_info__().default_dtypes()["indexing"]


class Reshape(Op):
    """``x`` with the sizes ``shape``, in C order; one of them may be -1 and follows from the number of elements.

    Unlike in ONNX, 0 is a size like any other (as ``allowzero`` there).

    >>> ops.Reshape(np.array([1.0, 2.0, 3.0, 4.0]), shape=(2, -1))
    array([[1., 2.],
           [3., 4.]])
    """

    view = True
    shape: tuple[Annotated[int, Range(low=-1)], ...]

    def check(self):
        if self.shape.count(-1) > 1:
            raise ValueError(f"Reshape: sizes are 0 or more, one may be -1; found {self.shape}")

    def compute(self, x):
        return namespace(x).reshape(x, self.shape)

    def vjp(self, g, y, x):
        return ops.ReshapeLike(g, x)

    def infer(self, x):
        known = math.prod(n for n in self.shape if n != -1)
        if None in x.shape:
            return Spec(tuple(None if n == -1 else n for n in self.shape), x.dtype)
        total = math.prod(x.shape)
        free = -1 in self.shape
        if (free and (known == 0 or total % known)) or (not free and known != total):
            raise ValueError(f"Reshape: {x} has {total} elements, which do not make shape {list(self.shape)}")
        shape = tuple(total // known if n == -1 else n for n in self.shape)
        return Spec(shape, x.dtype, x.number and shape == ())


class ReshapeLike(Op):
    """``x`` with the shape of ``like``, in C order.

    >>> ops.ReshapeLike(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros((2, 2)))
    array([[1., 2.],
           [3., 4.]])
    """

    view = True

    def compute(self, x, like: ShapeOnly):
        return namespace(x).reshape(x, like.shape)

    def vjp(self, g, y, x, like):
        return ops.ReshapeLike(g, x), None

    def infer(self, x, like):
        if None not in (*x.shape, *like.shape) and math.prod(x.shape) != math.prod(like.shape):
            raise ValueError(f"ReshapeLike: {x} does not have as many elements as {like}")
        return Spec(like.shape, x.dtype, x.number and like.shape == ())


class Flatten(Op):
    """``x`` as a matrix: the sizes before ``axis`` multiplied, and those from it on.

    >>> ops.Flatten(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    view = True
    axis: int = 1

    def _shape(self, shape):
        if not -len(shape) <= self.axis <= len(shape):
            raise ValueError(f"Flatten: axis {self.axis} is out of range for {len(shape)} dimensions")
        place = self.axis if self.axis >= 0 else self.axis + len(shape)
        return tuple(None if None in part else math.prod(part) for part in (shape[:place], shape[place:]))

    def compute(self, x):
        return namespace(x).reshape(x, self._shape(getattr(x, "shape", ())))

    def vjp(self, g, y, x):
        return ops.ReshapeLike(g, x)

    def infer(self, x):
        return Spec(self._shape(x.shape), x.dtype)


class Expand(Op):
    """``x`` broadcast with ``shape``: a size of 1 on either side takes the other's, as in ONNX.

    >>> ops.Expand(np.array([1.0, 2.0]), shape=(3, 1))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """

    view = True
    shape: tuple[Annotated[int, Range(low=0)], ...]

    def compute(self, x):
        shape = broadcast_shapes("Expand", [tuple(getattr(x, "shape", ())), self.shape])
        return namespace(x).broadcast_to(x, shape) if shape or hasattr(x, "ndim") else x

    def vjp(self, g, y, x):
        return ops.SumTo(g, x)

    def infer(self, x):
        shape = broadcast_shapes("Expand", [x.shape, self.shape])
        return Spec(shape, x.dtype, x.number and shape == ())


class BroadcastLike(Op):
    """``x`` broadcast to the shape of ``like``; the dtype is that of ``x``.

    >>> ops.BroadcastLike(np.array([1.0, 2.0]), np.zeros((3, 2)))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """

    view = True

    def compute(self, x, like: ShapeOnly):
        if like.number or (getattr(x, "shape", ()) == like.shape and hasattr(x, "shape")):
            return x
        xp = namespace(x, like)
        if not hasattr(x, "shape"):
            x = xp.asarray(x, dtype=dtype_in(xp, like.dtype))
        return xp.broadcast_to(x, like.shape)

    def vjp(self, g, y, x, like):
        return ops.SumTo(g, x), None

    def infer(self, x, like):
        if like.number:
            return x
        shape = broadcast_shapes("BroadcastLike", [x.shape, like.shape])
        if shape != like.shape and None not in (*x.shape, *like.shape):
            raise ValueError(f"BroadcastLike: {x} does not broadcast to the shape of {like}")
        return Spec(like.shape, like.dtype if x.number else x.dtype)


class SumTo(Op):
    """``x`` summed over the axes along which ``like`` was broadcast, to the shape of ``like``.

    It is the gradient of broadcasting. ValueError where the shape of ``like`` does not broadcast to that of ``x``.

    >>> ops.SumTo(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    array([4., 6.])
    """

    view = True

    def compute(self, x, like: ShapeOnly):
        shape = tuple(getattr(x, "shape", ()))
        if shape == like.shape:
            return x
        lead = len(shape) - len(like.shape)
        if lead < 0 or any(n not in (1, shape[lead + i]) for i, n in enumerate(like.shape)):
            raise ValueError(f"SumTo: shape {list(like.shape)} does not broadcast to {list(shape)}")
        repeated = (lead + i for i, n in enumerate(like.shape) if n == 1 and shape[lead + i] != 1)
        xp = namespace(x)
        return xp.reshape(xp.sum(x, axis=(*range(lead), *repeated), dtype=x.dtype), like.shape)

    def vjp(self, g, y, x, like):
        return ops.BroadcastLike(g, x), None

    def infer(self, x, like):
        return x if x.number else Spec(like.shape, x.dtype)
