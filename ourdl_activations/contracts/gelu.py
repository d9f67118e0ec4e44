"""Contract of Gelu: the normal distribution function by ``erfc``, which does not cancel on the left, and by ``tanh``."""

import math

import numpy as np

from ourdl_core import Contract, Error, Sample

_erfc = np.vectorize(math.erfc, otypes=[float])


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * _erfc(-x / math.sqrt(2.0))


Gelu = Contract(
    samples=lambda mk: [
        mk((3, 4), -4.0, 4.0),
        mk((2, 3, 5), -6.0, 6.0),
        Sample(mk((3, 5), -36.0, -4.0)).within(1e-12),  # relatively: the left tail is not rounded to 0
        mk(()),
        Sample(mk((4, 3), -4.0, 4.0), approximate="tanh"),
        Sample(mk((2, 5), -6.0, 6.0), approximate="tanh"),
    ],
    reference=gelu,
    errors=(
        Error(
            args=(np.ones(3),),
            type=ValueError,
            match="Gelu: attribute 'approximate' must be one of 'none', 'tanh'",
            attributes={"approximate": "erf"},
        ),
    ),
    claims={"elementwise", "second_order"},
)
