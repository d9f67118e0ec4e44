"""One axis as several, and several as one: how channels become groups."""

import math
from typing import Annotated

from ourdl_core import Length, Op, Range, Spec, namespace, ops


class Unflatten(Op):
    """The axis ``axis`` of ``x`` as several of the sizes ``sizes``, in C order; one of them may be -1 and follows.

    >>> ops.Unflatten(np.array([1.0, 2.0, 3.0, 4.0]), sizes=(2, -1))
    array([[1., 2.],
           [3., 4.]])
    """

    view = True
    sizes: Annotated[tuple[Annotated[int, Range(low=-1)], ...], Length(1)]
    axis: int = -1

    def check(self):
        if self.sizes.count(-1) > 1:
            raise ValueError(f"Unflatten: only one size may be -1, found {list(self.sizes)}")

    def _shape(self, shape):
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"Unflatten: axis {self.axis} is out of range for {len(shape)} dimensions")
        axis = self.axis % len(shape)
        return (*shape[:axis], *self._parts(shape[axis], axis), *shape[axis + 1 :])

    def _parts(self, total, axis):
        known = math.prod(n for n in self.sizes if n != -1)
        if total is None:
            return tuple(None if n == -1 else n for n in self.sizes)
        if (total % known if known and -1 in self.sizes else total != known) or (known == 0 and -1 in self.sizes):
            raise ValueError(f"Unflatten: {total} elements along axis {axis} do not make sizes {list(self.sizes)}")
        return tuple(total // known if n == -1 else n for n in self.sizes)

    def compute(self, x):
        return namespace(x).reshape(x, self._shape(x.shape))

    def vjp(self, g, y, x):
        return ops.ReshapeLike(g, x)

    def infer(self, x):
        return Spec(self._shape(x.shape), x.dtype)


class MergeAxes(Op):
    """``count`` axes of ``x``, from ``axis`` on, as one, in C order.

    >>> ops.MergeAxes(np.ones((2, 3, 4)), axis=1).shape
    (2, 12)
    """

    view = True
    axis: int = -2
    count: Annotated[int, Range(low=1)] = 2

    def _shape(self, shape):
        axis = self.axis % len(shape) if -len(shape) <= self.axis < len(shape) else len(shape)
        if axis + self.count > len(shape):
            raise ValueError(f"MergeAxes: {self.count} axes from {self.axis} on, found {len(shape)} dimensions")
        merged = shape[axis : axis + self.count]
        return (*shape[:axis], None if None in merged else math.prod(merged), *shape[axis + self.count :])

    def compute(self, x):
        return namespace(x).reshape(x, self._shape(x.shape))

    def vjp(self, g, y, x):
        return ops.ReshapeLike(g, x)

    def infer(self, x):
        return Spec(self._shape(x.shape), x.dtype)
