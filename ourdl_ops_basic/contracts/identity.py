"""Contracts of the ops in ``ourdl_ops_basic.identity``."""

import math

import numpy as np

from ourdl_core import Contract, Error, Sample


def _anything(mk):
    """What is only handed on may be of any dtype and hold any number."""
    return [
        mk((3, 4)),
        mk((2, 5, 3), -9.0, 9.0),
        mk(()),
        np.array([[1.0, math.inf, -0.0], [-math.inf, 5.0, 2.0]]),
        np.array([[-2, 0, 3], [1, -1, 2]]),
        np.array([[True, False, True], [False, False, True]]),
    ]


_same = Contract(
    samples=_anything,
    reference=lambda x: np.array(x),
    errors=(Error(args=(None,), type=TypeError, match="input 'x' is required, found None"),),
    claims={"elementwise", "second_order"},
)

Identity = _same
Barrier = _same
# Without a gradient, which no difference of its output can show, there is nothing to differentiate again.
StopGradient = _same.replace(claims={"elementwise", "no_gradient"})

Cast = Contract(
    samples=lambda mk: [
        Sample(mk((3, 4)), to="float64"),
        Sample(mk((2, 3)), to="float32"),
        Sample(mk((2, 3), -9.0, 9.0), to="int64"),
        Sample(np.array([[0.0, -0.5, 2.0], [1e-3, 0.0, -3.0]]), to="bool"),
        Sample(np.array([[-2, 0, 3], [1, -1, 0]]), to="bool"),
        Sample(np.array([0, 1, 127, 128, 255]), to="uint8"),
        Sample(np.array([[-2, 0, 3], [1, -1, 2]]), to="float32"),
        Sample(np.array([[True, False, True], [False, False, True]]), to="int64"),
        Sample(np.array([[True, False, True], [False, False, True]]), to="float64"),
        Sample(mk(()), to="float64"),
    ],
    reference=lambda x, to: np.array(x, to),
    errors=(
        Error(args=(np.ones(3),), type=ValueError, match="Cast: attribute 'to' must be a dtype", attributes={"to": "whole"}),
        Error(args=(np.ones(3),), type=ValueError, match="Cast: attribute 'to' must be a dtype", attributes={"to": 3}),
        Error(args=(np.ones(3),), type=TypeError, match="Cast: attribute 'to' is required"),
    ),
    claims={"second_order", "fixed_dtype"},
)
