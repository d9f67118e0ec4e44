"""Joining arrays along an axis, and cutting them again."""

from typing import Annotated

import numpy as np

from ourdl_core import Length, Op, Range, ShapeOnly, Spec, namespace, ops
from ourdl_ops_basic.axes import normalised


class Concat(Op):
    """The inputs joined along ``axis``; their other sizes are equal.

    >>> ops.Concat(np.array([1.0, 2.0]), np.array([3.0]))
    array([1., 2., 3.])
    """

    axis: int = 0

    def compute(self, *xs):
        return namespace(*xs).concat(xs, axis=self.axis)

    def vjp(self, g, y, *xs):
        return tuple(ops.SliceLike(g, *xs[:i], x, axis=self.axis) for i, x in enumerate(xs))

    def infer(self, *xs):
        if not xs:
            raise ValueError("Concat needs at least one input")
        axis = normalised(self.axis, xs[0].ndim, "Concat")[0]
        shape = list(_common_shape("Concat", xs, but=axis))
        shape[axis] = None if any(x.shape[axis] is None for x in xs) else sum(x.shape[axis] for x in xs)
        return Spec(tuple(shape), np.result_type(*(x.dtype for x in xs)))


class Stack(Op):
    """The inputs, of equal shape, along a new axis, which stands at ``axis`` of the result.

    >>> ops.Stack(np.array([1.0, 2.0]), np.array([3.0, 4.0]), axis=1)
    array([[1., 3.],
           [2., 4.]])
    """

    axis: int = 0

    def compute(self, *xs):
        return namespace(*xs).stack(xs, axis=self.axis)

    def vjp(self, g, y, *xs):
        slices = (ops.Slice(g, start=i, stop=i + 1, axis=self.axis) for i in range(len(xs)))
        return tuple(ops.Squeeze(piece, axis=self.axis) for piece in slices)

    def infer(self, *xs):
        if not xs:
            raise ValueError("Stack needs at least one input")
        shape = _common_shape("Stack", xs)
        axis = normalised(self.axis, len(shape) + 1, "Stack")[0]
        return Spec((*shape[:axis], len(xs), *shape[axis:]), np.result_type(*(x.dtype for x in xs)))


def _common_shape(what, xs, but=None):
    """The shape that all have, apart from the axis ``but``; a size is known if one of them knows it."""
    shape = list(xs[0].shape)
    for x in xs[1:]:
        if x.ndim != len(shape):
            raise ValueError(f"{what}: inputs of {len(shape)} and {x.ndim} dimensions")
        for i, n in enumerate(x.shape):
            if i != but and None not in (n, shape[i]) and n != shape[i]:
                outside = "" if but is None else f" outside axis {but}"
                raise ValueError(f"{what}: {xs[0]} and {x} differ{outside}")
            shape[i] = n if shape[i] is None else shape[i]
    return tuple(shape)


class Split(Op):
    """``x`` cut along ``axis`` into ``parts`` equal pieces, or into pieces of the sizes ``parts``: as many outputs.

    Unlike in ONNX, a last piece that is smaller than the others must be asked for by sizes.

    >>> ops.Split(np.array([1.0, 2.0, 3.0]), parts=(1, 2))
    (array([1.]), array([2., 3.]))
    """

    view = True
    parts: Annotated[int, Range(low=1)] | Annotated[tuple[Annotated[int, Range(low=0)], ...], Length(1)] = 2
    axis: int = -1

    @property
    def num_outputs(self):
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def _sizes(self, total):
        """The sizes of the pieces; None for those not known."""
        if isinstance(self.parts, tuple):
            if total not in (None, sum(self.parts)):
                shown = " + ".join(map(str, self.parts))
                raise ValueError(f"Split: {total} elements along axis {self.axis} are not {shown}")
            return self.parts
        if total is None:
            return (None,) * self.parts
        if total % self.parts:
            raise ValueError(f"Split: {total} elements along axis {self.axis} do not make {self.parts} equal parts")
        return (total // self.parts,) * self.parts

    def compute(self, x):
        axis = normalised(self.axis, x.ndim, "Split")[0]
        pieces, start = [], 0
        for size in self._sizes(x.shape[axis]):
            pieces.append(x[(*(slice(None),) * axis, slice(start, start + size), ...)])
            start += size
        return tuple(pieces)

    def vjp(self, g, y, x):
        return ops.Concat(*g, axis=self.axis)

    def infer(self, x):
        axis = normalised(self.axis, x.ndim, "Split")[0]
        sizes = self._sizes(x.shape[axis])
        return tuple(Spec((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in sizes)


class SliceLike(Op):
    """The piece of ``x`` along ``axis`` where the last of ``likes`` lies when they are laid one after another.

    ValueError where they are longer than ``x``.

    >>> ops.SliceLike(np.array([1.0, 2.0, 3.0]), np.zeros(1), np.zeros(2))
    array([2., 3.])
    """

    axis: int = 0
    view = True

    def compute(self, x, *likes: ShapeOnly):
        axis = normalised(self.axis, x.ndim, "SliceLike")[0]
        self._check_sizes(x.shape[axis], [like.shape[axis] for like in likes])
        start = sum(like.shape[axis] for like in likes[:-1])
        return x[(*(slice(None),) * axis, slice(start, start + likes[-1].shape[axis]), ...)]

    def vjp(self, g, y, x, *likes):
        return ops.UnsliceLike(g, x, *likes, axis=self.axis), *(None,) * len(likes)

    def infer(self, x, *likes):
        if not likes:
            raise ValueError("SliceLike needs at least two inputs, x and what it is as long as")
        axis = normalised(self.axis, x.ndim, "SliceLike")[0]
        self._check_sizes(x.shape[axis], [like.shape[axis] for like in likes])
        return Spec((*x.shape[:axis], likes[-1].shape[axis], *x.shape[axis + 1 :]), x.dtype)

    def _check_sizes(self, size, pieces):
        if size is not None and sum(n for n in pieces if n is not None) > size:
            shown = " + ".join("?" if n is None else str(n) for n in pieces)
            raise ValueError(f"SliceLike: pieces of {shown} are longer than the {size} of x along axis {self.axis}")


class UnsliceLike(Op):
    """Zeros of the shape of ``whole``, with ``x`` where SliceLike would take it: the gradient of SliceLike.

    >>> ops.UnsliceLike(np.array([2.0, 3.0]), np.zeros(4), np.zeros(1), np.zeros(2))
    array([0., 2., 3., 0.])
    """

    axis: int = 0

    def compute(self, x, whole: ShapeOnly, *likes: ShapeOnly):
        xp = namespace(x)
        axis = normalised(self.axis, x.ndim, "UnsliceLike")[0]
        before = sum(like.shape[axis] for like in likes[:-1])
        after = whole.shape[axis] - before - x.shape[axis]
        blank = [xp.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :]), dtype=x.dtype) for n in (before, after)]
        return xp.concat([blank[0], x, blank[1]], axis=axis)

    def vjp(self, g, y, x, whole, *likes):
        return ops.SliceLike(g, *likes, axis=self.axis), *(None,) * (1 + len(likes))

    def infer(self, x, whole, *likes):
        return Spec(whole.shape, x.dtype)
