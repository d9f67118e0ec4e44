"""Kernels for NumPy: sliding windows and their sum."""

import itertools

import numpy as np


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
        shape[axis], strides[axis] = walk.count, strides[axis] * walk.stride
    place = max(axes) + 1
    shape[place:place] = op.size
    strides[place:place] = [x.strides[axis] * walk.dilation for axis, walk in zip(axes, walks, strict=True)]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False))


def overlap_add(op, x, like=None):
    """OverlapAdd, one addition in place for each element of a window."""
    shape = op.infer(x, like).shape
    axes, walks = op.axes(len(shape)), op.walks(shape)
    whole = np.zeros(shape, x.dtype)
    place = max(axes) + 1
    for offsets in itertools.product(*map(range, op.size)):
        source, target = [slice(None)] * place, [slice(None)] * place
        for axis, walk, offset in zip(axes, walks, offsets, strict=True):
            source[axis], target[axis] = walk.places(offset)
        whole[tuple(target)] += x[(*source, *offsets)]
    return whole
