"""What sliding windows and their sum promise: element by element, in loops."""

import itertools
from typing import Any

import numpy as np

from ourdl_core import Contract, Error, Sample


def each(value, count):
    return value if isinstance(value, tuple) else (value,) * count


def walk(length, size, stride, dilation, padding):
    """Where the elements of each window lie along an axis, [windows, size]; outside of it where they are padding."""
    reach = dilation * (size - 1) + 1
    if padding == "same":
        many = int(np.ceil(length / stride))
        before = max(0, stride * (many - 1) + reach - length) // 2
    else:
        before, after = each(0 if padding == "valid" else padding, 2)
        if before + length + after < reach:
            raise ValueError("no window fits")
        many = (before + length + after - reach) // stride + 1
    rows = [[i * stride + k * dilation - before for k in range(size)] for i in range(many)]
    return np.array(rows, int).reshape(many, size)


def places_of(axis, count, ndim):
    return tuple(range(1, count + 1)) if axis is None else tuple(i % ndim for i in each(axis, 1))


def walks(shape, size, strides=1, dilation=1, padding="valid", axis=None):
    """The axes, and along each where the elements of windows lie."""
    count = len(size)
    axes = places_of(axis, count, len(shape))
    settings = zip(axes, size, each(strides, count), each(dilation, count), each(padding, count), strict=True)
    return axes, [walk(shape[i], *rest) for i, *rest in settings]


def places(axes, found):
    """Of every element of every window: its index among windows, and where it lies."""
    for index in itertools.product(*(range(n) for each in found for n in each.shape)):
        yield index[::2], index[1::2], tuple(w[i, k] for w, i, k in zip(found, index[::2], index[1::2], strict=True))


def put(ndim, axes, index):
    """An index of an array that is ``index`` along ``axes``."""
    full = [slice(None)] * ndim
    for axis, i in zip(axes, index, strict=True):
        full[axis] = i
    return tuple(full)


def sliding_windows(x, size, fill=0, **settings):
    axes, found = walks(x.shape, size, **settings)
    shape, last = list(x.shape), max(axes) + 1
    for axis, w in zip(axes, found, strict=True):
        shape[axis] = len(w)
    y = np.full((*shape[:last], *size, *shape[last:]), fill, x.dtype)
    for window, element, place in places(axes, found):
        if all(0 <= p < x.shape[axis] for axis, p in zip(axes, place, strict=True)):
            within = tuple(range(last, last + len(size)))
            y[put(y.ndim, (*axes, *within), (*window, *element))] = x[put(x.ndim, axes, place)]
    return y


def overlap_add(x, like=None, size=(), output_padding=0, **settings):
    count = len(size)
    shape = list(x.shape)
    axes = places_of(settings.get("axis"), count, x.ndim - count)
    last = max(axes) + 1
    if x.shape[last : last + count] != tuple(size):
        raise ValueError("windows of other sizes")
    del shape[last : last + count]
    if like is None:
        for i, axis in enumerate(axes):
            stride, dilation = each(settings.get("strides", 1), count)[i], each(settings.get("dilation", 1), count)[i]
            pad = settings.get("padding", "valid")
            pad = 0 if pad == "valid" else pad if pad == "same" else each(pad, count)[i]
            if pad == "same":
                shape[axis] *= stride
            elif shape[axis]:
                reach = (shape[axis] - 1) * stride + (size[i] - 1) * dilation + 1
                shape[axis] = reach - sum(each(pad, 2)) + each(output_padding, count)[i]
            else:
                raise ValueError("no windows")
    else:
        shape = list(like.shape)
    y = np.zeros(shape, x.dtype)
    axes, found = walks(shape, size, **settings)
    within = tuple(range(last, last + count))
    if sliding_windows(y, size, **settings).shape != x.shape:
        raise ValueError("not the windows of like")
    for window, element, place in places(axes, found):
        if all(0 <= p < y.shape[axis] for axis, p in zip(axes, place, strict=True)):
            y[put(y.ndim, axes, place)] += x[put(x.ndim, (*axes, *within), (*window, *element))]
    return y


SETTINGS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((5, 3), {"size": (2,), "axis": 0}),
    ((2, 7, 3), {"size": (3,), "strides": 2}),
    ((2, 7, 3), {"size": (2,), "strides": 3}),
    ((2, 6, 3), {"size": (3,), "dilation": 2, "padding": 1}),
    ((2, 5, 4, 3), {"size": (3, 2), "padding": "same"}),
    ((2, 5, 4, 3), {"size": (2, 3), "strides": (2, 3), "padding": "same", "axis": (1, -2)}),
    ((4, 2, 5, 3), {"size": (2, 3), "axis": (2, 0), "padding": ((0, 2), 1)}),
    ((2, 3, 4), {"size": (1,)}),
]
REFUSED = (
    Error(
        args=(np.ones((2, 3)),),
        type=ValueError,
        match="a window of 4 is larger than the 3 elements along axis 1",
        attributes={"size": (4,)},
    ),
    Error(args=(np.ones((2, 3)),), type=ValueError, match="'size' must be at least 1", attributes={"size": (0,)}),
    Error(args=(np.ones((2, 3)),), type=ValueError, match="axis 2 is out of range", attributes={"size": (1,), "axis": 2}),
    Error(args=(np.ones((2, 3)),), type=ValueError, match="as many different axes", attributes={"size": (1, 1), "axis": 1}),
    Error(args=(np.ones((2, 3)),), type=ValueError, match="'strides' must be", attributes={"size": (1,), "strides": 0}),
    Error(args=(np.ones((2, 3)),), type=ValueError, match="for 2 axes", attributes={"size": (1,), "dilation": (1, 1)}),
)

SlidingWindows = Contract(
    samples=lambda mk: [
        *(Sample(mk(shape), **settings) for shape, settings in SETTINGS),
        Sample(mk((2, 4, 3)), size=(3,), padding=2, fill=0.5),
        Sample(mk((2, 4), dtype="int64"), size=(3,), padding=((1, 0),), fill=-1),
    ],
    reference=sliding_windows,
    errors=(
        *REFUSED,
        Error(
            args=(np.ones((2, 3), np.int64),),
            type=TypeError,
            match="fill 0.5 does not go with int64",
            attributes={"size": (1,), "fill": 0.5},
        ),
    ),
)

OverlapAdd = Contract(
    samples=lambda mk: [
        *(
            Sample(mk(sliding_windows(np.ones(shape), **settings).shape), mk(shape), **settings)
            for shape, settings in SETTINGS
        ),
        Sample(mk((2, 4, 3, 5)), size=(3,), strides=2, output_padding=1),
        Sample(mk((2, 4, 3, 5)), None, size=(3,), strides=2, padding="same"),
        Sample(mk((2, 3, 4, 2, 3)), None, size=(2, 3), dilation=(1, 2), strides=(3, 2), padding=1, output_padding=(2, 0)),
        Sample(mk((4, 3), dtype="int64", low=-3), size=(3,), axis=0),
    ],
    reference=overlap_add,
    errors=(
        Error(
            args=(np.ones((2, 3, 2)), np.ones((2, 5))),
            type=ValueError,
            match=r"are not the windows of an array of shape \[2, 5\]",
            attributes={"size": (2,)},
        ),
        Error(
            args=(np.ones((2, 3, 2)),), type=ValueError, match=r"windows of \[3\] are expected", attributes={"size": (3,)}
        ),
        Error(
            args=(np.ones((2, 3, 2)),),
            type=ValueError,
            match="output_padding must be less than the stride 1, found 1",
            attributes={"size": (2,), "output_padding": 1},
        ),
        Error(
            args=(np.ones((2, 3, 2)),),
            type=ValueError,
            match="output_padding must be 0 with padding 'same'",
            attributes={"size": (2,), "output_padding": 1, "strides": 2, "padding": "same"},
        ),
    ),
)
