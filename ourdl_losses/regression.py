"""Losses that compare numbers. Inputs: ``prediction``, ``label``, but ``label``, ``prediction`` of ValueLoss."""

from typing import Annotated, Literal

from ourdl_core import Range, ops
from ourdl_losses.loss import Loss


class ValueLoss(Loss):
    """``|label - prediction|``; the gradient is 0 where they are equal.

    The loss of the teaching framework: the label comes first, and the terms are not reduced unless ``reduction`` says
    so. AbsoluteError is the same with the inputs and the default of the other losses.

    >>> ops.ValueLoss(np.array([3.0, 1.0]), np.array([1.0, 1.5]))
    array([2. , 0.5])
    """

    reduction: Literal["mean", "sum", "none"] = "none"

    def body(self, label, prediction):
        return self._reduced(ops.Abs(self._fitting(prediction, label) - prediction))


class AbsoluteError(Loss):
    """``|prediction - label|``; the gradient is 0 where they are equal.

    >>> ops.AbsoluteError(np.array([3.0, 1.0]), np.array([1.0, 2.0]))
    array(1.5)
    """

    def body(self, prediction, label):
        return self._reduced(ops.Abs(prediction - self._fitting(prediction, label)))


class SquaredError(Loss):
    """``(prediction - label)²``.

    >>> ops.SquaredError(np.array([3.0, 1.0]), np.array([1.0, 2.0]))
    array(2.5)
    """

    def body(self, prediction, label):
        return self._reduced(ops.Square(prediction - self._fitting(prediction, label)))


class Huber(Loss):
    """``d² / 2`` for ``d = |prediction - label|`` up to ``delta``, else ``delta * (d - delta / 2)`` (Huber, 1964).

    >>> ops.Huber(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.125, 2.5  ])
    """

    delta: Annotated[float, Range(low=0, open_low=True)] = 1.0

    def body(self, prediction, label):
        difference = prediction - self._fitting(prediction, label)
        d = ops.Abs(difference)
        line = self.delta * (d - 0.5 * self.delta)
        return self._reduced(ops.Where(d <= self.delta, 0.5 * ops.Square(difference), line))


class CosineDistance(Loss):
    """``1 - p · l / (|p| |l|)``, prediction and label along ``axis``; 1, with gradient 0, where either is all zero.

    >>> ops.CosineDistance(np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[6.0, 8.0], [0.0, 2.0]]), reduction="none")
    array([0., 1.])
    """

    axis: int = -1

    def body(self, prediction, label):
        label = self._fitting(prediction, label)
        dot = ops.Sum(prediction * label, axis=self.axis)
        a, b = (ops.Sum(ops.Square(each), axis=self.axis) for each in (prediction, label))
        zero = ops.Equal(a, 0) | ops.Equal(b, 0)
        lengths = ops.Sqrt(ops.Where(zero, 1.0, a)) * ops.Sqrt(ops.Where(zero, 1.0, b))
        return self._reduced(1.0 - ops.Where(zero, 0.0, dot / lengths))
