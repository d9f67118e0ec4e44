"""Ops that behave differently in training and in inference."""

from typing import Annotated

from ourdl_core import Composite, Key, Range, ops


class Dropout(Composite):
    """In training each element is 0 with probability ``rate``, else ``x / (1 - rate)``; in inference ``x`` itself.

    What is dropped depends on (seed, name, step): the gradient drops what the value drops, and every run of a training
    Program drops anew (Srivastava et al., 2014). In the body of a Scan it is the same for all elements of the sequence.

    Along ``broadcast_axes`` elements are dropped together: of images [batch, height, width, channels] (1, 2) drops whole
    channels (Tompson et al., 2015), and (1, 2, 3) whole examples, which before ``x + residual`` skips the residual (Huang et
    al., 2016).

    >>> from ourdl import Program, Variable
    >>> x, key = Variable(shape=(None,), dtype="float64", name="x"), np.array([7, 11, 5], np.uint32)
    >>> Program([x], ops.Dropout(x, key), mode="training")({}, np.ones(6))[0]
    array([0., 2., 0., 0., 0., 2.])
    """

    view = True  # in inference
    rate: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.5
    broadcast_axes: tuple[int, ...] = ()

    def body(self, x, key=Key()):
        like = ops.Sum(x, axis=self.broadcast_axes, keepdims=True) if self.broadcast_axes else x
        keep = ops.UniformLike(key, like) >= self.rate
        return ops.Where(keep, x * (1 / (1 - self.rate)), 0.0)

    def inference(self, x, key):
        return ops.Identity(x)


class GaussianNoise(Composite):
    """In training ``x + std * z`` with ``z`` normal of mean 0 and variance 1; in inference ``x`` itself.

    As of Dropout, what ``z`` is depends on (seed, name, step).

    >>> from ourdl import Program, Variable
    >>> x, key = Variable(shape=(None,), dtype="float64", name="x"), np.array([7, 11, 5], np.uint32)
    >>> Program([x], ops.GaussianNoise(x, key, std=0.1), mode="training")({}, np.ones(3))[0].round(3)
    array([1.094, 1.033, 1.037])
    """

    view = True  # in inference
    std: Annotated[float, Range(low=0)]

    def body(self, x, key=Key()):
        return x + self.std * ops.NormalLike(key, x)

    def inference(self, x, key):
        return ops.Identity(x)
