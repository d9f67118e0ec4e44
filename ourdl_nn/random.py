"""Random numbers as a pure function of a key: counter-based, the same on every array library."""

import math
from typing import Annotated

from ourdl_core import Composite, Key, Op, Range, ShapeOnly, Spec, dtype_in, namespace, ops

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(xp, key, counter):
    """Threefry-2x32 with 20 rounds: two random words for two words of ``counter`` under two of ``key``, all uint32.

    As in Random123 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
    """

    def word(number):
        return xp.asarray(number, dtype=xp.uint32)

    words = (key[0], key[1], key[0] ^ key[1] ^ word(_PARITY))
    a, b = counter[0] + words[0], counter[1] + words[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = a + b
            b = a ^ ((b << word(rotation)) | (b >> word(32 - rotation)))
        a = a + words[(group + 1) % 3]
        b = b + words[(group + 2) % 3] + word(group + 1)
    return a, b


def uniform(xp, key, count, dtype):
    """``count`` numbers in [0, 1), of 24 bits in float32 (a pair of words makes two) or 53 in float64 (a pair makes one)."""
    double = xp.finfo(dtype).bits == 64
    places = xp.astype(xp.arange(count if double else (count + 1) // 2), xp.uint32)
    first, second = threefry(xp, (key[0], key[1]), (xp.zeros_like(places) + key[2], places))
    if double:
        high, low = (xp.astype(w >> xp.asarray(n, dtype=xp.uint32), dtype) for w, n in ((first, 5), (second, 6)))
        return (high * 2.0**26 + low) * 2.0**-53
    words = xp.concat([first, second])[:count]
    return xp.astype(words >> xp.asarray(8, dtype=xp.uint32), dtype) * 2.0**-24


def normal(xp, key, count, dtype):
    """``count`` numbers by the transform of Box and Muller ("A note on the generation of random normal deviates", 1958)."""
    half = (count + 1) // 2
    numbers = uniform(xp, key, 2 * half, dtype)
    radius = xp.sqrt(-2.0 * xp.log1p(-numbers[:half]))  # 1 - u is in (0, 1]: the logarithm is finite
    angle = (2.0 * math.pi) * numbers[half:]
    return xp.concat([radius * xp.cos(angle), radius * xp.sin(angle)])[:count]


class Drawn(Op):
    """Base of ops that draw numbers of the shape and dtype of ``like``; there is no gradient."""

    def compute(self, key, like: ShapeOnly):
        self._check(like)
        xp = namespace(key)
        found = self._numbers(xp, key, math.prod(like.shape), dtype_in(xp, like.dtype))
        return float(found[0]) if like.number else xp.reshape(found, like.shape)

    def _numbers(self, xp, key, count, dtype):
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws")

    def vjp(self, g, y, key, like):
        return None, None

    def infer(self, key, like):
        self._check(like)
        return Spec(like.shape, like.dtype, like.number)

    def _check(self, like):
        if like.dtype.kind != "f" or like.dtype.itemsize not in (4, 8):
            raise TypeError(f"{type(self).__name__}: like must be float32 or float64, found {like}")


class UniformLike(Drawn):
    """Uniform numbers in [0, 1), of the shape and dtype of ``like``: multiples of 2**-24 (float32) or 2**-53 (float64).

    ``key`` is three words, uint32: the two that Threefry-2x32 is keyed with, and the step, which is the first word of
    the counter; the second counts up along the elements. No two keys, steps or elements share a counter. One pair of
    words makes two float32 numbers, or one float64 number.

    >>> ops.UniformLike(np.array([7, 11, 5], np.uint32), np.zeros(3)).round(3)
    array([0.399, 0.558, 0.059])
    """

    def _numbers(self, xp, key, count, dtype):
        return uniform(xp, key, count, dtype)


class NormalLike(Drawn):
    """Normal numbers of mean 0 and variance 1, of the shape and dtype of ``like``.

    Half as many pairs ``u``, ``v`` of the numbers of UniformLike give ``sqrt(-2 log(1 - u)) cos(2 pi v)``, then as many with
    ``sin`` (Box and Muller, 1958). None is further from 0 than 5.8 in float32 and 8.6 in float64, which normal numbers are
    once in 10**8 and 10**17. ``key`` is that of UniformLike: one key for both would make them depend on each other.

    >>> ops.NormalLike(np.array([7, 11, 5], np.uint32), np.zeros(3)).round(3)
    array([0.941, 0.335, 0.367])
    """

    def _numbers(self, xp, key, count, dtype):
        return normal(xp, key, count, dtype)


class Distribution(Composite):
    """Base of draws whose shape is that of their inputs and of ``shape`` broadcast together; float32 if no input says more.

    They draw in inference too: only what regularizes, as Dropout, is off there.
    """

    shape: tuple[Annotated[int, Range(low=0)], ...] = ()

    def _like(self, key, **inputs):
        """What has the shape and dtype of the result. Only these are asked for, so nothing of it is computed."""
        found = ops.Expand(ops.Cast(ops.Sum(key), to="float32"), shape=self.shape)
        for name, each in inputs.items():
            if each is not None:
                if not each.spec.floating:
                    raise TypeError(f"{type(self).__name__}: '{name}' must be floating, found {each.spec}")
                found = found + each
        return found


class Uniform(Distribution):
    """``low + (high - low) * u`` with ``u`` uniform in [0, 1); without them ``low`` is 0 and ``high`` 1.

    Shape: that of ``low``, ``high`` and ``like`` and the attribute ``shape``, broadcast together; of ``like`` only the shape
    and dtype are used. dtype: that of these arrays, float32 without any. Gradients reach ``low`` and ``high``; there is none
    to ``like`` or ``key``. Rounding may give ``high`` itself. It draws in inference too, anew at each step, but not for
    each element of a Scan.
    (``ops.Uniform(shape=(3,))`` without inputs is a record, which ``ops.Uniform(shape=(3,))()`` makes a node of.)

    >>> ops.Uniform(2.0, 6.0, key=np.array([7, 11, 5], np.uint32), shape=(3,)).round(3)
    array([3.598, 4.23 , 3.985], dtype=float32)
    """

    def body(self, low=None, high=None, like: ShapeOnly | None = None, key=Key()):
        u = ops.UniformLike(key, self._like(key, low=low, high=high, like=like))
        if low is None:
            return u if high is None else high * u
        return low + ((1.0 if high is None else high) - low) * u


class Normal(Distribution):
    """``mean + std * z`` with ``z`` normal of mean 0 and variance 1 (NormalLike); without them ``mean`` is 0 and ``std`` 1.

    Shape: that of ``mean``, ``std`` and ``like`` and the attribute ``shape``, broadcast together; of ``like`` only the shape
    and dtype are used. dtype: that of these arrays, float32 without any. Gradients reach ``mean`` and ``std``, as the
    reparameterisation of Kingma and Welling (2014) has it; there is none to ``like`` or ``key``. It draws in inference too,
    anew at each step, but not for each element of a Scan. (``ops.Normal(shape=(3,))`` without inputs is a
    record, which ``ops.Normal(shape=(3,))()`` makes a node of.)

    >>> ops.Normal(np.array([0.0, 100.0]), np.array([1.0, 2.0]), key=np.array([7, 11, 5], np.uint32)).round(3)
    array([-0.945, 99.286])
    """

    def body(self, mean=None, std=None, like: ShapeOnly | None = None, key=Key()):
        z = ops.NormalLike(key, self._like(key, mean=mean, std=std, like=like))
        z = z if std is None else std * z
        return z if mean is None else mean + z


class Bernoulli(Distribution):
    """``1 if u < p else 0`` with ``u`` uniform in [0, 1): 1 with probability ``p``, as floating numbers.

    Shape: that of ``p`` and ``like`` and the attribute ``shape``, broadcast together; of ``like`` only the shape and dtype
    are used. dtype: that of these arrays, float32 without any. A ``p`` above 1 counts as 1, one below 0 as 0, and NaN
    gives NaN. There is no gradient. It draws in inference too, anew at each step, but not for each element of a Scan.

    >>> ops.Bernoulli(np.array([0.0, 0.5, 1.0]), key=np.array([7, 11, 5], np.uint32), shape=(2, 1))
    array([[0., 0., 1.],
           [0., 1., 1.]])
    """

    def body(self, p, like: ShapeOnly | None = None, key=Key()):
        p = ops.StopGradient(p)
        u = ops.UniformLike(key, self._like(key, p=p, like=like))
        return ops.Where(ops.IsNaN(p), p, ops.Cast(ops.Less(u, p), to=u.dtype))
