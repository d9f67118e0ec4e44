"""Contracts of the ops in ``ourdl_ops_basic.arithmetic``."""

import functools
import math

import numpy as np

from ourdl_core import Contract, Error


def _integers(mk):
    """Whole numbers with both signs and 0 among them, whatever is drawn."""
    x = mk((2, 3), -4, 5, dtype="int64")
    x[0] = [-2, 0, 3]
    return x


def _far_from_0(mk, shape):
    """Numbers with either sign between 0.3 and 3."""
    return mk(shape, 0.3, 3.0) * np.resize([1.0, -1.0, -1.0], shape)


def _unequal(name):
    """Shapes that do not broadcast."""
    return Error(
        args=(np.ones((2, 3)), np.ones(2)), type=ValueError, match=rf"{name}: shapes \[2, 3\] and \[2\] do not broadcast"
    )


Add = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((3, 4))),
        mk((2, 5)),
        (mk((3, 2)), mk((3, 2)), mk((3, 2)), mk((3, 2))),
        (mk((2, 3)), 2.5),
        (2, mk((4,))),
        (mk(()), mk(())),
        (_integers(mk), _integers(mk)),
    ],
    reference=lambda *xs: functools.reduce(np.add, xs),
    errors=(_unequal("Add"),),
)

Sub = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((3, 4))),
        (1.0, mk((2, 3))),
        (mk((4,)), 3),
        (mk(()), mk(())),
        (_integers(mk), _integers(mk)),
    ],
    reference=np.subtract,
    errors=(_unequal("Sub"),),
)

Mul = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((3, 4))),
        (mk((2, 3)), 3),
        (-0.5, mk((4,))),
        (mk(()), mk(())),
        (_integers(mk), _integers(mk)),
    ],
    reference=np.multiply,
    errors=(_unequal("Mul"),),
)

Div = Contract(
    samples=lambda mk: [
        (mk((3, 4)), _far_from_0(mk, (3, 4))),
        (2.0, _far_from_0(mk, (2, 3))),
        (mk((4,)), 3),
        (mk(()), mk((), 0.5, 2.0)),
    ],
    reference=np.divide,
    errors=(_unequal("Div"),),
)

Neg = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 5, 3), -9, 9), mk(()), _integers(mk)],
    reference=lambda x: x * -1,
)

# A negative ``a`` has a power where ``b`` is whole, but no gradient of ``b``: there ``b`` is a number in the graph.
Pow = Contract(
    samples=lambda mk: [
        (mk((3, 4), 0.2, 3.0), mk((3, 4))),
        # Exponents for which code likes to go a way of its own.
        (mk((2, 6), 0.2, 3.0), np.resize([0.0, 1.0, 2.0, -1.0, 0.5, 3.0], (2, 6))),
        (_far_from_0(mk, (2, 3)), 3.0),
        (_far_from_0(mk, (4,)), 2),
        (_far_from_0(mk, (5,)), -1),
        (_far_from_0(mk, (3,)), 0),
        (2.0, mk((2, 3))),
        (mk((), 0.5, 2.0), mk(())),
        (_integers(mk), 2),
    ],
    reference=np.power,
    errors=(_unequal("Pow"),),
    domain={"a": (0.0, math.inf)},
)

Abs = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        _far_from_0(mk, (2, 5, 3)),
        np.array([[-1.5, 0.0, 2.5], [0.0, -0.25, -8.0]]),
        mk((), -2.0, -1.0),
        _integers(mk),
    ],
    reference=lambda x: np.where(x < 0, 0 - x, x),
    kinks=(0.0,),
)

Sign = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        np.array([[-1.5, 0.0, 2.5], [1e-300, -0.25, -math.inf]]),
        _integers(mk),
        mk((), 1.0, 2.0),
    ],
    reference=np.sign,
    claims=(),  # its gradient is 0, so that there is nothing to differentiate again
    kinks=(0.0,),
)
