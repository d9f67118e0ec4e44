"""Kernels for NumPy: sliding windows and their sum."""

import itertools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided


def sliding_windows(op, x, out=None):
    """SlidingWindows, one copy out of a strided view; no copy where windows lie side by side."""
    axes, walks = op.axes(x.ndim), op.walks(x.shape)
    if out is None and all(map(_side_by_side, walks)):
        return _tiles(x, axes, walks)
    padded = _padded(x, axes, walks, op.fill)
    shape, strides = list(padded.shape), list(padded.strides)
    for axis, walk in zip(axes, walks, strict=True):
        shape[axis], strides[axis] = walk.many, strides[axis] * walk.stride
    place = max(axes) + 1
    shape[place:place] = op.size
    strides[place:place] = [padded.strides[axis] * walk.dilation for axis, walk in zip(axes, walks, strict=True)]
    if out is None:
        out = np.empty(shape, x.dtype)
    if out.size and out.flags.c_contiguous and padded.flags.c_contiguous:
        # From here on all that lies in one piece is one element: a row of a window, or what is behind it.
        begin = place + len(op.size) - (axes[-1] == place - 1 and walks[-1].dilation == 1)
        piece = np.dtype(f"V{math.prod(shape[begin:]) * x.itemsize}")
        windows = np.ndarray(shape[:begin], piece, padded, strides=strides[:begin])
        np.copyto(np.ndarray(shape[:begin], piece, out), windows)
    else:
        np.copyto(out, as_strided(padded, shape, strides, writeable=False))
    return out


def _padded(x, axes, walks, fill):
    """``x`` with ``fill`` before and after, along the axes."""
    shape, inside = list(x.shape), [slice(None)] * x.ndim
    for axis, walk in zip(axes, walks, strict=True):
        shape[axis] += walk.before + walk.after
        inside[axis] = slice(walk.before, walk.before + walk.length)
    if tuple(shape) == x.shape:
        return x
    padded = np.full(shape, fill, x.dtype)
    padded[tuple(inside)] = x
    return padded


def overlap_add(op, x, like=None, out=None):
    """OverlapAdd: rows of windows at once where they lie in one piece, else one addition for each element of a window."""
    shape = op.infer(x, like).shape
    axes, walks = op.axes(len(shape)), op.walks(shape)
    if out is None and all(_side_by_side(walk) and walk.many * walk.size == walk.length for walk in walks):
        return _joined(x, shape, axes)
    if axes[-1] == max(axes) and walks[-1].dilation == 1 and x.flags.c_contiguous and x.size:
        return _by_rows(x, shape, axes, walks, out)
    whole = np.empty(shape, x.dtype) if out is None else out
    whole.fill(0)
    place = max(axes) + 1
    for offsets in itertools.product(*map(range, op.size)):
        source, target = [slice(None)] * place, [slice(None)] * place
        for axis, walk, offset in zip(axes, walks, offsets, strict=True):
            source[axis], target[axis] = walk.places(offset)
        whole[tuple(target)] += x[(*source, *offsets)]
    return whole


def _side_by_side(walk):
    """Whether each window begins where the one before ended."""
    return walk.stride == walk.size and walk.dilation == 1 and not walk.before and not walk.after


def _tiles(x, axes, walks):
    """Windows that lie side by side: a view."""
    whole, sizes = [slice(None)] * x.ndim, [[n] for n in x.shape]
    for axis, walk in zip(axes, walks, strict=True):
        whole[axis], sizes[axis] = slice(0, walk.many * walk.size), [walk.many, walk.size]
    if any(walk.many * walk.size != walk.length for walk in walks):
        x = x[tuple(whole)]
    return x.reshape(tuple(n for each in sizes for n in each)).transpose(_order_of_tiles(x.ndim, axes))


def _order_of_tiles(ndim, axes):
    """Where the axes of tiles stand when each windowed axis has become two."""
    places = [axis + sum(each < axis for each in axes) for axis in range(ndim)]
    last = max(axes) + 1
    return (*places[:last], *(places[axis] + 1 for axis in axes), *places[last:])


def _joined(x, shape, axes):
    """The sum of windows that lie side by side: an array of their elements."""
    order = _order_of_tiles(len(shape), axes)
    return x.transpose(tuple(order.index(k) for k in range(len(order)))).reshape(shape)


def _by_rows(x, shape, axes, walks, out):
    """Along the last axis, windows far enough apart not to overlap are added together, with all that lies behind them.

    So the additions run over long pieces of memory also where there are few channels.
    """
    *others, last = walks
    place = axes[-1]
    apart = -(-last.size // last.stride)
    padded = list(shape)
    for axis, walk in zip(axes, walks, strict=True):
        padded[axis] = max(walk.before + walk.length + walk.after, (walk.many - 1) * walk.stride + walk.size)
    whole = np.empty(padded, x.dtype) if out is None or padded != list(shape) else out
    whole.fill(0)
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
    if whole is out:
        return out
    if out is None:
        return np.ascontiguousarray(whole[tuple(inside)])
    np.copyto(out, whole[tuple(inside)])
    return out
