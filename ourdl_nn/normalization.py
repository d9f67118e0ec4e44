"""Normalizations: values brought to mean 0 and variance 1 over some axes, then scaled and shifted by what is learnt."""

from typing import Annotated

from ourdl_core import Composite, Parameter, Range, State, ops

Epsilon = Annotated[float, Range(low=0)]


def places(op, axis, ndim):
    """The axes counted from the first, in order; ``op`` is named where one is out of range or given twice."""
    axes = (axis,) if isinstance(axis, int) else axis
    for each in axes:
        if not -ndim <= each < ndim:
            raise ValueError(f"{type(op).__name__}: axis {each} is out of range for {ndim} dimensions")
    found = tuple(sorted(each % ndim for each in axes))
    if len(set(found)) != len(found):
        raise ValueError(f"{type(op).__name__}: axis {axes} names a dimension twice")
    return found


def spread_out(feature, axes, ndim):
    """``feature``, which has the ``axes`` of an array of ``ndim`` dimensions, shaped so that it broadcasts against it."""
    others = tuple(i - axes[0] for i in range(axes[0], ndim) if i not in axes)
    return ops.Unsqueeze(feature, axis=others) if others else feature


def scaled(y, scale, bias, axes):
    """``y * scale + bias``, without what is left out."""
    y = y if scale is None else y * spread_out(scale, axes, y.ndim)
    return y if bias is None else y + spread_out(bias, axes, y.ndim)


def features(self, x):
    """The shape of scale and bias: the sizes of ``x`` along ``axis``."""
    return tuple(x.shape[i] for i in places(self, self.axis, x.ndim))


class Standardize(Composite):
    """``(x - mean) / sqrt(variance + epsilon)``, where mean and variance are those over ``axis`` (None: over all).

    The variance is the mean squared deviation, without Bessel's correction. Without ``center`` 0 stands for the mean,
    so that what is left is the root of the mean square.

    >>> ops.Standardize(np.array([[1.0, 3.0], [10.0, 30.0]]), epsilon=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    axis: int | tuple[int, ...] | None = -1
    epsilon: Epsilon = 1e-5
    center: bool = True

    def body(self, x):
        if self.axis is not None:
            places(self, self.axis, x.ndim)
        centred = x - self._mean(x) if self.center else x
        return centred / self._root(centred)

    def vjp(self, g, y, x):
        """Written out it is 7 steps, where the chain rule makes 24 of the body."""
        root = self._root(x - self._mean(x) if self.center else x)
        along = g - self._mean(g) if self.center else g
        return (along - y * self._mean(g * y)) / root

    def _mean(self, x):
        return ops.Mean(x, axis=self.axis, keepdims=True)

    def _root(self, centred):
        return ops.Sqrt(self._mean(ops.Square(centred)) + self.epsilon)


class LayerNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias``, mean and variance over ``axis`` of each example.

    ``axis`` is one axis or several; ``scale`` and ``bias`` have the sizes of ``x`` along them, or are None (Ba et al.,
    2016). The variance is without Bessel's correction. Training and inference are alike.

    >>> ops.LayerNormalization(np.array([[1.0, 3.0], [10.0, 30.0]]), np.array([1.0, 2.0]), np.zeros(2), epsilon=0.0)
    array([[-1.,  2.],
           [-1.,  2.]])
    """

    axis: int | tuple[int, ...] = -1
    epsilon: Epsilon = 1e-5

    def body(self, x, scale=Parameter(shape=features, init="Ones"), bias=Parameter(shape=features, init="Zeros")):
        axes = places(self, self.axis, x.ndim)
        return scaled(ops.Standardize(x, axis=axes, epsilon=self.epsilon), scale, bias, axes)


class RMSNormalization(Composite):
    """``x / sqrt(mean(x ** 2) + epsilon) * scale``, the mean over ``axis`` of each example.

    ``axis`` is one axis or several; ``scale`` has the sizes of ``x`` along them, or is None (Zhang and Sennrich, 2019).

    >>> ops.RMSNormalization(np.array([[1.0, 7.0], [-10.0, 70.0]]), np.array([5.0, 5.0]), epsilon=0.0)
    array([[ 1.,  7.],
           [-1.,  7.]])
    """

    axis: int | tuple[int, ...] = -1
    epsilon: Epsilon = 1e-5

    def body(self, x, scale=Parameter(shape=features, init="Ones")):
        axes = places(self, self.axis, x.ndim)
        return scaled(ops.Standardize(x, axis=axes, epsilon=self.epsilon, center=False), scale, None, axes)


class GroupNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias``, mean and variance over a group of channels of an example.

    ``x`` is [batch, ..., channels], or has its channels along another ``axis``. They are cut into ``groups`` of
    neighbours; mean and variance are those over the channels of a group and over all axes but the first. ``scale`` and
    ``bias`` are [channels], or None (Wu and He, 2018). With 1 group it is LayerNormalization over all of an example,
    with as many as channels InstanceNormalization. Channels that do not make equal groups are a ValueError.

    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> ops.GroupNormalization(x, np.ones(4), np.zeros(4), groups=2, epsilon=0.0)
    array([[-1.,  1., -1.,  1.]])
    """

    groups: Annotated[int, Range(low=1)]
    axis: int = -1
    epsilon: Epsilon = 1e-5

    def body(self, x, scale=Parameter(shape=features, init="Ones"), bias=Parameter(shape=features, init="Zeros")):
        (place,) = channels = places(self, self.axis, x.ndim)
        grouped = ops.Unflatten(x, sizes=(self.groups, -1), axis=place)
        others = tuple(i for i in range(1, x.ndim + 1) if i != place)
        y = ops.Standardize(grouped, axis=others, epsilon=self.epsilon)
        return scaled(ops.ReshapeLike(y, x), scale, bias, channels)


class InstanceNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias``, mean and variance over a channel of an example.

    ``x`` is [batch, ..., channels], or has its channels along another ``axis``; there is at least one axis more, and mean
    and variance are those over all of these. ``scale`` and ``bias`` are [channels], or None (Ulyanov et al., 2016).

    >>> x = np.array([[[1.0, 10.0], [3.0, 30.0]]])
    >>> ops.InstanceNormalization(x, np.ones(2), np.zeros(2), epsilon=0.0)
    array([[[-1., -1.],
            [ 1.,  1.]]])
    """

    axis: int = -1
    epsilon: Epsilon = 1e-5

    def body(self, x, scale=Parameter(shape=features, init="Ones"), bias=Parameter(shape=features, init="Zeros")):
        channels = places(self, self.axis, x.ndim)
        others = tuple(i for i in range(1, x.ndim) if i not in channels)
        if not others:
            raise ValueError(
                f"InstanceNormalization: x needs an axis beside those of batch and channels, found {x.ndim} dimensions: "
                "use LayerNormalization or GroupNormalization"
            )
        return scaled(ops.Standardize(x, axis=others, epsilon=self.epsilon), scale, bias, channels)


class BatchNormalization(Composite):
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias`` for each feature, features along ``axis``.

    In training mean and variance are those of the batch (over all other axes), and the running ones move towards them
    by ``1 - momentum`` (the variance is the mean squared deviation, without Bessel's correction); a batch with less than
    two values of a feature leaves them alone, and in the body of a Scan they are only read. In inference they are the
    running ones (Ioffe and Szegedy, 2015). ``scale`` and ``bias`` may be None.

    >>> one, four = np.array([1.0]), np.array([4.0])
    >>> ops.BatchNormalization(np.array([[3.0], [5.0]]), scale=one, bias=one, mean=one, variance=four, epsilon=0.0)
    array([[2.],
           [3.]])
    """

    axis: int = -1
    momentum: Annotated[float, Range(low=0, high=1)] = 0.9
    epsilon: Epsilon = 1e-5

    def body(
        self,
        x,
        scale=Parameter(shape=features, init="Ones"),
        bias=Parameter(shape=features, init="Zeros"),
        mean=State(shape=features, init="Zeros"),
        variance=State(shape=features, init="Ones"),
    ):
        place = places(self, self.axis, x.ndim)
        others = tuple(i for i in range(x.ndim) if i not in place)
        # The first steps are those of Standardize, and as equal nodes are one, they are not computed twice.
        centre = ops.Mean(x, axis=others, keepdims=True)
        spread = ops.Mean(ops.Square(x - centre), axis=others, keepdims=True)
        empty = ops.Less(ops.Count(x, axis=others), 2)
        after = {
            "mean": ops.Where(empty, mean, self._moved(mean, ops.Squeeze(centre, axis=others))),
            "variance": ops.Where(empty, variance, self._moved(variance, ops.Squeeze(spread, axis=others))),
        }
        return scaled(ops.Standardize(x, axis=others, epsilon=self.epsilon), scale, bias, place), after

    def inference(self, x, scale, bias, mean, variance):
        place = places(self, self.axis, x.ndim)
        factor = 1.0 / ops.Sqrt(variance + self.epsilon)
        factor = factor if scale is None else factor * scale
        return scaled(x - spread_out(mean, place, x.ndim), factor, bias, place)

    def _moved(self, running, now):
        return self.momentum * running + (1 - self.momentum) * now
