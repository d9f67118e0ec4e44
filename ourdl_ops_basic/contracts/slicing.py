"""What slices and padding promise: held to Python slices of NumPy arrays."""

import math

import numpy as np

from ourdl_core import Contract, Error, Sample

MATRIX = np.ones((2, 3))


def index(ndim, start=None, stop=None, step=1, axis=None):
    """The attributes as an index of NumPy: one value, or one for each of several axes (the first ones if none is named)."""
    count = max(len(v) for v in (start, stop, step, axis, (None,)) if isinstance(v, tuple))
    if axis == ():
        count = 0
    axes = range(count) if axis is None else np.atleast_1d(np.asarray(axis, int))
    found = [slice(None)] * ndim
    for k, place in enumerate(axes):
        found[place] = slice(*(v[k] if isinstance(v, tuple) else v for v in (start, stop, step)))
    return tuple(found)


def unslice(x, like, **attributes):
    y = np.zeros(like.shape, x.dtype)
    place = index(like.ndim, **attributes)
    if y[place].shape != x.shape:
        raise ValueError("x is no slice of like")
    y[place] = x
    return y


Slice = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), start=1, stop=2, axis=1),
        Sample(mk((2, 3, 4)), start=-2, axis=1),
        Sample(mk((2, 3, 4)), stop=-1, axis=-1),
        Sample(mk((2, 3, 4)), start=-9, stop=9, axis=1),  # cut off at the ends
        Sample(mk((2, 5)), step=2, axis=-1),
        Sample(mk((2, 5)), start=1, step=3, axis=1),
        Sample(mk((2, 4)), step=-1, axis=-1),
        Sample(mk((2, 5)), start=3, stop=0, step=-2, axis=1),
        Sample(mk((2, 5)), start=1, stop=-9, step=-1, axis=1),
        Sample(mk((2, 3, 4)), start=(None, 1), stop=(1, None)),
        Sample(mk((2, 3, 5)), start=(None, 4), stop=(None, 0), step=(-1, -3), axis=(0, 2)),
        Sample(mk((2, 3, 4)), start=1, axis=(1, -1)),  # one value for both axes
        Sample(mk((4, 3)), stop=1),
        mk((2, 3)),
        Sample(mk((2, 3)), start=1, axis=()),
        Sample(mk((2, 3)), start=5, stop=9, axis=1),
        Sample(mk((2, 3), dtype="int64", low=-3), start=1, axis=1),
        Sample(mk((5,), dtype="bool"), step=2),
    ],
    reference=lambda x, **attributes: x[index(x.ndim, **attributes)],
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="step cannot be 0", attributes={"step": 0}),
        Error(args=(MATRIX,), type=ValueError, match="different numbers of axes", attributes={"stop": (0, 1), "axis": (1,)}),
        Error(args=(MATRIX,), type=ValueError, match="Slice: axis 2 is out of range", attributes={"start": 1, "axis": 2}),
    ),
)
Unslice = Contract(
    samples=lambda mk: [
        Sample(mk((2, 1, 4)), mk((2, 3, 4)), start=1, stop=2, axis=1),
        Sample(mk((2, 4)), mk((2, 6)), start=-5, stop=-1, axis=-1),
        Sample(mk((2, 3)), mk((2, 5)), step=2, axis=1),
        Sample(mk((2, 3, 4)), mk((2, 3, 11)), start=1, stop=11, step=3, axis=2),
        Sample(mk((2, 4)), mk((2, 4)), step=-1, axis=-1),
        Sample(mk((2, 3)), mk((2, 7)), stop=0, step=-2, axis=1),
        Sample(mk((2, 4)), mk((3, 5)), start=(None, 1), stop=(2, None)),
        Sample(mk((2, 3)), mk((6, 7)), start=(4, None), stop=(None, 5), step=(-3, 2), axis=(0, 1)),
        Sample(mk((3,)), mk((5,)), stop=3),
        (mk((2, 3)), mk((2, 3))),
        Sample(mk((2, 3)), mk((2, 4), dtype="int64"), start=1, axis=1),  # the dtype stays that of x
        Sample(mk((2, 3), dtype="int64", low=-3), mk((2, 4)), start=1, axis=1),
        Sample(mk((3,), dtype="bool"), mk((5,)), step=2),
    ],
    reference=unslice,
    errors=(
        Error(args=(MATRIX, MATRIX), type=ValueError, match="step cannot be 0", attributes={"step": 0}),
        Error(args=(MATRIX, MATRIX), type=ValueError, match="axis 2 is out of range", attributes={"stop": 1, "axis": 2}),
    ),
)
Pad = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), widths=((1, 2), (0, 0), (3, 0))),
        Sample(mk((2, 3)), widths=((0, 1), (0, 1)), fill=-1.5),
        Sample(mk((2, 3)), widths=((0, 0), (0, 0))),
        Sample(mk((2, 3)), widths=((1, 0), (1, 0)), fill=math.inf),
        Sample(mk((4,)), widths=((2, 1),), fill=3),
        Sample(mk(()), widths=()),
        Sample(mk((2, 3), dtype="int64", low=-3), widths=((1, 1), (1, 1)), fill=7),
        Sample(mk((2, 3), dtype="bool"), widths=((1, 1), (0, 2))),
    ],
    reference=lambda x, widths, fill=0: np.pad(x, widths, constant_values=fill) if widths else x,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="for 1 axes, found 2 dimensions", attributes={"widths": ((1, 1),)}),
        Error(args=(MATRIX,), type=ValueError, match="widths", attributes={"widths": ((-1, 1), (0, 0))}),
        Error(
            args=(np.ones((2, 3), np.int32),),
            type=TypeError,
            match="fill 0.5 does not go with int32",
            attributes={"widths": ((0, 1), (0, 1)), "fill": 0.5},
        ),
    ),
)
