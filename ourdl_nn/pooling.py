"""Pooling: the largest element or the mean of each window, channels last."""

import math
from typing import Any, NamedTuple

from ourdl_core import Composite, Node, ops
from ourdl_nn.windows import Padding, Sizes, each_axis, settled


class _Pool(Composite):
    """Base: windows of ``pool_size`` along the axes between batch and channels."""

    pool_size: Sizes
    strides: Sizes | None = None
    padding: Padding = "valid"

    def check(self):
        name = type(self).__name__
        if isinstance(self.pool_size, tuple):
            for word in ("strides", "padding"):
                each_axis(getattr(self, word), len(self.pool_size), f"{name}: {word}")
        padding = 0 if isinstance(self.padding, str) else self.padding
        count = next((len(v) for v in (self.pool_size, padding) if isinstance(v, tuple)), 1)
        for size, width in zip(each_axis(self.pool_size, count, ""), each_axis(padding, count, ""), strict=True):
            if _widest(width) >= size:
                raise ValueError(f"{name}: padding {width} is not less than pool_size {size}: a window could be empty")

    def _windows(self, x, fill=0):
        """The windows, and the axes along which the elements of one stand."""
        size = settled(self.pool_size, x, f"{type(self).__name__}: pool_size")
        strides = size if self.strides is None else self.strides
        windows = ops.SlidingWindows(x, size=size, strides=strides, padding=self.padding, fill=fill)
        return windows, tuple(range(1 + len(size), 1 + 2 * len(size)))

    @property
    def _padded(self):
        return self.padding != "valid" and (isinstance(self.padding, str) or _widest(self.padding) > 0)


class _Step(NamedTuple):
    """One axis of a MaxPool: the array before, its windows along the axis, the largest of each, and how they lie."""

    before: Node
    windows: Node
    largest: Node
    along: dict[str, Any]


def _widest(padding):
    """The largest number in a padding, which may be nested."""
    return max(map(_widest, padding), default=0) if isinstance(padding, tuple) else padding


class MaxPool(_Pool):
    """``y[b, i, c] = max over k of x[b, i * stride + k - before, c]``: the largest element of each window.

    ``x`` [batch, ..., channels]; ``strides`` are ``pool_size`` if not given; ``padding``: see SlidingWindows, what is added
    counts as -inf. NaN where a window holds one. Equal largest elements of a window share its gradient, as of Max.

    >>> ops.MaxPool(np.array([[[1.0], [3.0], [2.0], [0.0]]]), pool_size=2)
    array([[[3.],
            [2.]]])
    """

    def body(self, x):
        return self._steps(x)[-1].largest

    def _steps(self, x):
        """The largest along one axis after the other: far fewer comparisons than over whole windows at once."""
        size = settled(self.pool_size, x, f"{type(self).__name__}: pool_size")
        strides = size if self.strides is None else each_axis(self.strides, len(size), "")
        padding = (0,) * len(size) if self.padding == "valid" else each_axis(self.padding, len(size), "")
        steps = []
        for axis, (n, stride, width) in enumerate(zip(size, strides, padding, strict=True), 1):
            width = width if width == "same" else (width,)
            along = {"size": (n,), "strides": stride, "padding": width, "axis": axis}
            windows = ops.SlidingWindows(x, **along, fill=-math.inf if self._padded else 0)
            steps.append(_Step(x, windows, ops.Max(windows, axis=axis + 1), along))
            x = steps[-1].largest
        return steps

    def vjp(self, g, y, x):
        """Of each window the number of equal largest elements, then the gradient back through the axes."""
        steps = self._steps(x)
        count = ops.OnesLike(x) if self._padded else None  # what is added does not count
        chosen = []
        for before, windows, largest, along in steps:
            within = along["axis"] + 1
            chosen.append(ops.Equal(windows, ops.Unsqueeze(largest, axis=within)))
            if count is None:
                each = ops.Cast(chosen[-1], to=before.dtype)
            else:
                each = ops.Where(chosen[-1], ops.SlidingWindows(count, **along), 0.0)
            count = ops.Sum(each, axis=within)
        g = g / count
        for (before, windows, _, along), here in zip(reversed(steps), reversed(chosen), strict=True):
            share = ops.BroadcastLike(ops.Unsqueeze(g, axis=along["axis"] + 1), windows)
            g = ops.OverlapAdd(ops.Where(here, share, 0.0), before, **along)
        return g


class AveragePool(_Pool):
    """``y[b, i, c] = mean over k of x[b, i * stride + k - before, c]``: the mean of each window.

    ``x`` [batch, ..., channels]; ``strides`` are ``pool_size`` if not given; ``padding``: see SlidingWindows. What is added
    is not counted: the mean is over the elements of ``x`` in the window, as in TensorFlow (and in PyTorch with
    ``count_include_pad=False``).

    >>> ops.AveragePool(np.array([[[1.0], [3.0], [2.0]]]), pool_size=2, padding="same")
    array([[[2.],
            [2.]]])
    """

    def body(self, x):
        windows, within = self._windows(x)
        if not self._padded:
            return ops.Mean(windows, axis=within)
        ones = ops.OnesLike(ops.Slice(x, start=0, stop=1, axis=(0, -1)))  # the same for the whole batch and all channels
        return ops.Sum(windows, axis=within) / ops.Sum(self._windows(ones)[0], axis=within)


class _GlobalPool(Composite):
    """Base: all axes between batch and channels taken together."""

    keepdims: bool = False

    def _axes(self, x):
        if x.ndim < 3:
            raise ValueError(f"{type(self).__name__}: x must be [batch, ..., channels], found {x.ndim} dimensions")
        return tuple(range(1, x.ndim - 1))


class GlobalAveragePool(_GlobalPool):
    """``y[b, c] = mean over i of x[b, i, c]``: the mean over all axes between batch and channels (Lin et al., 2013).

    ``keepdims`` keeps these axes, with size 1.

    >>> ops.GlobalAveragePool(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[2., 4.]])
    """

    def body(self, x):
        return ops.Mean(x, axis=self._axes(x), keepdims=self.keepdims)


class GlobalMaxPool(_GlobalPool):
    """``y[b, c] = max over i of x[b, i, c]``: the largest over all axes between batch and channels.

    ``keepdims`` keeps these axes, with size 1. Equal largest elements share the gradient.

    >>> ops.GlobalMaxPool(np.array([[[1.0, 2.0], [3.0, 1.0]]]))
    array([[3., 2.]])
    """

    def body(self, x):
        return ops.Max(x, axis=self._axes(x), keepdims=self.keepdims)
