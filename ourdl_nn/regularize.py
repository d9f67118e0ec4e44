"""Ops that behave differently in training and in inference."""

from typing import Annotated

from ourdl_core import Composite, Key, Op, Parameter, Range, ShapeOnly, Spec, State, dtype_in, namespace, ops


class Dropout(Composite):
    """In training each element is 0 with probability ``rate``, else ``x / (1 - rate)``; in inference ``x`` itself."""

    rate: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.5

    def body(self, x, key=Key()):
        keep = ops.UniformLike(key, x) >= self.rate
        return ops.Where(keep, x * (1 / (1 - self.rate)), ops.ZerosLike(x))

    def inference(self, x, key):
        return ops.Identity(x)


class BatchNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias`` for each feature (the last axis).

    In training mean and variance are those of the batch (over all other axes), and the running ones move towards them by
    ``1 - momentum`` (the variance with Bessel's correction is not used: it is the mean squared deviation); in inference
    they are the running ones (Ioffe and Szegedy, 2015).
    """

    momentum: Annotated[float, Range(low=0, high=1)] = 0.9
    epsilon: Annotated[float, Range(low=0)] = 1e-5

    def body(
        self,
        x,
        scale=Parameter(shape=lambda self, x: x.shape[-1:], init="Ones"),
        bias=Parameter(shape=lambda self, x: x.shape[-1:], init="Zeros"),
        mean=State(shape=lambda self, x: x.shape[-1:], init="Zeros"),
        variance=State(shape=lambda self, x: x.shape[-1:], init="Ones"),
    ):
        axes = tuple(range(x.ndim - 1))
        centre = ops.Mean(x, axis=axes)
        spread = ops.Mean(ops.Square(x - centre), axis=axes)
        after = {
            "mean": self.momentum * mean + (1 - self.momentum) * centre,
            "variance": self.momentum * variance + (1 - self.momentum) * spread,
        }
        return self._normalised(x, scale, bias, centre, spread), after

    def inference(self, x, scale, bias, mean, variance):
        return self._normalised(x, scale, bias, mean, variance)

    def _normalised(self, x, scale, bias, mean, variance):
        return (x - mean) / ops.Sqrt(variance + self.epsilon) * scale + bias


def threefry(xp, key, counter):
    """Threefry-2x32, 20 rounds (Salmon et al., SC11): two words of ``counter`` to two random words under two of ``key``."""
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    words = (*key, key[0] ^ key[1] ^ xp.asarray(0x1BD11BDA, dtype=xp.uint32))
    a, b = counter[0] + words[0], counter[1] + words[1]
    for group in range(5):
        for rotation in rotations[group % 2]:
            a = a + b
            left = xp.asarray(rotation, dtype=xp.uint32)
            right = xp.asarray(32 - rotation, dtype=xp.uint32)
            b = (b << left) | (b >> right)
            b = a ^ b
        a = a + words[(group + 1) % 3]
        b = b + words[(group + 2) % 3] + xp.asarray(group + 1, dtype=xp.uint32)
    return a, b


class UniformLike(Op):
    """Uniform numbers in [0, 1), of the shape and dtype of ``like``, drawn from ``key`` (Threefry-2x32, counter-based)."""

    def compute(self, key, like: ShapeOnly):
        xp = namespace(key)
        count = 1
        for n in like.shape:
            count *= n
        pairs = (count + 1) // 2
        counter = xp.astype(xp.arange(pairs), xp.uint32)
        first, second = threefry(xp, (key[0], key[1]), (counter * xp.asarray(0, dtype=xp.uint32) + key[2], counter))
        bits = xp.concat([first, second])[:count]
        dtype = dtype_in(xp, like.dtype)
        mantissa = 24 if dtype == xp.float32 else 32
        shifted = bits >> xp.asarray(32 - mantissa, dtype=xp.uint32)
        return xp.reshape(xp.astype(shifted, dtype) * 2.0**-mantissa, like.shape)

    def vjp(self, g, y, key, like):
        return None, None

    def infer(self, key, like):
        return Spec(like.shape, like.dtype)
