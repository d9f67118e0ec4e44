"""Metrics of numbers: how far outputs are from labels. Several numbers a row are columns, of which the mean is taken.

A label has the shape of the output, or lacks its last axis where that has size 1. Sums are float64.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ourdl_train.class_labels import Array
from ourdl_train.metrics import Metric


def columns_of(outputs: Array, labels: Array) -> tuple[Array, Array]:
    """Both as float64 [rows, columns]."""
    if not NumberMetric.fits(outputs, labels):
        raise ValueError(f"outputs of shape {list(outputs.shape)} are compared with labels of shape {list(labels.shape)}")
    return tuple(each.astype(np.float64).reshape(len(each), -1) for each in (outputs, labels))  # type: ignore[return-value]


class NumberMetric(Metric):
    """Base of metrics whose labels are numbers."""

    __slots__ = ()

    @classmethod
    def fits(cls, output: Any, label: Any) -> bool:
        real = output.dtype.kind in "fiub" and label.dtype.kind in "fiub" and bool(output.shape)
        return real and label.shape in (output.shape, output.shape[:-1] if output.shape[-1] == 1 else None)


class MeanOfErrors(NumberMetric):
    """Base of metrics that are a mean over the rows: ``error`` says of what. The memory is its sums and the rows."""

    __slots__ = ()
    higher_is_better: ClassVar[bool | None] = False

    def error(self, difference: Array) -> Array:
        """What counts, from output - label."""
        raise NotImplementedError(f"{type(self).__name__} does not say its error")

    def begin(self) -> tuple[Any, int]:
        return 0.0, 0

    def add(self, memory: tuple[Any, int], outputs: Array, labels: Array) -> tuple[Any, int]:
        sums, count = memory
        outputs, labels = columns_of(outputs, labels)
        return sums + self.error(outputs - labels).sum(axis=0), count + len(labels)

    def result(self, memory: tuple[Any, int]) -> float:
        sums, count = memory
        return float(np.mean(sums / count)) if count else float("nan")


class MAE(MeanOfErrors):
    """The mean absolute error, in the unit of the labels.

    >>> MAE()(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5
    """

    def error(self, difference: Array) -> Array:
        return np.abs(difference)


class MSE(MeanOfErrors):
    """The mean squared error.

    >>> MSE()(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    2.5
    """

    def error(self, difference: Array) -> Array:
        return np.square(difference)


class RMSE(MSE):
    """The root of the mean squared error, in the unit of the labels; of several columns the mean of their roots.

    >>> RMSE()(np.array([1.0, 2.0]), np.array([2.0, 5.0])).__round__(4)
    2.2361
    """

    def result(self, memory: tuple[Any, int]) -> float:
        sums, count = memory
        return float(np.mean(np.sqrt(sums / count))) if count else float("nan")


class R2(NumberMetric):
    """The coefficient of determination, ``1 - sum((label - output)**2) / sum((label - mean(label))**2)``; 1 is best.

    Where all labels are equal it is 1 if all outputs are right and 0 if not, and it is NaN for fewer than two rows, as in
    scikit-learn. Variances are gathered as by Chan, Golub and LeVeque (1979), from the first label, so that equal labels
    have none.

    >>> R2()(np.array([2.5, 0.0, 2.0, 8.0]), np.array([3.0, -0.5, 2.0, 7.0])).__round__(3)
    0.949
    """

    def begin(self) -> Any:
        return None

    def add(self, memory: Any, outputs: Array, labels: Array) -> Any:
        outputs, labels = columns_of(outputs, labels)
        origin, count, mean, spread, error = memory or (labels[0], 0, 0.0, 0.0, 0.0)
        error = error + np.square(labels - outputs).sum(axis=0)
        moved = labels - origin
        more, middle = len(moved), moved.mean(axis=0)
        step, total = middle - mean, count + more
        spread = spread + np.square(moved - middle).sum(axis=0) + np.square(step) * (count * more / total)
        return origin, total, mean + step * (more / total), spread, error

    def result(self, memory: Any) -> float:
        if memory is None or memory[1] < 2:
            return float("nan")
        _, _, _, spread, error = memory
        of_equal_labels = np.where(error == 0, 0.0, 1.0)
        return float(np.mean(1 - np.divide(error, spread, out=of_equal_labels, where=spread != 0)))
