"""Kernels for NumPy: sliding windows and their sum."""

import itertools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided


def sliding_windows(op, x):
    """SlidingWindows, one copy out of a strided view."""
    axes, walks = op.axes(x.ndim), op.walks(x.shape)
    widths = [(0, 0)] * x.ndim
    for axis, walk in zip(axes, walks, strict=True):
        widths[axis] = (walk.before, walk.after)
    if any(map(any, widths)):
        x = np.pad(x, widths, constant_values=op.fill)
    shape, strides = list(x.shape), list(x.strides)
    for axis, walk in zip(axes, walks, strict=True):
        shape[axis], strides[axis] = walk.many, strides[axis] * walk.stride
    place = max(axes) + 1
    shape[place:place] = op.size
    strides[place:place] = [x.strides[axis] * walk.dilation for axis, walk in zip(axes, walks, strict=True)]
    return np.ascontiguousarray(as_strided(x, shape, strides, writeable=False))


def overlap_add(op, x, like=None):
    """OverlapAdd: rows of windows at once where they lie in one piece, else one addition for each element of a window."""
    shape = op.infer(x, like).shape
    axes, walks = op.axes(len(shape)), op.walks(shape)
    if axes[-1] == max(axes) and walks[-1].dilation == 1 and x.flags.c_contiguous and x.size:
        return _by_rows(x, shape, axes, walks)
    whole = np.zeros(shape, x.dtype)
    place = max(axes) + 1
    for offsets in itertools.product(*map(range, op.size)):
        source, target = [slice(None)] * place, [slice(None)] * place
        for axis, walk, offset in zip(axes, walks, offsets, strict=True):
            source[axis], target[axis] = walk.places(offset)
        whole[tuple(target)] += x[(*source, *offsets)]
    return whole


def _by_rows(x, shape, axes, walks):
    """Along the last axis, windows far enough apart not to overlap are added together, with all that lies behind them.

    So the additions run over long pieces of memory also where there are few channels.
    """
    *others, last = walks
    place = axes[-1]
    apart = -(-last.size // last.stride)
    padded = list(shape)
    for axis, walk in zip(axes, walks, strict=True):
        padded[axis] = max(walk.before + walk.length + walk.after, (walk.many - 1) * walk.stride + walk.size)
    whole = np.zeros(padded, x.dtype)
    rows = x.reshape((*x.shape[: place + 1 + len(others)], -1))  # an element of the last axis and all behind it: one row
    for first, offsets in itertools.product(range(apart), itertools.product(*(range(walk.size) for walk in others))):
        source, target = [slice(None)] * place, [slice(None)] * place
        for axis, walk, offset in zip(axes, others, offsets, strict=False):
            begin = offset * walk.dilation
            target[axis] = slice(begin, begin + (walk.many - 1) * walk.stride + 1, walk.stride)
        start = whole[(*target, slice(first * last.stride, None))]
        # Shapes follow from where the windows lie, never from x: so nothing can be written outside of ``whole``.
        sizes = (*start.shape[:place], len(range(first, last.many, apart)), last.size * math.prod(shape[place + 1 :]))
        strides = (*start.strides[:place], apart * last.stride * whole.strides[place], x.itemsize)
        goal = as_strided(start, sizes, strides)
        goal += rows[(*source, slice(first, None, apart), *offsets)]
    inside = [slice(None)] * len(shape)
    for axis, walk in zip(axes, walks, strict=True):
        inside[axis] = slice(walk.before, walk.before + walk.length)
    return np.ascontiguousarray(whole[tuple(inside)])
