"""Contracts of Softmax and LogSoftmax: by ``logaddexp`` over the scores, which never overflows."""

import numpy as np

from ourdl_core import Contract, Error, Sample

# The largest score differs in place from row to row, and others are rounded to 0 beside it.
FAR = np.array([[1e4, 9999.5, 9998.0, -1e4], [-1e4, -9999.0, -9998.5, -1e4], [0.0, 1e4, -1e4, 9999.75]])


def log_softmax(x, axis=-1):
    return x - np.logaddexp.reduce(x, axis=axis, keepdims=True)


def softmax(x, axis=-1):
    return np.exp(log_softmax(x, axis))


def _samples(mk):
    return [
        mk((3, 4), -4.0, 4.0),
        mk((2, 3, 5)),
        mk((5,)),
        FAR,
        np.array([[0.5, 0.5, 0.5], [1.0, 2.0, 2.0]]),  # several that are largest
        Sample(mk((3, 4)), axis=0),
        Sample(mk((2, 3, 4)), axis=-2),
        Sample(mk((2, 3, 4)), axis=1),
    ]


def _masked():
    """A score of -inf gives 0. Not for LogSoftmax, whose output is -inf there: no difference of it can be taken."""
    return np.array([[0.25, -np.inf, 1.5], [-1.0, 0.5, 2.0]])


def _errors(name):
    return (
        Error(
            args=(np.ones((2, 3)),),
            type=ValueError,
            match=f"^{name}: axis 2 is out of range for 2 dimensions",
            attributes={"axis": 2},
        ),
        Error(args=(np.array(1.0),), type=ValueError, match=f"^{name}: axis -1 is out of range for 0 dimensions"),
        Error(args=(np.array([1, 2, 3]),), type=TypeError, match=f"{name}: x must be floating, found int64"),
    )


Softmax = Contract(samples=lambda mk: [*_samples(mk), _masked()], reference=softmax, errors=_errors("Softmax"))

LogSoftmax = Contract(samples=_samples, reference=log_softmax, errors=_errors("LogSoftmax"))
