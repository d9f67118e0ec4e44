"""Axes: adding, removing, joining and splitting them."""

from ourdl_core import Op, ShapeOnly, Spec, namespace, ops
from ourdl_ops_basic.reductions import normalised


class Unsqueeze(Op):
    """``x`` with axes of size 1 inserted, so that they stand at ``axis`` of the result."""

    view = True
    axis: int | tuple[int, ...]

    def _shape(self, shape):
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        places = normalised(axes, len(shape) + len(axes), "Unsqueeze")
        rest = iter(shape)
        return tuple(1 if i in places else next(rest) for i in range(len(shape) + len(axes)))

    def compute(self, x):
        xp = namespace(x)
        return xp.reshape(x, self._shape(x.shape))

    def vjp(self, g, y, x):
        return ops.Squeeze(g, axis=self.axis)

    def infer(self, x):
        return Spec(self._shape(x.shape), x.dtype)


class Squeeze(Op):
    """``x`` without the axes ``axis``, which must have size 1."""

    view = True
    axis: int | tuple[int, ...]

    def compute(self, x):
        return namespace(x).squeeze(x, axis=self.axis)

    def vjp(self, g, y, x):
        return ops.Unsqueeze(g, axis=self.axis)

    def infer(self, x):
        axes = normalised(self.axis, x.ndim, "Squeeze")
        for axis in axes:
            if x.shape[axis] not in (1, None):
                raise ValueError(f"Squeeze: axis {axis} of {x} has size {x.shape[axis]}, not 1")
        return Spec(tuple(n for i, n in enumerate(x.shape) if i not in axes), x.dtype)


class Split(Op):
    """``x`` cut along ``axis`` into ``parts`` equal pieces: as many outputs."""

    parts: int = 2
    axis: int = -1

    @property
    def num_outputs(self):
        return self.parts

    def check(self):
        if self.parts < 1:
            raise ValueError(f"Split: parts must be at least 1, found {self.parts}")

    def _size(self, total):
        if total % self.parts:
            raise ValueError(f"Split: {total} elements along axis {self.axis} do not make {self.parts} equal parts")
        return total // self.parts

    def compute(self, x):
        axis = normalised(self.axis, x.ndim, "Split")[0]
        size = self._size(x.shape[axis])
        lead = (slice(None),) * axis
        return tuple(x[(*lead, slice(i * size, (i + 1) * size), ...)] for i in range(self.parts))

    view = True

    def vjp(self, g, y, x):
        return ops.Concat(*g, axis=self.axis)

    def infer(self, x):
        axis = normalised(self.axis, x.ndim, "Split")[0]
        size = None if x.shape[axis] is None else self._size(x.shape[axis])
        return (Spec((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype),) * self.parts


class Concat(Op):
    """The inputs joined along ``axis``; their other sizes are equal."""

    axis: int = 0

    def compute(self, *xs):
        return namespace(*xs).concat(xs, axis=self.axis)

    def vjp(self, g, y, *xs):
        return tuple(ops.SliceLike(g, *xs[:i], x, axis=self.axis) for i, x in enumerate(xs))

    def infer(self, *xs):
        import numpy as np

        axis = normalised(self.axis, xs[0].ndim, "Concat")[0]
        sizes = [x.shape[axis] for x in xs]
        total = None if None in sizes else sum(sizes)
        shape = list(xs[0].shape)
        for x in xs[1:]:
            if x.ndim != len(shape):
                raise ValueError(f"Concat: inputs of {len(shape)} and {x.ndim} dimensions")
            for i, n in enumerate(x.shape):
                if i != axis and None not in (n, shape[i]) and n != shape[i]:
                    raise ValueError(f"Concat: {xs[0]} and {x} differ outside axis {axis}")
                shape[i] = n if shape[i] is None else shape[i]
        shape[axis] = total
        return Spec(tuple(shape), np.result_type(*(x.dtype for x in xs)))


class SliceLike(Op):
    """The piece of ``x`` along ``axis`` where the last of ``likes`` lies when they are laid one after another."""

    axis: int = 0
    view = True

    def _place(self, x, likes):
        axis = normalised(self.axis, x.ndim, "SliceLike")[0]
        sizes = [like.shape[axis] for like in likes]
        start = sum(sizes[:-1])
        return (*(slice(None),) * axis, slice(start, start + sizes[-1]), ...)

    def compute(self, x, *likes: ShapeOnly):
        return x[self._place(x, likes)]

    def vjp(self, g, y, x, *likes):
        return ops.UnsliceLike(g, x, *likes, axis=self.axis), *(None,) * len(likes)

    def infer(self, x, *likes):
        axis = normalised(self.axis, x.ndim, "SliceLike")[0]
        return Spec((*x.shape[:axis], likes[-1].shape[axis], *x.shape[axis + 1 :]), x.dtype)


class UnsliceLike(Op):
    """Zeros of the shape of ``whole``, with ``x`` at the place where ``SliceLike`` took it: the gradient of SliceLike."""

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
