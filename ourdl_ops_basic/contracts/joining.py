"""What joining and cutting promise: held to NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample

VECTOR = np.ones(3)
MATRIX = np.ones((2, 3))


def split(x, parts=2, axis=-1):
    if not isinstance(parts, tuple):
        return tuple(np.split(x, parts, axis))
    if sum(parts) != x.shape[axis]:
        raise ValueError("the parts are not the whole")
    return tuple(np.split(x, np.cumsum(parts)[:-1], axis))


def place(likes, axis):
    """The indices along ``axis`` where the last of ``likes`` lies."""
    start = sum(like.shape[axis] for like in likes[:-1])
    return np.arange(start, start + likes[-1].shape[axis])


def unslice_like(x, whole, *likes, axis=0):
    y = np.moveaxis(np.zeros(whole.shape, x.dtype), axis, 0)
    y[place(likes, axis)] = np.moveaxis(x, axis, 0)
    return np.moveaxis(y, 0, axis)


Concat = Contract(
    samples=lambda mk: [
        (mk((2, 3)), mk((4, 3))),
        Sample(mk((2, 3, 4)), mk((2, 1, 4)), axis=1),
        Sample(mk((2, 3)), mk((2, 1)), mk((2, 4)), axis=-1),
        Sample(mk((2, 3, 4)), mk((5, 3, 4)), axis=-3),
        mk((2, 3)),
        (mk((3,)), mk((5,))),
        (mk((2, 3), dtype="int64", low=-3), mk((4, 3), dtype="int64", low=-3)),
        Sample(mk((2, 3), dtype="bool"), mk((2, 4), dtype="bool"), axis=1),
    ],
    reference=lambda *xs, axis=0: np.concatenate(xs, axis),
    errors=(
        Error(args=(MATRIX, VECTOR), type=ValueError, match="Concat: inputs of 2 and 1 dimensions"),
        Error(args=(MATRIX, np.ones((2, 4))), type=ValueError, match="Concat: .* differ outside axis 0"),
        Error(args=(MATRIX, MATRIX), type=ValueError, match="Concat: axis 2 is out of range", attributes={"axis": 2}),
    ),
)
Stack = Contract(
    samples=lambda mk: [
        (mk((2, 3, 4)), mk((2, 3, 4))),
        Sample(mk((2, 3)), mk((2, 3)), mk((2, 3)), mk((2, 3)), axis=1),
        Sample(mk((2, 3)), mk((2, 3)), mk((2, 3)), mk((2, 3)), axis=-1),
        Sample(mk((3, 4)), mk((3, 4)), axis=2),
        mk((2, 3)),
        (mk(()), mk(()), mk(())),
        Sample(mk((3,), dtype="int64", low=-3), mk((3,), dtype="int64", low=-3), axis=1),
        (mk((2, 3), dtype="bool"), mk((2, 3), dtype="bool")),
    ],
    reference=lambda *xs, axis=0: np.stack(xs, axis),
    errors=(
        Error(args=(MATRIX, np.ones((2, 4))), type=ValueError, match="Stack: .* differ"),
        Error(args=(MATRIX, VECTOR), type=ValueError, match="Stack: inputs of 2 and 1 dimensions"),
        Error(args=(MATRIX, MATRIX), type=ValueError, match="Stack: axis 3 is out of range", attributes={"axis": 3}),
    ),
)
Split = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((4, 3)), axis=0),
        Sample(mk((2, 3)), parts=3, axis=1),
        Sample(mk((2, 6)), parts=3),
        Sample(mk((2, 3)), parts=1, axis=1),
        Sample(mk((2, 4)), parts=(1, 3)),
        Sample(mk((2, 3, 5)), parts=(1, 2, 2), axis=2),
        Sample(mk((4, 2)), parts=(0, 4), axis=-2),
        Sample(mk((4,)), parts=(4,), axis=0),
        Sample(mk((2, 4), dtype="int64", low=-3), axis=1),
        Sample(mk((4,), dtype="bool"), parts=(3, 1)),
    ],
    reference=split,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="3 elements along axis -1 do not make 2 equal parts"),
        Error(args=(MATRIX,), type=ValueError, match=r"elements along axis -1 are not 1 \+ 1", attributes={"parts": (1, 1)}),
        Error(args=(MATRIX,), type=ValueError, match="'parts' must be at least 1, found 0", attributes={"parts": 0}),
    ),
)
SliceLike = Contract(
    samples=lambda mk: [
        Sample(mk((2, 5)), mk((2, 1)), mk((2, 3)), axis=1),
        Sample(mk((2, 7, 4)), mk((2, 1, 4)), mk((2, 2, 4)), mk((2, 3, 4)), axis=-2),
        (mk((5, 2)), mk((3, 2))),
        (mk((5, 2)), mk((1, 2)), mk((4, 2))),
        Sample(mk((6,)), mk((2,)), mk((3,)), axis=-1),
        Sample(mk((2, 5), dtype="int64", low=-3), mk((2, 1)), mk((2, 4)), axis=1),
    ],
    reference=lambda x, *likes, axis=0: np.take(x, place(likes, axis), axis),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="SliceLike needs at least two inputs"),
        Error(args=(MATRIX, MATRIX), type=ValueError, match="SliceLike: axis 2 is out of range", attributes={"axis": 2}),
        Error(args=(MATRIX, MATRIX, MATRIX), type=ValueError, match=r"SliceLike: pieces of \d \+ \d are longer"),
    ),
)
UnsliceLike = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3)), mk((2, 5)), mk((2, 1)), mk((2, 3)), axis=1),
        Sample(mk((2, 3, 4)), mk((2, 7, 4)), mk((2, 1, 4)), mk((2, 2, 4)), mk((2, 3, 4)), axis=-2),
        (mk((3, 2)), mk((5, 2)), mk((3, 2))),
        (mk((4, 2)), mk((5, 2)), mk((1, 2)), mk((4, 2))),
        Sample(mk((3,)), mk((6,)), mk((2,)), mk((3,)), axis=-1),
        Sample(mk((2, 4), dtype="int64", low=-3), mk((2, 5)), mk((2, 1)), mk((2, 4)), axis=1),
    ],
    reference=unslice_like,
    errors=(
        Error(args=(MATRIX, MATRIX, MATRIX), type=ValueError, match="axis 2 is out of range", attributes={"axis": 2}),
    ),
)
