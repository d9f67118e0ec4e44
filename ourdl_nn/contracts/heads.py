"""What the parts of attention promise: indices written out."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def times(few, many):
    """How often each of few is repeated; ZeroDivisionError where nothing would have to be."""
    return 1 if few == many else many // few


def repeated(x, like, axis=None):
    count = times(x.shape[axis], like.shape[axis])
    return np.take(x, [i for i in range(x.shape[axis]) for _ in range(count)], axis=axis)


def summed(x, like, axis=None):
    rows = np.moveaxis(x, axis, 0)
    size = like.shape[axis]
    count = times(size, len(rows))
    found = np.zeros((size, *rows.shape[1:]))
    for i in range(size):
        for j in range(count):
            found[i] = found[i] + rows[i * count + j]
    return np.moveaxis(found, 0, axis)


def causal(queries, keys):
    rows, columns = queries.shape[-2], keys.shape[-2]
    seen = [[columns - 1 - j >= rows - 1 - i for j in range(columns)] for i in range(rows)]
    return np.array(seen, bool).reshape(rows, columns)


def _errors(few, many, name):
    """Refused by both: ``few`` and ``many`` put two shapes in the order of the inputs."""
    return (
        Error(args=few(2, 3), type=ValueError, match=f"{name}: 2 along axis 0 .* make 3", attributes={"axis": 0}),
        Error(args=many(2, 3), type=ValueError, match=f"{name}: .* an axis 1: found 1 and 1", attributes={"axis": 1}),
    )


def _shorter_first(small, large):
    return np.ones(small), np.ones(large)


def _longer_first(small, large):
    return np.ones(large), np.ones(small)


RepeatLike = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3)), mk((6, 5)), axis=0),
        Sample(mk((4, 2, 3)), mk((1, 6, 2)), axis=-2),
        Sample(mk((4, 3)), mk((2, 3)), axis=1),
    ],
    reference=repeated,
    errors=_errors(_shorter_first, _shorter_first, "RepeatLike"),
)

SumRepeats = Contract(
    samples=lambda mk: [
        Sample(mk((6, 3)), mk((2, 5)), axis=0),
        Sample(mk((4, 6, 3)), mk((1, 2, 2)), axis=-2),
        Sample(mk((4, 3)), mk((2, 3)), axis=1),
    ],
    reference=summed,
    errors=_errors(_longer_first, _longer_first, "SumRepeats"),
)

CausalMask = Contract(
    samples=lambda mk: [(mk((3, 4)), mk((2, 5, 6))), (mk((4, 2)), mk((4, 3))), (mk((5, 2)), mk((2, 3)))],
    reference=causal,
    errors=(Error(args=(np.ones(3), np.ones((2, 3))), type=ValueError, match=r"CausalMask: .* found float64\[\d\]"),),
    claims={"no_gradient", "fixed_dtype"},
)
