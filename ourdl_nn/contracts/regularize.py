"""What Dropout and BatchNormalization promise, in training and in inference: the formulas in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.random import uniform

KEY = np.array([7, 11, 5], np.uint32)


def dropped(x, key, rate=0.5):
    return np.where(uniform(key, x) < rate, 0.0, x / (1 - rate))


def spread_out(feature, x, axis):
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return np.reshape(feature, shape)


def of_running(x, scale, bias, mean, variance, axis=-1, momentum=0.9, epsilon=1e-5):
    scale, bias, mean, variance = (spread_out(each, x, axis) for each in (scale, bias, mean, variance))
    return scale * (x - mean) / np.sqrt(variance + epsilon) + bias


def of_batch(x, scale, bias, mean, variance, axis=-1, momentum=0.9, epsilon=1e-5):
    """Each feature by itself: mean and variance of its numbers in the batch."""
    rows = np.moveaxis(x, axis, 0)
    y = np.empty_like(rows)
    for i, row in enumerate(rows):
        if row.size:
            centred = row - np.mean(row)
            y[i] = scale[i] * centred / np.sqrt(np.mean(centred**2) + epsilon) + bias[i]
    return np.moveaxis(y, 0, axis)


def features(mk, count):
    """scale, bias, mean, variance"""
    return mk((count,), low=0.5), mk((count,)), mk((count,)), mk((count,), low=0.5)


Dropout = Contract(
    samples=lambda mk: [
        (mk((5, 4)), KEY),
        Sample(mk((5, 4)), KEY).training(),
        Sample(mk((2, 4, 5)), KEY, rate=0.25).training(),
        Sample(mk((4, 2)), mk((3,), dtype="uint32", high=2**32), rate=0.0).training(),
        Sample(mk((4, 2)), KEY, rate=0.9),
    ],
    reference=lambda x, key, rate=0.5: x,
    training=dropped,
    errors=(
        Error(args=(np.ones(2), KEY), type=ValueError, match="'rate' must be .* less than 1", attributes={"rate": 1.0}),
        Error(args=(np.ones(2), KEY), type=ValueError, match="found -0.5", attributes={"rate": -0.5}),
    ),
)

BatchNormalization = Contract(
    samples=lambda mk: [
        (mk((3, 4)), *features(mk, 4)),
        Sample(mk((2, 4, 3)), *features(mk, 4), axis=-2, epsilon=0.1),
        Sample(mk((5, 4)), *features(mk, 4)).training(),
        Sample(mk((2, 4, 3)), *features(mk, 4), axis=1, momentum=0.5).training(),
        Sample(mk((5, 3), low=18, high=22), *features(mk, 3), epsilon=0.1).training(),
    ],
    reference=of_running,
    training=of_batch,
    errors=(
        Error(
            args=(np.ones((2, 3)), *[np.ones(2)] * 4),
            type=ValueError,
            match="BatchNormalization: axis 2 is out of range for 2 dimensions",
            attributes={"axis": 2},
        ),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'momentum' must be", attributes={"momentum": 1.5}),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'epsilon' must be", attributes={"epsilon": -1.0}),
    ),
    domain={"variance": (0.0, np.inf)},
)
