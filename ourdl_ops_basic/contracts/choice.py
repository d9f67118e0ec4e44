"""Contracts of the ops in ``ourdl_ops_basic.choice``."""

import math

import numpy as np

from ourdl_core import Contract, Error


def _unequal(name):
    """Shapes that do not broadcast."""
    return Error(
        args=(np.ones((2, 3)), np.ones(2)), type=ValueError, match=rf"{name}: shapes \[2, 3\] and \[2\] do not broadcast"
    )


# ---- comparisons ----------------------------------------------------------------------------------------------------


def _compared(mk):
    """Less, equal and greater, each for certain: of arrays, NaN and infinities, whole numbers, and numbers in the graph."""
    x, whole = mk((3, 4)), mk((2, 3), -3, 4, dtype="int64")
    return [
        (x, x + np.resize([0.0, 0.5, -0.5], (3, 4))),
        (np.array([1.0, math.nan, math.inf, -math.inf, math.nan]), np.array([0.5, math.nan, math.inf, math.inf, 1.0])),
        (whole, whole + np.resize([-1, 0, 1], (2, 3))),
        (np.array([[-1.5, 0.0, 2.0], [0.5, 0.0, -0.25]]), 0.0),
        (1, np.array([[-2, 1, 3], [1, 0, 2]])),
        (np.array(0.5), mk((), 0.6, 1.0)),
    ]


def _with_bools(mk):
    """As ``_compared``, and of bools, which have no order but may be equal."""
    bools = (np.array([[True, False, True], [False, False, True]]), np.array([[True, True, False], [False, True, True]]))
    return [*_compared(mk), bools]


def _comparison(name, reference, samples=_compared):
    # Bools come out, so that there is no gradient, and nothing to differentiate again.
    return Contract(samples=samples, reference=reference, errors=(_unequal(name),), claims=())


Equal = _comparison("Equal", np.equal, _with_bools)
NotEqual = _comparison("NotEqual", np.not_equal, _with_bools)
Greater = _comparison("Greater", np.greater)
GreaterOrEqual = _comparison("GreaterOrEqual", np.greater_equal)
Less = _comparison("Less", np.less)
LessOrEqual = _comparison("LessOrEqual", np.less_equal)


def _some_nan(mk):
    x = mk((3, 4))
    x[0, 1] = x[2, 3] = math.nan
    return [x, np.array([[1.0, math.nan, -math.inf], [0.0, math.inf, math.nan]]), np.array(math.nan)]


IsNaN = Contract(samples=_some_nan, reference=np.isnan, claims=())


# ---- logic ----------------------------------------------------------------------------------------------------------

_A = np.array([[True, True, False], [False, True, False]])
_B = np.array([[True, False, True], [False, False, True]])


def _logic(name, reference):
    def refused(*inputs):
        return Error(args=inputs, type=TypeError, match=rf"{name} takes bools, found (float|int)64\[2, 3\]: compare first")

    return Contract(
        samples=lambda mk: [
            (_A, _B),
            (np.resize([True, False], (3, 4)), mk((3, 4), dtype="bool")),
            (_A, True),
            (False, _B),
            (np.array(True), np.array(False)),
        ],
        reference=reference,
        errors=(refused(np.ones((2, 3)), _A), refused(_A, np.ones((2, 3), np.int64))),
        claims=(),
        dtypes=(),
    )


And = _logic("And", lambda a, b: np.where(a, b, False))
Or = _logic("Or", lambda a, b: np.where(a, True, b))
Xor = _logic("Xor", lambda a, b: np.not_equal(a, b))

Not = Contract(
    samples=lambda mk: [_A, np.resize([True, False, False], (3, 4)) ^ mk((), dtype="bool"), np.array(True)],
    reference=lambda x: np.equal(x, False),
    errors=(Error(args=(np.ones((2, 3)),), type=TypeError, match=r"Not takes bools, found float64\[2, 3\]: compare first"),),
    claims=(),
    dtypes=(),
)


# ---- choice ---------------------------------------------------------------------------------------------------------


def _either(shape):
    """Yes and no in every row."""
    return np.resize([True, False, False, True, True], shape)


Where = Contract(
    samples=lambda mk: [
        (_either((3, 4)), mk((3, 4)), mk((3, 4))),
        (_either((2, 3)), mk((2, 3)), 0.0),
        (_either((5,)), -1.0, mk((5,))),
        (True, mk((2, 3)), mk((2, 3))),
        (False, mk((4,)), mk((4,))),
        (_either((2, 3)), mk((2, 3), 0, 5, dtype="int64"), mk((2, 3), 5, 9, dtype="int64")),
        (_either((2, 3)), _A, ~_A),
        (np.array(True), mk(()), mk(())),
    ],
    reference=np.where,
    errors=(
        Error(args=(_A, 1.0, 0.0), type=TypeError, match="Where: a and b are both bare numbers"),
        Error(args=(_A, np.ones((2, 3)), np.ones(2)), type=ValueError, match="Where: shapes .* do not broadcast"),
    ),
)


def _apart(mk, shape):
    """Two arrays, at no place nearer than 0.2, of which either is the larger by turns."""
    a = mk(shape)
    return a, a + mk(shape, 0.2, 1.0) * np.resize([1.0, -1.0, -1.0], shape)


def _two(mk):
    x, whole = mk((2, 3)), mk((2, 3), -3, 4, dtype="int64")
    return [
        _apart(mk, (3, 4)),
        _apart(mk, (2, 5, 3)),
        (x, x.copy()),
        (np.array([[-1.5, 0.0, 2.0], [0.5, 0.0, -0.25]]), 0.0),
        (0.5, np.array([-2.0, 1.0, 0.25])),
        (whole, whole + np.resize([-1, 0, 1], (2, 3))),
        (np.array([math.inf, -math.inf, 1.0, -math.inf]), np.array([1.0, math.inf, -math.inf, 2.0])),
    ]


# The kink is where a and b are equal; those below are the numbers that samples have on one side.
Maximum = Contract(
    samples=_two,
    reference=lambda a, b: np.where((a > b) | np.isnan(a), a, b),
    errors=(_unequal("Maximum"),),
    kinks=(0.0, 0.5),
)

Minimum = Contract(
    samples=_two,
    reference=lambda a, b: np.where((a < b) | np.isnan(a), a, b),
    errors=(_unequal("Minimum"),),
    kinks=(0.0, 0.5),
)


def _clipped(mk):
    """Below, between and above the bounds, each for certain and at no place near one."""

    def x(*shape):
        return mk(shape, -0.4, 0.4) + np.resize([0.0, 2.5, -2.5], shape)

    def bound(middle, *shape):
        return mk(shape, middle - 0.5, middle + 0.5)

    return [
        (x(3, 4), bound(-1.0, 3, 4), bound(1.0, 3, 4)),
        (x(2, 3), bound(1.0, 2, 3), bound(-1.0, 2, 3)),  # the bounds crossed
        (x(2, 5), -0.75, 0.75),
        (x(3, 2), None, 0.75),
        (x(4), -0.75, None),
        (x(5), None, bound(1.0, 5)),
        (x(6), bound(-1.0, 6)),
        mk((3, 2)),
        (np.array([[-0.75, 0.75, 0.0], [1.5, -math.inf, math.inf]]), -0.75, 0.75),
        (np.array([[-5, -1, 0], [2, 7, 1]]), -1, 2),
        (np.array([[-5, -1, 0], [2, 7, 1]]), np.array([[-4, -2, 1], [0, 8, 1]]), np.array([[0, 1, 2], [1, 9, 1]])),
        (mk((), 1.0, 2.0), mk((), -1.0, 0.0), mk((), 0.1, 0.9)),
    ]


def _clip(x, low=None, high=None):
    y = x
    if low is not None:
        y = np.where((y >= low) | np.isnan(y), y, low)
    if high is not None:
        y = np.where((y <= high) | np.isnan(y), y, high)
    return y


Clip = Contract(
    samples=_clipped,
    reference=_clip,
    errors=(
        Error(args=(np.ones((2, 3)), np.ones(2)), type=ValueError, match="Clip: shapes .* do not broadcast"),
        Error(args=(None, 0.0), type=TypeError, match="Clip: input 'x' is required, found None"),
    ),
    kinks=(-0.75, 0.75),
)
