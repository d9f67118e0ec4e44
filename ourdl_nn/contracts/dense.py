"""What Dense promises: a matrix product and a sum, in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def dense(x, weight, bias=None, units=None, weight_init=None, bias_init=None):
    y = np.matmul(x, weight)
    return y if bias is None else y + bias


Dense = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3)), mk((3, 4)), mk((4,)), units=4),
        Sample(mk((2, 3)), mk((3, 4)), None, units=4),
        Sample(mk((5, 2, 3)), mk((3, 4)), mk((4,)), units=4),
        # What is given is not made: the initializers have no say.
        Sample(mk((4, 3)), mk((3, 2)), mk((2,)), units=2, weight_init="HeNormal", bias_init="Ones"),
    ],
    reference=dense,
    errors=(
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'units' must be at least 1", attributes={"units": 0}),
        Error(
            args=(np.ones((2, 3)), np.ones((2, 4)), None),
            type=ValueError,
            match=r"'weight' must be of shape \[3, 4\], found float64\[2, 4\]",
            attributes={"units": 4},
        ),
    ),
    batched=("x",),
)
