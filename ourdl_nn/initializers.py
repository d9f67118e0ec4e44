"""Initializers: how the first values of a parameter are drawn."""

import math

import numpy as np

from ourdl_core import Initializer


def fans(shape):
    """Inputs and outputs of one unit: the last two sizes, times the receptive field of the sizes before them."""
    if len(shape) < 2:
        return (shape[0] if shape else 1,) * 2
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class Zeros(Initializer):
    """All 0."""

    def __call__(self, generator, shape):
        return np.zeros(shape)


class Ones(Initializer):
    """All 1."""

    def __call__(self, generator, shape):
        return np.ones(shape)


class Constant(Initializer):
    """All ``value``."""

    value: float

    def __call__(self, generator, shape):
        return np.full(shape, self.value)


class GlorotUniform(Initializer):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    def __call__(self, generator, shape):
        bound = math.sqrt(6 / max(1, sum(fans(shape))))
        return generator.uniform(-bound, bound, shape)
