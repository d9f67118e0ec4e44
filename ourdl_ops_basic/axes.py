"""Axes: adding, removing, moving and turning them."""

from typing import Annotated

import numpy as np

from ourdl_core import Length, Op, ShapeOnly, Spec, namespace, ops

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


class Unsqueeze(Op):
    """``x`` with axes of size 1 inserted, so that they stand at ``axis`` of the result.

    >>> ops.Unsqueeze(np.array([1.0, 2.0]), axis=1)
    array([[1.],
           [2.]])
    """

    view = True
    axis: int | tuple[int, ...]

    def _shape(self, shape):
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        places = normalised(axes, len(shape) + len(axes), "Unsqueeze")
        rest = iter(shape)
        return tuple(1 if i in places else next(rest) for i in range(len(shape) + len(axes)))

    def compute(self, x):
        return namespace(x).reshape(x, self._shape(getattr(x, "shape", ())))

    def vjp(self, g, y, x):
        return ops.Squeeze(g, axis=self.axis)

    def infer(self, x):
        shape = self._shape(x.shape)
        return Spec(shape, x.dtype, x.number and shape == ())


class Squeeze(Op):
    """``x`` without the axes ``axis``, which must have size 1.

    ``axis`` is required: without it the rank would depend on the sizes.

    >>> ops.Squeeze(np.array([[1.0, 2.0]]), axis=0)
    array([1., 2.])
    """

    view = True
    axis: int | tuple[int, ...]

    def compute(self, x):
        return namespace(x).reshape(x, self._shape(x))

    def vjp(self, g, y, x):
        return ops.Unsqueeze(g, axis=self._axes(x.ndim))

    def infer(self, x):
        return Spec(self._shape(x), x.dtype, x.number)

    def _axes(self, ndim):
        return normalised(self.axis, ndim, "Squeeze")

    def _shape(self, x):
        axes = self._axes(len(getattr(x, "shape", ())))
        for axis in axes:
            if x.shape[axis] not in (1, None):
                raise ValueError(f"Squeeze: axis {axis} of shape {list(x.shape)} has size {x.shape[axis]}, not 1")
        return tuple(n for i, n in enumerate(getattr(x, "shape", ())) if i not in axes)


class Transpose(Op):
    """``x`` with its axes in the order ``axes``; reversed where ``axes`` is None. (ONNX calls the attribute perm.)

    >>> ops.Transpose(np.ones((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """

    view = True
    axes: tuple[int, ...] | None = None

    def _order(self, ndim):
        if self.axes is None:
            return tuple(reversed(range(ndim)))
        if len(self.axes) != ndim:
            raise ValueError(f"Transpose: axes {self.axes} order {len(self.axes)} dimensions, found {ndim}")
        return normalised(self.axes, ndim, "Transpose")

    def compute(self, x):
        return namespace(x).permute_dims(x, self._order(x.ndim)) if hasattr(x, "ndim") else x

    def vjp(self, g, y, x):
        if self.axes is None:
            return ops.Transpose(g)
        order = self._order(x.ndim)
        return ops.Transpose(g, axes=tuple(order.index(i) for i in range(len(order))))

    def infer(self, x):
        return Spec(tuple(x.shape[i] for i in self._order(x.ndim)), x.dtype, x.number)


class MatrixTranspose(Op):
    """The last two axes swapped.

    >>> ops.MatrixTranspose(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """

    view = True

    def compute(self, x):
        return namespace(x).matrix_transpose(x)

    def vjp(self, g, y, x):
        return ops.MatrixTranspose(g)

    def infer(self, x):
        if x.ndim < 2:
            raise ValueError(f"MatrixTranspose needs at least two dimensions, found {x}")
        return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)


class MoveAxis(Op):
    """``x`` with the axis ``start`` moved to ``stop``; the others keep their order.

    >>> ops.MoveAxis(np.ones((2, 3, 4)), start=0, stop=2).shape
    (3, 4, 2)
    """

    view = True
    start: int
    stop: int

    def compute(self, x):
        return namespace(x).moveaxis(x, self.start, self.stop)

    def vjp(self, g, y, x):
        return ops.MoveAxis(g, start=self.stop, stop=self.start)

    def infer(self, x):
        start = normalised(self.start, x.ndim, "MoveAxis")[0]
        stop = normalised(self.stop, x.ndim, "MoveAxis")[0]
        rest = [n for i, n in enumerate(x.shape) if i != start]
        return Spec((*rest[:stop], x.shape[start], *rest[stop:]), x.dtype)


class Flip(Op):
    """``x`` with the order of its elements reversed along ``axis`` (int, tuple or None for all).

    >>> ops.Flip(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    array([[2., 1.],
           [4., 3.]])
    """

    view = True
    axis: Axes = None

    def compute(self, x):
        return namespace(x).flip(x, axis=normalised(self.axis, x.ndim, "Flip")) if hasattr(x, "ndim") else x

    def vjp(self, g, y, x):
        return ops.Flip(g, axis=self.axis)

    def infer(self, x):
        normalised(self.axis, x.ndim, "Flip")
        return x


class Diagonal(Op):
    """The elements whose indices along all of ``axes`` are equal; the diagonal is the last axis of the result.

    >>> ops.Diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """

    view = True
    axes: Annotated[tuple[int, ...], Length(2)] = (-2, -1)

    def compute(self, x):
        xp = namespace(x)
        shape = self.infer(x).shape
        axes = normalised(self.axes, x.ndim, "Diagonal")
        size = x.shape[axes[0]]
        x = xp.permute_dims(x, (*(i for i in range(x.ndim) if i not in axes), *axes))
        flat = xp.reshape(x, (*shape[:-1], size ** len(axes)))
        step = sum(size**i for i in range(len(axes)))  # from one element of the diagonal to the next
        return flat[..., :: max(step, 1)]

    def vjp(self, g, y, x):
        return ops.FromDiagonal(g, axes=normalised(self.axes, x.ndim, "Diagonal"))

    def infer(self, x):
        axes = normalised(self.axes, len(x.shape), "Diagonal")
        sizes = {x.shape[i] for i in axes} - {None}
        if len(sizes) > 1:
            raise ValueError(f"Diagonal: axes {self.axes} of shape {list(x.shape)} differ in size")
        rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return Spec((*rest, sizes.pop() if sizes else None), x.dtype)


class FromDiagonal(Op):
    """The last axis of ``x`` where the indices along all of ``axes`` are equal, else 0: the gradient of Diagonal.

    >>> ops.FromDiagonal(np.array([1.0, 4.0]))
    array([[1., 0.],
           [0., 4.]])
    """

    axes: Annotated[tuple[int, ...], Length(2)] = (-2, -1)

    def compute(self, x):
        xp = namespace(x)
        size, count = x.shape[-1], len(self.axes)
        for _ in range(count - 1):
            equal = diagonal_mask(xp, size, size)
            x = xp.where(equal, xp.expand_dims(x, axis=-1), xp.zeros((), dtype=x.dtype))
        axes = normalised(self.axes, x.ndim, "FromDiagonal")
        rest = [i for i in range(x.ndim) if i not in axes]
        place = dict(zip((*rest, *axes), range(x.ndim), strict=True))
        return xp.permute_dims(x, tuple(place[i] for i in range(x.ndim)))

    def vjp(self, g, y, x):
        return ops.Diagonal(g, axes=self.axes)

    def infer(self, x):
        ndim = x.ndim - 1 + len(self.axes)
        axes = normalised(self.axes, ndim, "FromDiagonal")
        rest = iter(x.shape[:-1])
        return Spec(tuple(x.shape[-1] if i in axes else next(rest) for i in range(ndim)), x.dtype)


class DiagonalMask(Op):
    """A bool matrix of the last two sizes of ``like``: whether row and column are equal.

    >>> ops.DiagonalMask(np.ones((2, 2)))
    array([[ True, False],
           [False,  True]])
    """

    def compute(self, like: ShapeOnly):
        return diagonal_mask(namespace(like), *like.shape[-2:])

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        if like.ndim < 2:
            raise ValueError(f"DiagonalMask needs at least two dimensions, found {like}")
        return Spec(like.shape[-2:], np.dtype(bool))


def diagonal_mask(xp, rows, columns):
    """Whether row and column are equal."""
    return xp.expand_dims(xp.arange(rows), axis=-1) == xp.arange(columns)
