"""What Dropout and GaussianNoise promise, in training and in inference: the formulas in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.random import normal, uniform

KEY = np.array([7, 11, 5], np.uint32)


def dropped(x, key, rate=0.5, broadcast_axes=()):
    axes = {axis % x.ndim for axis in broadcast_axes}
    like = x[tuple(slice(1) if i in axes else slice(None) for i in range(x.ndim))]
    return np.where(uniform(key, like) < rate, 0.0, x / (1 - rate))


Dropout = Contract(
    samples=lambda mk: [
        (mk((5, 4)), KEY),
        Sample(mk((5, 4)), KEY).training(),
        Sample(mk((2, 4, 5)), KEY, rate=0.25).training(),
        Sample(mk((4, 2)), mk((3,), dtype="uint32", high=2**32), rate=0.0).training(),
        Sample(mk((4, 2)), KEY, rate=0.9),
        Sample(mk((5, 4, 3)), KEY, broadcast_axes=(1,)).training(),
        Sample(mk((5, 2, 3)), KEY, broadcast_axes=(-1, 1)).training(),
    ],
    reference=lambda x, key, rate=0.5, broadcast_axes=(): x,
    training=dropped,
    errors=(
        Error(args=(np.ones(2), KEY), type=ValueError, match="'rate' must be .* less than 1", attributes={"rate": 1.0}),
        Error(args=(np.ones(2), KEY), type=ValueError, match="found -0.5", attributes={"rate": -0.5}),
    ),
)

GaussianNoise = Contract(
    samples=lambda mk: [
        Sample(mk((5, 4)), KEY, std=0.5),
        Sample(mk((5, 4)), KEY, std=0.5).training(),
        Sample(mk((2, 3, 5)), mk((3,), dtype="uint32", high=2**32), std=2.0).training(),
    ],
    reference=lambda x, key, std: x,
    training=lambda x, key, std: x + std * normal(key, x),
    errors=(Error(args=(np.ones(2), KEY), type=ValueError, match="'std' must be at least 0", attributes={"std": -0.5}),),
)
