"""Slices and padding."""

from typing import Annotated

from ourdl_core import Op, Range, ShapeOnly, Spec, namespace, ops
from ourdl_ops_basic.axes import Axes, normalised

Bound = int | tuple[int | None, ...] | None


class _Sliced(Op):
    """Base of Slice and its gradient: the attributes as Python slices."""

    start: Bound = None
    stop: Bound = None
    step: int | tuple[int, ...] = 1
    axis: Axes = None

    def check(self):
        if 0 in (self.step if isinstance(self.step, tuple) else (self.step,)):
            raise ValueError("Slice: step cannot be 0")
        lengths = {len(v) for v in (self.start, self.stop, self.step, self.axis) if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError("Slice: start, stop, step and axis are given for different numbers of axes")

    def slices(self, ndim):
        """One Python slice an axis."""
        given = (self.start, self.stop, self.step)
        first = tuple(range(max(len(v) if isinstance(v, tuple) else 1 for v in given)))
        axes = normalised(first if self.axis is None else self.axis, ndim, "Slice")
        columns = (v if isinstance(v, tuple) else (v,) * len(axes) for v in given)
        found = dict(zip(axes, map(slice, *columns), strict=True))
        return tuple(found.get(i, slice(None)) for i in range(ndim))


class Slice(_Sliced):
    """``x[start:stop:step]`` along ``axis``, as Python slices: from the end where negative, cut off at the ends.

    Each attribute is one value, or one for each of several axes; without ``axis`` they are the first ones. (In ONNX
    they are inputs.)

    >>> ops.Slice(np.array([1.0, 2.0, 3.0, 4.0]), start=1, stop=-1)
    array([2., 3.])
    """

    view = True

    def compute(self, x):
        return x[tuple(_within(s, n) for s, n in zip(self.slices(x.ndim), x.shape, strict=True))]

    def vjp(self, g, y, x):
        return ops.Unslice(g, x, start=self.start, stop=self.stop, step=self.step, axis=self.axis)

    def infer(self, x):
        return Spec(tuple(_length(s, n) for s, n in zip(self.slices(x.ndim), x.shape, strict=True)), x.dtype)


class Unslice(_Sliced):
    """Zeros of the shape of ``like``, with ``x`` where Slice would take it: the gradient of Slice.

    >>> ops.Unslice(np.array([1.0, 2.0]), np.zeros(4), step=2)
    array([1., 0., 2., 0.])
    """

    def compute(self, x, like: ShapeOnly):
        xp = namespace(x)
        for axis, (each, size) in enumerate(zip(self.slices(x.ndim), like.shape, strict=True)):
            if each != slice(None):
                x = _spread(xp, x, axis, range(*each.indices(size)), size)
        return x

    def vjp(self, g, y, x, like):
        return ops.Slice(g, start=self.start, stop=self.stop, step=self.step, axis=self.axis), None

    def infer(self, x, like):
        return Spec(like.shape, x.dtype)


def _within(given, size):
    """The same slice with bounds inside the axis, as the array API standard asks."""
    start, stop, step = given.indices(size)
    if not range(start, stop, step):
        return slice(0, 0)
    return slice(start, None if stop < 0 else stop, step)


def _length(given, size):
    if size is None:
        return None if given != slice(None) else size
    return len(range(*given.indices(size)))


def _spread(xp, x, axis, places, size):
    """Zeros of ``size`` along ``axis`` with ``x`` at ``places``, a range."""
    if places and places.step < 0:
        x, places = xp.flip(x, axis=axis), places[::-1]
    if len(places) > 1 and places.step > 1:
        gaps = _zeros(xp, x, axis, len(places), places.step - 1)
        x = xp.concat([xp.expand_dims(x, axis=axis + 1), gaps], axis=axis + 1)
        x = xp.reshape(x, (*x.shape[:axis], len(places) * places.step, *x.shape[axis + 2 :]))
        x = x[(*(slice(None),) * axis, slice(0, places[-1] - places[0] + 1), ...)]
    before = places[0] if places else 0
    after = size - before - x.shape[axis]
    return xp.concat([_zeros(xp, x, axis, before), x, _zeros(xp, x, axis, after)], axis=axis)


def _zeros(xp, x, axis, *sizes):
    """Zeros of the shape of ``x`` with ``sizes`` in place of ``axis``."""
    return xp.zeros((*x.shape[:axis], *sizes, *x.shape[axis + 1 :]), dtype=x.dtype)


class Pad(Op):
    """``x`` with ``widths[i] = (before, after)`` elements of the value ``fill`` added around axis ``i``.

    ONNX's constant mode, whose ``pads`` list all that is added before, then all after, and may be negative.

    >>> ops.Pad(np.array([1.0, 2.0]), widths=((1, 2),), fill=9)
    array([9., 1., 2., 9., 9.])
    """

    view = True  # with nothing to add
    widths: tuple[tuple[Annotated[int, Range(low=0)], Annotated[int, Range(low=0)]], ...]
    fill: int | float = 0

    def compute(self, x):
        xp = namespace(x)
        for axis, sizes in enumerate(self.widths):
            if sizes != (0, 0):
                shapes = ((*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in sizes)
                before, after = (xp.full(shape, self.fill, dtype=x.dtype) for shape in shapes)
                x = xp.concat([before, x, after], axis=axis)
        return x

    def vjp(self, g, y, x):
        start = tuple(before for before, _ in self.widths)
        stop = tuple(-after or None for _, after in self.widths)
        return ops.Slice(g, start=start, stop=stop, axis=tuple(range(x.ndim)), step=(1,) * x.ndim)

    def infer(self, x):
        if len(self.widths) != x.ndim:
            raise ValueError(f"Pad: widths are for {len(self.widths)} axes, found {x.ndim} dimensions")
        if type(self.fill) is float and x.dtype.kind != "f":
            raise TypeError(f"Pad: fill {self.fill} does not go with {x.dtype}: write a whole number")
        pairs = zip(x.shape, self.widths, strict=True)
        return Spec(tuple(None if n is None else n + sum(width) for n, width in pairs), x.dtype)
