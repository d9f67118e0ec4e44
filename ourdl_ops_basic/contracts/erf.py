"""Contracts of the ops in ``ourdl_ops_basic.erf``."""

import math

import numpy as np

from ourdl_core import Contract, Sample


def _signed(mk, shape, high):
    """Numbers with either sign, not between 0 and 0.01.

    There a complex step through ``abs(x)`` is wrong by 1e-8 to 1e-6: too little for the kit to see that it does not hold.
    """
    return mk(shape, 0.01, high) * np.resize([1.0, -1.0, -1.0], shape)


Erf = Contract(
    samples=lambda mk: [
        # All three approximations that it consists of, to full precision.
        Sample(_signed(mk, (3, 4), 2.0)).within(1e-14),
        Sample(_signed(mk, (2, 5), 0.4)).within(1e-14),
        Sample(_signed(mk, (2, 3, 4), 5.9)).within(1e-14),
        Sample(np.array([0.0, 1e-9, -1e-5, 1e-300])).within(1e-14),
        np.array([[2.5, -3.5, 5.9], [6.5, 40.0, -400.0]]),  # until it is flat
        mk((), 0.5, 2.0),
    ],
    reference=np.vectorize(math.erf, otypes=[float]),
)

Erfc = Contract(
    samples=lambda mk: [
        # All three approximations that it consists of, and the right tail until it all but underflows: relatively.
        Sample(_signed(mk, (3, 4), 2.0)).within(1e-13),
        Sample(_signed(mk, (2, 5), 0.4)).within(1e-13),
        Sample(_signed(mk, (2, 3, 4), 5.9)).within(1e-13),
        Sample(mk((3, 5), 4.0, 26.0)).within(1e-13),
        Sample(np.array([0.0, 1e-9, -1e-5, 1e-300])).within(1e-13),
        np.array([[2.5, -3.5, 5.9], [6.5, 40.0, -400.0]]),  # until it is flat
        mk((), 0.5, 2.0),
    ],
    reference=np.vectorize(math.erfc, otypes=[float]),
)
