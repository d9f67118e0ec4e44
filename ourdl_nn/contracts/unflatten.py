"""What Unflatten and MergeAxes promise: reshapes in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample

MATRIX = np.ones((2, 6))


def unflatten(x, sizes, axis=-1):
    parts = [part.reshape(sizes) for part in np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])]
    if not parts:  # shapes alone
        axis %= x.ndim
        return x.reshape(*x.shape[:axis], *np.zeros(x.shape[axis]).reshape(sizes).shape, *x.shape[axis + 1 :])
    rest = np.delete(x.shape, axis)
    y = np.stack(parts).reshape(*rest, *parts[0].shape)
    axis %= x.ndim
    return np.moveaxis(y, range(-parts[0].ndim, 0), range(axis, axis + parts[0].ndim))


def merge_axes(x, axis=-2, count=2):
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], int(np.prod(x.shape[axis : axis + count])), *x.shape[axis + count :])


Unflatten = Contract(
    samples=lambda mk: [
        Sample(mk((2, 6)), sizes=(2, 3)),
        Sample(mk((6, 2, 5)), sizes=(-1, 2), axis=0),
        Sample(mk((2, 12, 3)), sizes=(2, -1, 3), axis=-2),
        Sample(mk((2, 4), dtype="int64"), sizes=(4,)),
    ],
    reference=unflatten,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="6 elements along axis 1 do not make", attributes={"sizes": (4, -1)}),
        Error(args=(MATRIX,), type=ValueError, match="only one size may be -1", attributes={"sizes": (-1, -1)}),
        Error(args=(MATRIX,), type=ValueError, match="axis 2 is out of range", attributes={"sizes": (6,), "axis": 2}),
    ),
)
MergeAxes = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((2, 3, 4, 5)), axis=0, count=3),
        Sample(mk((2, 3, 4)), axis=-3),
        Sample(mk((2, 3), dtype="bool"), count=1),
    ],
    reference=merge_axes,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="2 axes from 1 on, found 2 dimensions", attributes={"axis": 1}),
        Error(args=(MATRIX,), type=ValueError, match="2 axes from -3 on, found 2", attributes={"axis": -3}),
    ),
)
