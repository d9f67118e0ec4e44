"""Windows that slide over an array, and their sum: the linear pair that convolutions and pooling are made of."""

import itertools
from typing import Annotated, Literal, NamedTuple

from ourdl_core import Length, Op, Range, ShapeOnly, Spec, namespace, ops

Size = Annotated[int, Range(low=1)]
Sizes = Size | tuple[Size, ...]
Width = Annotated[int, Range(low=0)]
Padding = Literal["valid", "same"] | Width | tuple[Width | tuple[Width, Width], ...]


def each_axis(value, count, what):
    """``value``, one for all axes or a tuple with one for each of them, as a tuple; ``what`` is for the message."""
    if not isinstance(value, tuple):
        return (value,) * count
    if len(value) != count:
        raise ValueError(f"{what} {list(value)} is for {len(value)} axes, found {count}")
    return value


def settled(value, x, what):
    """``value`` with one for each axis of ``x`` between batch and channels."""
    if x.ndim < 3:
        raise ValueError(f"{what.partition(':')[0]}: x must be [batch, ..., channels], found {x.ndim} dimensions")
    return each_axis(value, x.ndim - 2, what)


class Walk(NamedTuple):
    """How windows walk along one axis: ``many`` over ``length`` elements, the first begins ``before`` elements too early."""

    length: int
    size: int
    stride: int
    dilation: int
    before: int
    after: int
    many: int

    def places(self, offset):
        """For the elements numbered ``offset`` of the windows: the windows in which it lies inside, and where it lies."""
        start = offset * self.dilation - self.before
        first = max(0, -(start // self.stride))
        last = min(self.many - 1, (self.length - 1 - start) // self.stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        lies = slice(start + first * self.stride, start + last * self.stride + 1, self.stride)
        return slice(first, last + 1), lies


class _Windowed(Op):
    """Base of the pair: how long windows are, how far apart they and their elements lie, and what is added around."""

    size: Annotated[tuple[Size, ...], Length(1)]
    strides: Sizes = 1
    dilation: Sizes = 1
    padding: Padding = "valid"
    axis: int | tuple[int, ...] | None = None

    def check(self):
        for name in ("strides", "dilation", "padding", "axis"):
            if isinstance(getattr(self, name), tuple):
                each_axis(getattr(self, name), len(self.size), f"{type(self).__name__}: {name}")

    def axes(self, ndim):
        """The axes that windows slide along: those after the first if none are named."""
        given = self.axis if self.axis is not None else tuple(range(1, 1 + len(self.size)))
        given = (given,) if isinstance(given, int) else given
        name = type(self).__name__
        for each in given:
            if not -ndim <= each < ndim:
                raise ValueError(f"{name}: axis {each} is out of range for {ndim} dimensions")
        found = tuple(each % ndim for each in given)
        if len(set(found)) != len(self.size):
            raise ValueError(f"{name}: a window of {len(self.size)} sizes needs as many different axes, found {list(given)}")
        return found

    def settings(self):
        """Size, stride, dilation and padding of each axis; a padding is "same" or a pair of numbers."""
        count = len(self.size)
        padding = 0 if self.padding == "valid" else self.padding
        pairs = (p if p == "same" or isinstance(p, tuple) else (p, p) for p in each_axis(padding, count, "padding"))
        each = (each_axis(v, count, "") for v in (self.strides, self.dilation))
        return tuple(zip(self.size, *each, pairs, strict=True))

    def walks(self, shape):
        """One Walk for each axis of windows over an array of that shape, None where its size is not known."""
        axes = self.axes(len(shape))
        return tuple(self._walk(i, shape[i], *each) for i, each in zip(axes, self.settings(), strict=True))

    def _walk(self, axis, length, size, stride, dilation, padding):
        if length is None:
            return None
        span = (size - 1) * dilation + 1
        if padding == "same":
            count = -(-length // stride)
            total = max((count - 1) * stride + span - length, 0)
            return Walk(length, size, stride, dilation, total // 2, total - total // 2, count)
        whole = length + sum(padding)
        if span > whole:
            shown = f"a window of {span}" + (f" ({size} elements {dilation} apart)" if dilation > 1 else "")
            found = f"the {whole} elements along axis {axis}" + (f" with padding {padding}" if sum(padding) else "")
            raise ValueError(f"{type(self).__name__}: {shown} is larger than {found}")
        before, after = padding
        return Walk(length, size, stride, dilation, before, after, (whole - span) // stride + 1)

    def given(self):
        """The attributes that both ops of the pair have."""
        return {name: getattr(self, name) for name in ("size", "strides", "dilation", "padding", "axis")}


class SlidingWindows(_Windowed):
    """``y[..., i, k, ...] = x[..., i * stride + k * dilation - before, ...]``: windows along axes of ``x`` (im2col).

    Each axis of ``axis`` (those after the first if not given, one for each of ``size``) becomes the number of windows
    along it, and the axes within a window stand after the last of them. ``padding``: ``"valid"`` adds nothing,
    ``"same"`` makes ``ceil(length / stride)`` windows, the odd element added at the end (as TensorFlow and JAX); a number
    for all axes, or a number or a pair (before, after) for each. What is added has the value ``fill``. OverlapAdd is its
    transpose, and so its gradient.

    >>> ops.SlidingWindows(np.array([1.0, 2.0, 3.0, 4.0]), size=[2], axis=0)
    array([[1., 2.],
           [2., 3.],
           [3., 4.]])
    """

    view = True  # with windows of one element
    fill: int | float = 0

    def compute(self, x):
        xp = namespace(x)
        axes = self.axes(x.ndim)
        for i, (axis, walk) in enumerate(zip(axes, self.walks(x.shape), strict=True)):
            x = _padded(xp, x, axis, (walk.before, walk.after), self.fill)
            starts = (k * walk.dilation for k in range(walk.size))
            pieces = [_every(x, axis, start, walk.stride, walk.many) for start in starts]
            x = xp.stack(pieces, axis=max(axes) + 1 + i)
        return x

    def vjp(self, g, y, x):
        return ops.OverlapAdd(g, x, **self.given())

    def infer(self, x):
        axes, shape = self.axes(x.ndim), list(x.shape)
        if type(self.fill) is float and x.dtype.kind != "f":
            raise TypeError(f"SlidingWindows: fill {self.fill} does not go with {x.dtype}: write a whole number")
        for axis, walk in zip(axes, self.walks(x.shape), strict=True):
            shape[axis] = None if walk is None else walk.many
        place = max(axes) + 1
        return Spec((*shape[:place], *self.size, *shape[place:]), x.dtype)


class OverlapAdd(_Windowed):
    """Windows added up, ``y[..., i * stride + k * dilation - before, ...] += x[..., i, k, ...]`` (col2im, overlap-add).

    It is the transpose of SlidingWindows of the same attributes. An axis is as long as that of ``like``; without ``like`` it
    is ``stride * count`` with padding ``"same"``, else just long enough for all windows, without what is padded, and
    with ``output_padding`` more at the end (less than the stride: as many windows fit).

    >>> ops.OverlapAdd(np.array([[1.0, 2.0], [3.0, 4.0]]), size=[2], axis=0)
    array([1., 5., 4.])
    """

    view = True  # of windows side by side
    output_padding: Width | tuple[Width, ...] = 0

    def check(self):
        super().check()
        extra = each_axis(self.output_padding, len(self.size), f"{type(self).__name__}: output_padding")
        for more, (_, stride, _, padding) in zip(extra, self.settings(), strict=True):
            if more and (padding == "same" or more >= stride):
                allowed = "0 with padding 'same'" if padding == "same" else f"less than the stride {stride}"
                raise ValueError(f"{type(self).__name__}: output_padding must be {allowed}, found {more}")

    def compute(self, x, like: ShapeOnly | None = None):
        xp = namespace(x)
        shape = self.infer(x, like).shape
        axes = self.axes(len(shape))
        for i, (axis, walk) in reversed(list(enumerate(zip(axes, self.walks(shape), strict=True)))):
            x = _overlapped(xp, x, axis, max(axes) + 1 + i, walk)
        return x

    def vjp(self, g, y, x, like):
        return ops.SlidingWindows(g, **self.given()), None

    def infer(self, x, like=None):
        dims = len(self.size)
        axes = self.axes(x.ndim - dims)
        place = max(axes) + 1
        shape = [*x.shape[:place], *x.shape[place + dims :]]
        if any(n not in (None, size) for n, size in zip(x.shape[place : place + dims], self.size, strict=True)):
            raise ValueError(f"OverlapAdd: windows of {list(self.size)} are expected along axes from {place}, found {x}")
        if like is None:
            for axis, length in zip(axes, self._lengths([shape[i] for i in axes]), strict=True):
                shape[axis] = length
            return Spec(tuple(shape), x.dtype)
        self._check_like(shape, axes, like, x)
        return Spec(tuple(like.shape), x.dtype)

    def _lengths(self, counts):
        """How long the axes are where nothing says it."""
        extra = each_axis(self.output_padding, len(self.size), "output_padding")
        found = []
        for count, more, (size, stride, dilation, padding) in zip(counts, extra, self.settings(), strict=True):
            if count is None or padding == "same":
                found.append(None if count is None else count * stride)
                continue
            length = (count - 1) * stride + (size - 1) * dilation + 1 - sum(padding) + more
            if count == 0 or length < 1:
                raise ValueError(f"OverlapAdd: {count} windows of {size} with padding {padding} leave no element")
            found.append(length)
        return found

    def _check_like(self, shape, axes, like, x):
        expected = list(like.shape)
        if len(expected) == len(shape):
            for axis, walk in zip(axes, self.walks(like.shape), strict=True):
                expected[axis] = None if walk is None else walk.many
        pairs = itertools.zip_longest(shape, expected, fillvalue=-1)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(f"OverlapAdd: {x} are not the windows of an array of shape {list(like.shape)}")


def _at(axis, index):
    return (*(slice(None),) * axis, index, ...)


def _every(x, axis, start, stride, count):
    """``count`` elements along ``axis`` from ``start`` on, ``stride`` apart."""
    return x[_at(axis, slice(start, start + max(0, (count - 1) * stride + 1) if count else start, stride))]


def _padded(xp, x, axis, widths, fill):
    if widths == (0, 0):
        return x
    shapes = [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in widths]
    before, after = (xp.full(shape, fill, dtype=x.dtype) for shape in shapes)
    return xp.concat([before, x, after], axis=axis)


def _overlapped(xp, x, axis, within, walk):
    """The sum along ``axis`` of windows whose elements stand along the axis ``within``."""
    total = None
    for k in range(walk.size):
        windows, lies = walk.places(k)
        piece = _spread(xp, x[_at(within, k)][_at(axis, windows)], axis, range(walk.length)[lies], walk.length)
        total = piece if total is None else total + piece
    return total


def _spread(xp, x, axis, places, length):
    """Zeros of ``length`` along ``axis``, with ``x`` at ``places``, a range."""
    if places.step > 1 and len(places) > 1:
        x = xp.expand_dims(x, axis=axis + 1)
        x = _padded(xp, x, axis + 1, (0, places.step - 1), 0)
        x = xp.reshape(x, (*x.shape[:axis], len(places) * places.step, *x.shape[axis + 2 :]))
        x = x[_at(axis, slice(0, places[-1] - places[0] + 1))]
    before = places[0] if places else 0
    return _padded(xp, x, axis, (before, length - before - x.shape[axis]), 0)
