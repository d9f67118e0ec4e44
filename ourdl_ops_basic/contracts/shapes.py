"""What the ops of shapes promise: held to NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample

VECTOR = np.ones(3)
MATRIX = np.ones((2, 3))


def anything(mk):
    """Arrays of every kind, for what looks at the shape only."""
    return [
        mk((2, 3, 4)),
        mk((3, 5)),
        mk((6,)),
        mk(()),
        mk((2, 1, 3)),
        mk((3, 2), dtype="int64"),
        mk((4,), dtype="int32"),
        mk((2, 3), dtype="bool"),
    ]


def flatten(x, axis=1):
    before = x.shape[:axis]
    return np.reshape(x, (np.prod(before, dtype=int), np.prod(x.shape[len(before) :], dtype=int)))


def broadcast_like(x, like):
    x = x if isinstance(x, np.ndarray) else np.asarray(x, like.dtype)  # a number takes the dtype of like
    return np.broadcast_to(x, like.shape)


def sum_to(x, like):
    """Added element by element: place ``i`` of x goes where like has size 1, or the same place."""
    y = np.zeros(like.shape, x.dtype)
    if np.broadcast_shapes(x.shape, like.shape) != x.shape:
        raise ValueError("like does not broadcast to the shape of x")
    for place in np.ndindex(x.shape):
        last = place[x.ndim - like.ndim :]
        y[tuple(0 if n == 1 else i for i, n in zip(last, like.shape, strict=True))] += x[place]
    return y


OnesLike = Contract(samples=anything, reference=lambda like: np.ones(like.shape, like.dtype), claims=())
ZerosLike = Contract(samples=anything, reference=lambda like: np.zeros(like.shape, like.dtype), claims=())
Shape = Contract(samples=anything, reference=lambda like: np.array(like.shape, np.int64), claims=())
Size = Contract(samples=anything, reference=lambda like: np.asarray(like.size, np.int64), claims=())
Reshape = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), shape=(6, 4)),
        Sample(mk((2, 3, 4)), shape=(-1,)),
        Sample(mk((2, 3, 4)), shape=(4, -1, 2)),
        Sample(mk((2, 3)), shape=(2, 1, 3, 1)),
        Sample(mk(()), shape=(1, -1)),
        Sample(mk(()), shape=()),
        Sample(mk((1, 1)), shape=()),
        Sample(mk((2, 3), dtype="int64", low=-3), shape=(3, 2)),
        Sample(mk((2, 3), dtype="bool"), shape=(6,)),
    ],
    reference=lambda x, shape: np.reshape(x, shape),
    errors=(
        Error(args=(VECTOR,), type=ValueError, match="sizes are 0 or more, one may be -1", attributes={"shape": (-1, -1)}),
        Error(args=(VECTOR,), type=ValueError, match=r"3 elements, .* make shape \[2, -1\]", attributes={"shape": (2, -1)}),
        Error(args=(MATRIX,), type=ValueError, match=r"6 elements, .* make shape \[2, 2\]", attributes={"shape": (2, 2)}),
    ),
)
ReshapeLike = Contract(
    samples=lambda mk: [
        (mk((2, 3, 4)), mk((4, 6))),
        (mk((6, 4)), mk((2, 3, 4))),
        (mk((2, 3)), mk((6,))),
        (mk(()), mk((1, 1))),
        (mk((1, 1)), mk(())),
        (mk((2, 3)), mk((3, 2), dtype="int64")),  # like may have another dtype
        (mk((2, 3), dtype="int64", low=-3), mk((3, 2))),
        (mk((6,), dtype="bool"), mk((3, 2))),
    ],
    reference=lambda x, like: np.reshape(x, like.shape),
    errors=(Error(args=(MATRIX, VECTOR), type=ValueError, match="ReshapeLike: .* does not have as many elements as"),),
)
Flatten = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((2, 3, 4)), axis=0),
        Sample(mk((2, 3, 4)), axis=2),
        Sample(mk((2, 3, 4)), axis=3),
        Sample(mk((2, 3, 4)), axis=-1),
        Sample(mk((2, 3, 4)), axis=-2),
        mk((5,)),
        Sample(mk(()), axis=0),
        Sample(mk((3, 2, 4), dtype="int64", low=-3), axis=2),
        mk((2, 3, 4), dtype="bool"),
    ],
    reference=flatten,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="axis 3 is out of range for 2 dimensions", attributes={"axis": 3}),
        Error(args=(np.ones(()),), type=ValueError, match="axis 1 is out of range for 0 dimensions"),
    ),
)
Expand = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3)), shape=(2, 3)),
        Sample(mk((2, 3)), shape=(4, 2, 3)),
        Sample(mk((2, 3)), shape=(4, 1, 1)),  # a size of 1 keeps that of x
        Sample(mk((2, 1)), shape=(5, 2, 3)),
        Sample(mk((3,)), shape=(2, 1)),
        Sample(mk((2, 3)), shape=()),
        Sample(mk(()), shape=(2,)),
        Sample(mk(()), shape=()),
        Sample(mk((2, 1), dtype="int64", low=-3), shape=(3,)),
        Sample(mk((3,), dtype="bool"), shape=(2, 3)),
    ],
    reference=lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, shape)),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="Expand: shapes .* do not broadcast", attributes={"shape": (2,)}),
        Error(args=(MATRIX,), type=ValueError, match="'shape' must be at least 0, found -1", attributes={"shape": (-1, 3)}),
    ),
)
BroadcastLike = Contract(
    samples=lambda mk: [
        (mk((3,)), mk((5, 2, 3))),
        (mk((1, 3, 1)), mk((2, 3, 4))),
        (mk((2, 1)), mk((2, 3))),
        (mk((2, 3)), mk((2, 3))),
        (mk(()), mk((2, 3))),
        (mk(()), mk(())),
        (2.5, mk((2, 3))),
        (2, mk((3,))),
        (mk((2, 1), dtype="int64", low=-3), mk((2, 3))),  # the dtype stays that of x
        (mk((3,)), mk((2, 3), dtype="int64")),
        (mk((3,), dtype="bool"), mk((2, 3))),
    ],
    reference=broadcast_like,
    errors=(
        Error(args=(MATRIX, VECTOR), type=ValueError, match="does not broadcast to the shape of"),
        Error(args=(MATRIX, np.ones((2, 1))), type=ValueError, match="does not broadcast to the shape of"),
        Error(args=(MATRIX, np.ones((2, 4))), type=ValueError, match="BroadcastLike: shapes .* do not broadcast"),
    ),
)
SumTo = Contract(
    samples=lambda mk: [
        (mk((2, 3, 4)), mk((1, 3, 1))),
        (mk((2, 3, 4)), mk((4,))),
        (mk((2, 3, 4)), mk((3, 1))),
        (mk((2, 3)), mk((1, 1))),
        (mk((2, 3, 4)), mk(())),
        (mk((2, 3)), mk((2, 3))),
        (mk(()), mk(())),
        (mk((2, 3)), mk((3,), dtype="int64")),  # the dtype stays that of x
        (mk((2, 3), dtype="int64", low=-3), mk((2, 1))),
    ],
    reference=sum_to,
    errors=(
        Error(args=(MATRIX, np.ones(2)), type=ValueError, match=r"SumTo: shape \[2\] does not broadcast to \[2, 3\]"),
        Error(args=(VECTOR, MATRIX), type=ValueError, match=r"SumTo: shape \[2, 3\] does not broadcast to \[3\]"),
    ),
)
