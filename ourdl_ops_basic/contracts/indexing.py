"""What choosing by index promises: held to NumPy's indexing, and to loops over the indices."""

import numpy as np

from ourdl_core import Contract, Error, Sample

VECTOR = np.ones(3)
MATRIX = np.ones((2, 3))
REPEATED = np.array([[0, 2, 2, 1, -1], [1, -4, 3, 0, 2]])  # into an axis of 4, some twice and some from the end
ALONG = np.array([[0, 2, -1, 0, 0], [1, 1, 2, -3, 1]])  # into an axis of 3


def scatter_add(x, indices, like, axis=0):
    y = np.moveaxis(np.zeros(like.shape, x.dtype), axis, 0)
    first, indices = axis % like.ndim, np.asarray(indices)
    slices = np.moveaxis(x, range(first, first + indices.ndim), range(indices.ndim))
    for place in np.ndindex(indices.shape):
        y[int(indices[place])] += slices[place]
    return np.moveaxis(y, 0, axis)


def put_along_axis(x, indices, like, axis=-1):
    y = np.zeros(like.shape, x.dtype)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = int(indices[place])
        y[tuple(target)] += x[place]
    return y


def one_hot(indices, depth, axis=-1, to="float32"):
    """Row after row: 1 at the index, if there is such a place."""
    indices = np.asarray(indices)
    y = np.zeros((*indices.shape, depth), to)
    for place in np.ndindex(indices.shape):
        if -depth <= int(indices[place]) < depth:
            y[place][int(indices[place])] = 1
    return np.moveaxis(y, -1, axis)


Gather = Contract(
    samples=lambda mk: [
        (mk((4, 3)), REPEATED),
        (mk((4, 3)), mk((5,), low=-4, high=4, dtype="int64")),
        Sample(mk((3, 2, 4)), REPEATED[:, :1], axis=-1),
        Sample(mk((2, 4, 3)), np.array([1, 1, 3, 0, -2]), axis=1),
        (mk((4, 3)), mk((5, 2), low=-4, high=4, dtype="int32")),
        (mk((4, 3)), mk((5, 2), high=4, dtype="uint8")),
        (mk((4, 3)), np.asarray(2)),
        (mk((4, 3)), -1),
        (mk((4,)), np.asarray(-3)),
        (mk((4, 3), dtype="int64", low=-3), np.array([1, 0, 1, 3, -1])),
        (mk((4,), dtype="bool"), np.array([2, -1, 0])),
    ],
    reference=lambda x, indices, axis=0: np.take(x, indices, axis),
    errors=(
        Error(args=(MATRIX, VECTOR), type=TypeError, match="Gather: indices are whole numbers, found float64"),
        Error(args=(MATRIX, REPEATED), type=ValueError, match="Gather: axis 2 is out of range", attributes={"axis": 2}),
        Error(args=(VECTOR, np.array([0, -4])), type=IndexError, match="out of bounds"),
    ),
)
ScatterAdd = Contract(
    samples=lambda mk: [
        (mk((2, 5, 3)), REPEATED, mk((4, 3))),
        (mk((5, 3)), mk((5,), low=-4, high=4, dtype="int64"), mk((4, 3))),
        Sample(mk((3, 2, 5)), mk((5,), low=-4, high=4, dtype="int64"), mk((3, 2, 4)), axis=-1),
        Sample(mk((3, 5, 2, 6)), mk((5, 2), low=-4, high=4, dtype="int32"), mk((3, 4, 6)), axis=1),
        (mk((5, 3)), mk((5,), high=4, dtype="uint8"), mk((4, 3))),
        (mk((3,)), np.asarray(2), mk((4, 3))),
        (mk((3,)), -1, mk((4, 3))),
        (mk((5,)), np.array([0, 2, 2, 1, -1]), mk((4,))),
        (mk((5, 3)), np.array([1, 0, 1, 3, -1]), mk((4, 3), dtype="int64")),  # the dtype stays that of x
        (mk((5, 3), dtype="int64", low=-3), np.array([1, 0, 1, 3, -1]), mk((4, 3))),
    ],
    reference=scatter_add,
    errors=(
        Error(args=(MATRIX, np.ones(2), MATRIX), type=TypeError, match="ScatterAdd: indices are whole numbers"),
        Error(args=(VECTOR, np.array([0]), MATRIX), type=ValueError, match="axis 2 is out of range", attributes={"axis": 2}),
    ),
)
TakeAlongAxis = Contract(
    samples=lambda mk: [
        (mk((2, 3)), ALONG),
        (mk((2, 3)), mk((2, 4), low=-3, high=3, dtype="int64")),
        Sample(mk((4, 3)), mk((2, 3), low=-4, high=4, dtype="int64"), axis=0),
        Sample(mk((5, 2, 3)), mk((5, 4, 3), low=-2, high=2, dtype="int32"), axis=-2),
        (mk((2, 3)), mk((2, 4), high=3, dtype="uint8")),
        (mk((4,)), np.array([3, -1, 0])),
        (mk((2, 3), dtype="int64", low=-3), ALONG),
        (mk((2, 3), dtype="bool"), ALONG),
    ],
    reference=lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis),
    errors=(
        Error(args=(MATRIX, MATRIX), type=TypeError, match="TakeAlongAxis: indices are whole numbers"),
        Error(args=(MATRIX, np.array([0])), type=ValueError, match="as many dimensions"),
        Error(args=(MATRIX, np.zeros((3, 3), int)), type=ValueError, match="differ outside axis 1"),
        Error(args=(VECTOR, np.array([3])), type=IndexError, match="out of bounds"),
    ),
)
PutAlongAxis = Contract(
    samples=lambda mk: [
        (mk((2, 5)), ALONG, mk((2, 3))),
        (mk((2, 4)), mk((2, 4), low=-3, high=3, dtype="int64"), mk((2, 3))),
        Sample(mk((2, 3)), mk((2, 3), low=-4, high=4, dtype="int64"), mk((4, 3)), axis=0),
        Sample(mk((5, 4, 3)), mk((5, 4, 3), low=-2, high=2, dtype="int32"), mk((5, 2, 3)), axis=-2),
        (mk((2, 4)), mk((2, 4), high=3, dtype="uint8"), mk((2, 3))),
        (mk((5,)), np.array([3, -1, 0, 0, 3]), mk((4,))),
        (mk((2, 5)), ALONG, mk((2, 3), dtype="int64")),  # the dtype stays that of x
        (mk((2, 5), dtype="int64", low=-3), ALONG, mk((2, 3))),
    ],
    reference=put_along_axis,
    errors=(
        Error(args=(MATRIX, MATRIX, MATRIX), type=TypeError, match="PutAlongAxis: indices are whole numbers"),
        Error(args=(MATRIX, ALONG, MATRIX), type=ValueError, match="axis 2 is out of range", attributes={"axis": 2}),
    ),
)
OneHot = Contract(
    samples=lambda mk: [
        Sample(np.array([[0, 2, 1, -1], [2, -3, 0, 1]]), depth=3),
        Sample(mk((2, 4), low=-3, high=3, dtype="int64"), depth=3, axis=0),
        Sample(mk((2, 4), low=-3, high=3, dtype="int32"), depth=3, axis=1, to="float64"),
        Sample(mk((5,), high=4, dtype="uint8"), depth=4, axis=-2, to="int64"),
        Sample(np.asarray(1), depth=3, to="bool"),
        Sample(np.array([3, 7, -4, 0]), depth=3),  # out of range: all 0
        Sample(mk((4,), low=-9, high=9, dtype="int64"), depth=5),
        Sample(np.array([0, 1, 0]), depth=1, to="float64"),
    ],
    reference=one_hot,
    errors=(
        Error(args=(MATRIX,), type=TypeError, match="OneHot: indices are whole numbers", attributes={"depth": 3}),
        Error(args=(REPEATED,), type=ValueError, match="depth", attributes={"depth": -1}),
        Error(args=(REPEATED,), type=ValueError, match="axis 3 is out of range", attributes={"depth": 3, "axis": 3}),
    ),
    dtypes=(),
    claims={"fixed_dtype"},
)
