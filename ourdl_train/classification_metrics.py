"""Metrics of classes: how often the right one is predicted.

Labels are class indices, of the shape of the output without its last axis ([batch], [batch, length]), or one-hot. An output
of one number a row is binary: the class is 1 above ``threshold``, which is 0.5 where none is given, for probabilities (an
output outside of 0 to 1 is then a ValueError); a logit wants ``threshold = 0``. Of several outputs the largest counts.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from ourdl_core import Range
from ourdl_train.class_labels import Array, classes_of, kind_of, predicted, scores_of
from ourdl_train.metrics import Metric


class ClassMetric(Metric):
    """Base of metrics whose labels are classes."""

    __slots__ = ()

    @classmethod
    def fits(cls, output: Any, label: Any) -> bool:
        return kind_of(output, label) is not None


class Accuracy(ClassMetric):
    """The part of the labels that is predicted, from 0 to 1. Of classes that score the same the first is predicted.

    >>> Accuracy()(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    0.5
    >>> Accuracy(threshold=0)(np.array([3.5, -1.0, 0.5]), np.array([1, 0, 0]))
    0.6666666666666666
    """

    threshold: float | None = None

    def begin(self) -> tuple[int, int]:
        return 0, 0

    def add(self, memory: tuple[int, int], outputs: Array, labels: Array) -> tuple[int, int]:
        right, count = memory
        found = predicted(scores_of(outputs, labels), self.threshold) == classes_of(outputs, labels)
        return right + int(found.sum()), count + found.size

    def result(self, memory: tuple[int, int]) -> float:
        right, count = memory
        return right / count if count else float("nan")

    def text(self, name: str, memory: tuple[int, int]) -> str:
        right, count = memory
        return f"{name} {100 * self.result(memory):.1f} % ({right} of {count})"


class TopK(ClassMetric):
    """The part of the labels that is among the ``k`` classes with the largest scores; it is called ``top_5``.

    Of classes that score the same the last comes first, as in scikit-learn. A label whose score is NaN is not found.

    >>> TopK(k=2)(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]))
    0.5
    """

    k: Annotated[int, Range(low=1)] = 5

    @property
    def key(self) -> str:
        return f"top_{self.k}"

    @classmethod
    def fits(cls, output: Any, label: Any) -> bool:
        return kind_of(output, label) in ("indices", "one-hot")

    def begin(self) -> tuple[int, int]:
        return 0, 0

    def add(self, memory: tuple[int, int], outputs: Array, labels: Array) -> tuple[int, int]:
        right, count = memory
        scores, classes = scores_of(outputs, labels), classes_of(outputs, labels)[:, None]
        if scores.shape[1] == 1:
            raise ValueError(f"TopK chooses among classes: outputs of shape {list(outputs.shape)} have one number a row")
        own = np.take_along_axis(scores, classes, axis=1)
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) > classes))
        found = (ahead.sum(axis=1) < self.k) & (own == own)[:, 0]
        return right + int(found.sum()), count + found.size

    def result(self, memory: tuple[int, int]) -> float:
        right, count = memory
        return right / count if count else float("nan")


Average = Literal["binary", "macro", "micro", "weighted"]


class Averaged(ClassMetric):
    """Base of metrics that are a quotient for each class: ``quotient`` says of what.

    ``average``: ``"binary"`` is that of the class 1; ``"macro"`` the mean over the classes that occur (as labels or as
    predictions), ``"weighted"`` the mean weighted by the labels of each, ``"micro"`` the quotient of the sums. Without it,
    binary for two classes and macro for more. A quotient 0 / 0 is 0, as in scikit-learn.
    """

    __slots__ = ()
    threshold: float | None = None
    average: Average | None = None

    @property
    def key(self) -> str:
        name = super().key
        return f"{name}_{self.average}" if self.average else name

    def begin(self) -> Array:
        return np.zeros((3, 0), np.int64)

    def add(self, memory: Array, outputs: Array, labels: Array) -> Array:
        """Of each class: how often it is rightly predicted, how often predicted, how often it is the label."""
        scores, classes = scores_of(outputs, labels), classes_of(outputs, labels)
        count = max(scores.shape[1], 2)
        if self.average == "binary" and count > 2:
            raise ValueError(f"average = \"binary\" is for two classes, found {count}: take 'macro', 'micro' or 'weighted'")
        found = predicted(scores, self.threshold)
        counts = np.stack([np.bincount(each, minlength=count) for each in (classes[found == classes], found, classes)])
        return memory + counts if memory.size else counts

    def quotient(self, right: Array, predicted: Array, labels: Array) -> tuple[Array, Array]:
        """What is divided by what, from the counts of each class."""
        raise NotImplementedError(f"{type(self).__name__} does not say its quotient")

    def result(self, memory: Array) -> float:
        if not memory.size:
            return float("nan")
        average = self.average or ("binary" if memory.shape[1] == 2 else "macro")
        if average == "micro":
            return float(_divided(*self.quotient(*memory.sum(axis=1, keepdims=True)))[0])
        each = _divided(*self.quotient(*memory))
        if average == "binary":
            return float(each[1])
        weights = memory[2] if average == "weighted" else (memory[1] + memory[2] > 0).astype(np.int64)
        return float(np.average(each, weights=weights))


def _divided(over: Array, under: Array) -> Array:
    return np.divide(over, under, out=np.zeros(over.shape), where=under > 0)


class Precision(Averaged):
    """Of what is predicted to be a class, the part that is of it: ``TP / (TP + FP)``, 0 where nothing is.

    Of several classes the mean over those that occur, unless ``average`` says otherwise.

    >>> Precision()(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    0.5
    """

    def quotient(self, right: Array, predicted: Array, labels: Array) -> tuple[Array, Array]:
        return right, predicted


class Recall(Averaged):
    """Of what is of a class, the part that is predicted to be: ``TP / (TP + FN)``, 0 where nothing is.

    Of several classes the mean over those that occur, unless ``average`` says otherwise.

    >>> Recall()(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    0.5
    """

    def quotient(self, right: Array, predicted: Array, labels: Array) -> tuple[Array, Array]:
        return right, labels


class F1(Averaged):
    """The harmonic mean of precision and recall: ``2 TP / (2 TP + FP + FN)`` (van Rijsbergen, 1979).

    Of several classes the mean over those that occur, unless ``average`` says otherwise.

    >>> F1()(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    0.5
    """

    def quotient(self, right: Array, predicted: Array, labels: Array) -> tuple[Array, Array]:
        return 2 * right, predicted + labels


class ConfusionMatrix(ClassMetric):
    """How often each class (row) is predicted to be each class (column), as lists of whole numbers.

    >>> ConfusionMatrix()(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    [[0, 1], [1, 1]]
    """

    higher_is_better: ClassVar[bool | None] = None

    threshold: float | None = None

    def begin(self) -> Array:
        return np.zeros((0, 0), np.int64)

    def add(self, memory: Array, outputs: Array, labels: Array) -> Array:
        scores = scores_of(outputs, labels)
        count = max(scores.shape[1], 2)
        pairs = classes_of(outputs, labels) * count + predicted(scores, self.threshold)
        counts = np.bincount(pairs, minlength=count * count).reshape(count, count)
        return memory + counts if memory.size else counts

    def result(self, memory: Array) -> list[list[int]]:
        return memory.tolist()

    def text(self, name: str, memory: Array) -> str:
        return ""
