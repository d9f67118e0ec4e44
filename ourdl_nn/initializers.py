"""Initializers: how the first values of a parameter are drawn, from a generator that depends on (seed, name) alone."""

import math
from typing import Annotated

import numpy as np

from ourdl_core import Initializer, Range


def fans(shape):
    """Inputs and outputs of one unit: the last two sizes, times the receptive field of the sizes before them.

    So a weight is [..., in, out]. One dimension counts as both, none as 1.
    """
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


class Normal(Initializer):
    """Normal with this mean and standard deviation."""

    mean: float = 0.0
    std: Annotated[float, Range(low=0)] = 0.05

    def __call__(self, generator, shape):
        return generator.normal(self.mean, self.std, shape)


class Uniform(Initializer):
    """Uniform in [low, high)."""

    low: float = -0.05
    high: float = 0.05

    def check(self):
        if self.low > self.high:
            raise ValueError(f"Uniform: low must not be above high, found {self.low} and {self.high}")

    def __call__(self, generator, shape):
        return generator.uniform(self.low, self.high, shape)


class TruncatedNormal(Initializer):
    """Normal, drawn again where it is more than two ``std`` away from ``mean``.

    ``std`` is that of the normal distribution before it is truncated; that of what is drawn is 0.8796 times as large.
    """

    mean: float = 0.0
    std: Annotated[float, Range(low=0)] = 0.05

    def __call__(self, generator, shape):
        found = generator.standard_normal(math.prod(shape))
        outside = np.flatnonzero(np.abs(found) > 2)
        while outside.size:
            found[outside] = generator.standard_normal(outside.size)
            outside = outside[np.abs(found[outside]) > 2]
        return self.mean + self.std * found.reshape(shape)


class Scaled(Initializer):
    """Base: values whose variance is ``self._variance(fan_in, fan_out)``."""

    def _variance(self, fan_in, fan_out):
        raise NotImplementedError(f"{type(self).__name__} does not say its variance")

    def _std(self, shape):
        fan_in, fan_out = fans(shape)
        return math.sqrt(self._variance(max(1, fan_in), max(1, fan_out)))


class ScaledUniform(Scaled):
    """Base: uniform in ±sqrt(3 * variance)."""

    def __call__(self, generator, shape):
        bound = math.sqrt(3) * self._std(shape)
        return generator.uniform(-bound, bound, shape)


class ScaledNormal(Scaled):
    """Base: normal with mean 0, not truncated."""

    def __call__(self, generator, shape):
        return generator.normal(0.0, self._std(shape), shape)


class GlorotUniform(ScaledUniform):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    def _variance(self, fan_in, fan_out):
        return 2 / (fan_in + fan_out)


class GlorotNormal(ScaledNormal):
    """Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    def _variance(self, fan_in, fan_out):
        return 2 / (fan_in + fan_out)


class HeUniform(ScaledUniform):
    """Uniform in ±sqrt(6 / fan_in), for Relu (He et al., 2015)."""

    def _variance(self, fan_in, fan_out):
        return 2 / fan_in


class HeNormal(ScaledNormal):
    """Normal with variance 2 / fan_in, for Relu (He et al., 2015)."""

    def _variance(self, fan_in, fan_out):
        return 2 / fan_in


class LeCunUniform(ScaledUniform):
    """Uniform in ±sqrt(3 / fan_in), for Selu and Tanh (LeCun et al., 1998)."""

    def _variance(self, fan_in, fan_out):
        return 1 / fan_in


class LeCunNormal(ScaledNormal):
    """Normal with variance 1 / fan_in, for Selu and Tanh (LeCun et al., 1998)."""

    def _variance(self, fan_in, fan_out):
        return 1 / fan_in


class Orthogonal(Initializer):
    """``gain`` times a random matrix with orthonormal columns or rows, whichever are fewer (Saxe et al., 2014).

    The last size counts the columns, all sizes before it together the rows.
    """

    gain: float = 1.0

    def __call__(self, generator, shape):
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: a shape of two dimensions or more is needed, found {list(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # else not uniform over all such matrices (Mezzadri, 2007)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)
