"""What the reductions promise: held to NumPy, and to products and sums written out."""

import math

import numpy as np

from ourdl_core import Contract, Error, Sample

TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
INTEGERS = np.array([[3, -1, 3], [2, 0, -2]])
BOOLS = np.array([[True, False, True], [False, False, True]])
MATRIX = np.ones((2, 3))
NO_ROWS = np.ones((0, 3))


def reduced(mk, low=None, high=None):
    """Every way to name axes: all, one, several, none, from the end, kept; of a vector and of 0 dimensions."""
    return [
        mk((2, 3, 4), low=low, high=high),
        Sample(mk((3, 4), low=low, high=high), axis=0),
        Sample(mk((2, 3, 4), low=low, high=high), axis=-2, keepdims=True),
        Sample(mk((2, 3, 4), low=low, high=high), axis=(-1, 0)),
        Sample(mk((3, 2), low=low, high=high), axis=(0, 1), keepdims=True),
        Sample(mk((2, 3), low=low, high=high), axis=()),
        Sample(mk((5,), low=low, high=high), axis=-1),
        mk((), low=low, high=high),
    ]


def zeros_at(x, *places):
    for place in places:
        x[place] = 0.0
    return x


def refused(what):
    """Axes that are not there, or there twice."""
    return (
        Error(args=(MATRIX,), type=ValueError, match=f"{what}: axis 2 is out of range", attributes={"axis": 2}),
        Error(args=(MATRIX,), type=ValueError, match=f"{what}: axis .* dimension twice", attributes={"axis": (0, -2)}),
    )


def no_value(what):
    return Error(args=(NO_ROWS,), type=ValueError, match=f"{what} over an axis of size 0", attributes={"axis": 0})


def counts(x, axis, keepdims=False):
    return np.sum(np.ones(np.shape(x)), axis=axis, keepdims=keepdims)


def mean(x, axis=None, keepdims=False):
    with np.errstate(all="ignore"):  # 0 / 0 over an empty axis; np.mean warns by other means
        return np.sum(x, axis=axis, keepdims=keepdims) / counts(x, axis, keepdims)


def var(x, axis=None, keepdims=False, correction=0.0):
    squares = (x - mean(x, axis, True)) ** 2
    with np.errstate(all="ignore"):
        return np.sum(squares, axis=axis, keepdims=keepdims) / np.maximum(counts(x, axis, keepdims) - correction, 0.0)


def count(like, axis=None):
    axes = range(np.ndim(like)) if axis is None else np.atleast_1d(np.asarray(axis, int))
    return np.asarray(math.prod(np.shape(like)[i] for i in axes), np.asarray(like).dtype)


def prod_of_others(x, axis):
    rows = [np.prod(np.delete(x, i, axis), axis=axis) for i in range(x.shape[axis])]
    return np.stack(rows, axis=axis) if rows else x


def logsumexp(x, axis=None, keepdims=False):
    """Two at a time and axis by axis: no maximum is taken out, unlike in the op."""
    x = np.asarray(x)
    named = range(x.ndim) if axis is None else np.atleast_1d(np.asarray(axis, int))
    axes = tuple(i % x.ndim for i in named)
    for i in axes:
        x = np.logaddexp.reduce(x, axis=i, keepdims=True, initial=-np.inf)
    return x if keepdims else np.squeeze(x, axis=axes)


Sum = Contract(
    samples=lambda mk: [*reduced(mk), INTEGERS, Sample(INTEGERS, axis=1), BOOLS, Sample(BOOLS, axis=0, keepdims=True)],
    reference=lambda x, axis=None, keepdims=False: np.sum(x, axis=axis, keepdims=keepdims),
    errors=refused("Sum"),
)
Mean = Contract(
    samples=reduced,
    reference=mean,
    errors=(
        *refused("Mean"),
        Error(args=(INTEGERS,), type=TypeError, match="Mean is of floating numbers, found int64"),
    ),
)
Count = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((3, 4)), axis=1),
        Sample(mk((2, 3, 4)), axis=(-1, 0)),
        Sample(mk((3, 4)), axis=()),
        Sample(INTEGERS, axis=-2),
        mk(()),
    ],
    reference=count,
    errors=refused("Count"),
    claims=(),
)
Var = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((3, 4)), axis=0),
        Sample(mk((2, 3, 4)), axis=-2, keepdims=True),
        Sample(mk((2, 3, 4)), axis=(-1, 0), correction=1.0),
        Sample(mk((3, 4)), axis=1, keepdims=True, correction=0.5),
        Sample(mk((5,)), correction=1.0),
        mk(()),
    ],
    reference=var,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="axis -3 is out of range", attributes={"axis": -3}),
        Error(args=(MATRIX,), type=ValueError, match="'correction' must be at least 0", attributes={"correction": -1.0}),
        Error(args=(INTEGERS,), type=TypeError, match="Mean is of floating numbers"),
    ),
)
Max = Contract(
    samples=lambda mk: [*reduced(mk), TIES, Sample(TIES, axis=1), Sample(INTEGERS, axis=0, keepdims=True)],
    reference=lambda x, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=keepdims),
    errors=(*refused("Max"), no_value("Max")),
)
Min = Contract(
    samples=lambda mk: [*reduced(mk), TIES, Sample(TIES, axis=1), Sample(INTEGERS, axis=0, keepdims=True)],
    reference=lambda x, axis=None, keepdims=False: np.min(x, axis=axis, keepdims=keepdims),
    errors=(*refused("Min"), no_value("Min")),
)
Prod = Contract(
    samples=lambda mk: [
        *reduced(mk),
        zeros_at(mk((2, 4), low=0.5), (0, 1)),
        zeros_at(mk((2, 4), low=0.5), (0, 1), (1, 2)),
        Sample(zeros_at(mk((2, 4), low=0.5), (0, 1), (0, 2), (1, 0)), axis=1),
        Sample(INTEGERS, axis=1),
        Sample(BOOLS, axis=0),
    ],
    reference=lambda x, axis=None, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
    errors=refused("Prod"),
)
ProdOfOthers = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), axis=1),
        Sample(mk((3, 4)), axis=-1),
        Sample(mk((5,)), axis=0),
        Sample(zeros_at(mk((2, 4), low=0.5), (0, 1), (1, 0), (1, 3)), axis=1),
    ],
    reference=prod_of_others,
    errors=(Error(args=(MATRIX,), type=ValueError, match="ProdOfOthers: axis 2 is out of range", attributes={"axis": 2}),),
)
LogSumExp = Contract(
    samples=lambda mk: [*reduced(mk), Sample(mk((3, 4), low=-1e3, high=1e3), axis=1)],
    reference=logsumexp,
    errors=(
        *refused("LogSumExp"),
        Error(args=(BOOLS,), type=TypeError, match="LogSumExp is of floating numbers, found bool"),
    ),
)
ArgMax = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((3, 4)), axis=0),
        Sample(mk((2, 3, 4)), axis=-2, keepdims=True),
        Sample(mk((3, 5)), keepdims=True),
        Sample(TIES, axis=-1),
        Sample(INTEGERS, axis=1),
        mk((5,)),
        mk(()),
    ],
    reference=lambda x, axis=None, keepdims=False: np.argmax(x, axis=axis, keepdims=keepdims),
    errors=(*refused("ArgMax")[:1], no_value("ArgMax")),
    claims=(),
)
ArgMin = ArgMax.replace(
    reference=lambda x, axis=None, keepdims=False: np.argmin(x, axis=axis, keepdims=keepdims),
    errors=(*refused("ArgMin")[:1], no_value("ArgMin")),
)
