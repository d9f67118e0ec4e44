"""Contracts of the ops in ``ourdl_ops_basic.functions``."""

import math

import numpy as np

from ourdl_core import Contract, Sample


def _far_from_0(mk, shape):
    """Numbers with either sign between 0.3 and 3."""
    return mk(shape, 0.3, 3.0) * np.resize([1.0, -1.0, -1.0], shape)


def _near_0(mk):
    """Where only a function made for it is accurate: ``exp(x) - 1`` and ``log(1 + x)`` keep 7 digits there."""
    return Sample(mk((2, 3)) * 1e-9).within(1e-13)


Exp = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 5, 3), -20.0, 20.0), mk(())],
    reference=np.exp,
)

Expm1 = Contract(
    samples=lambda mk: [mk((3, 4)), _near_0(mk), mk((5,), -20.0, 20.0), mk(())],
    reference=np.expm1,
)

Log = Contract(
    samples=lambda mk: [mk((3, 4), 0.2, 3.0), mk((2, 3, 5), 1e-3, 50.0), mk((), 0.5, 2.0)],
    reference=np.log,
    domain=(0.0, math.inf),
)

Log1p = Contract(
    samples=lambda mk: [mk((3, 4), -0.8, 3.0), _near_0(mk), mk((5,), 0.0, 50.0), mk((), -0.5, 2.0)],
    reference=np.log1p,
    domain=(-1.0, math.inf),
)

Sqrt = Contract(
    samples=lambda mk: [mk((3, 4), 0.2, 3.0), mk((2, 3, 5), 1e-3, 50.0), mk((), 0.5, 2.0)],
    reference=np.sqrt,
    domain=(0.0, math.inf),
)

Square = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -9.0, 9.0), mk(()), np.array([[-2, 0, 3], [1, -1, 2]])],
    reference=lambda x: np.power(x, 2),
)

Reciprocal = Contract(
    samples=lambda mk: [_far_from_0(mk, (3, 4)), _far_from_0(mk, (2, 3, 5)) * 10.0, mk((), 0.5, 2.0)],
    reference=lambda x: np.power(x, -1.0),
)

Sin = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -20.0, 20.0), mk(())],
    reference=np.sin,
)

Cos = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -20.0, 20.0), mk(())],
    reference=np.cos,
)

Tanh = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        mk((2, 5), -0.01, 0.01),
        np.array([[2.5, -3.5, 5.9], [6.5, 40.0, -400.0]]),  # until it is flat
        mk(()),
    ],
    # tanh(x) = -expm1(-2x) / (2 + expm1(-2x)) for x >= 0, and odd.
    reference=lambda x: np.copysign(-np.expm1(-2.0 * abs(x)) / (2.0 + np.expm1(-2.0 * abs(x))), x),
)
