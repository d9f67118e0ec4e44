"""Ops that behave differently in training and in inference."""

from typing import Annotated

from ourdl_core import Composite, Key, Parameter, Range, State, ops


class Dropout(Composite):
    """In training each element is 0 with probability ``rate``, else ``x / (1 - rate)``; in inference ``x`` itself.

    What is dropped depends on (seed, name, step): the gradient drops what the value drops, and every run of a training
    Program drops anew (Srivastava et al., 2014). In the body of a Scan it is the same for all elements of the sequence.

    >>> from ourdl import Program, Variable
    >>> x, key = Variable(shape=(None,), dtype="float64", name="x"), np.array([7, 11, 5], np.uint32)
    >>> Program([x], ops.Dropout(x, key), mode="training")({}, np.ones(6))[0]
    array([0., 2., 0., 0., 0., 2.])
    """

    view = True  # in inference
    rate: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.5

    def body(self, x, key=Key()):
        keep = ops.UniformLike(key, x) >= self.rate
        return ops.Where(keep, x * (1 / (1 - self.rate)), 0.0)

    def inference(self, x, key):
        return ops.Identity(x)


class BatchNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias`` for each feature, features along ``axis``.

    In training mean and variance are those of the batch (over all other axes), and the running ones move towards them
    by ``1 - momentum`` (the variance is the mean squared deviation, without Bessel's correction); a batch of size 0
    leaves them alone, and in the body of a Scan they are only read. In inference they are the running ones (Ioffe and
    Szegedy, 2015).

    >>> one, four = np.array([1.0]), np.array([4.0])
    >>> ops.BatchNormalization(np.array([[3.0], [5.0]]), scale=one, bias=one, mean=one, variance=four, epsilon=0.0)
    array([[2.],
           [3.]])
    """

    axis: int = -1
    momentum: Annotated[float, Range(low=0, high=1)] = 0.9
    epsilon: Annotated[float, Range(low=0)] = 1e-5

    def body(
        self,
        x,
        scale=Parameter(shape=lambda self, x: (x.shape[self.axis],), init="Ones"),
        bias=Parameter(shape=lambda self, x: (x.shape[self.axis],), init="Zeros"),
        mean=State(shape=lambda self, x: (x.shape[self.axis],), init="Zeros"),
        variance=State(shape=lambda self, x: (x.shape[self.axis],), init="Ones"),
    ):
        others = tuple(i for i in range(x.ndim) if i != self._place(x))
        centre = ops.Mean(x, axis=others)
        spread = ops.Mean(ops.Square(x - self._spread_out(centre, x)), axis=others)
        empty = ops.Equal(ops.Count(x, axis=others), 0)
        after = {
            "mean": ops.Where(empty, mean, self.momentum * mean + (1 - self.momentum) * centre),
            "variance": ops.Where(empty, variance, self.momentum * variance + (1 - self.momentum) * spread),
        }
        return self._normalised(x, scale, bias, centre, spread), after

    def inference(self, x, scale, bias, mean, variance):
        return self._normalised(x, scale, bias, mean, variance)

    def _normalised(self, x, *of_features):
        scale, bias, mean, variance = (self._spread_out(each, x) for each in of_features)
        return (x - mean) / ops.Sqrt(variance + self.epsilon) * scale + bias

    def _place(self, x):
        """The axis of the features, counted from the first."""
        if not -x.ndim <= self.axis < x.ndim:
            raise ValueError(f"BatchNormalization: axis {self.axis} is out of range for {x.ndim} dimensions")
        return self.axis % x.ndim

    def _spread_out(self, feature, x):
        """One value a feature, shaped so that it broadcasts against ``x``."""
        after = x.ndim - 1 - self._place(x)
        return ops.Unsqueeze(feature, axis=tuple(range(1, after + 1))) if after else feature
