"""Metrics of probabilities: how well they order the rows, and how likely they make what is right.

Outputs are probabilities, or logits with ``from_logits``; that is checked, since logits of several classes would be ordered
otherwise. Labels are as in classification_metrics.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ourdl_train.class_labels import Array, checked_probabilities, classes_of, log_softmax, scores_of
from ourdl_train.classification_metrics import ClassMetric


class AUC(ClassMetric):
    """The area under the ROC curve: how likely a row of the class scores above one of another; scores alike count half.

    For several classes the mean over each against the rest. An output of one number a row may be a probability or a logit.
    NaN where a class has all of the rows or none, as in scikit-learn, and where an output is NaN. Ranks are those of
    Mann and Whitney (1947). It keeps the scores of all rows.

    >>> AUC()(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """

    from_logits: bool = False

    def begin(self) -> tuple[tuple[Array, Array], ...]:
        return ()

    def add(self, memory: Any, outputs: Array, labels: Array) -> tuple[tuple[Array, Array], ...]:
        scores, classes = scores_of(outputs, labels), classes_of(outputs, labels)
        if scores.shape[1] > 1:
            # Logarithms are in the order of the probabilities, and differ where those are all too small.
            scores = log_softmax(scores) if self.from_logits else checked_probabilities(scores)
            scores = scores[:, 1:] if scores.shape[1] == 2 else scores
        return (*memory, (scores, classes))

    def result(self, memory: tuple[tuple[Array, Array], ...]) -> float:
        if not memory:
            return float("nan")
        scores = np.concatenate([scores for scores, _ in memory])
        classes = np.concatenate([classes for _, classes in memory])
        wanted = range(scores.shape[1]) if scores.shape[1] > 1 else (1,)
        return float(np.mean([_area(column, classes == each) for column, each in zip(scores.T, wanted, strict=True)]))


def _area(scores: Array, positive: Array) -> float:
    """The area under the curve of one class against the rest, by ranks."""
    above = int(positive.sum())
    below = positive.size - above
    if not above or not below or np.isnan(scores).any():
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal scores, their mean rank
    return float((ranks[place][positive].sum() - above * (above + 1) / 2) / (above * below))


class Perplexity(ClassMetric):
    """``exp`` of the mean of ``-log(probability of the label)``: the number of classes between which it is undecided.

    Jelinek et al. (1977). It is inf where a label has the probability 0.

    >>> Perplexity()(np.array([[0.25, 0.75], [0.25, 0.75]]), np.array([0, 0]))
    4.0
    """

    higher_is_better: ClassVar[bool | None] = False

    from_logits: bool = False

    def begin(self) -> tuple[float, int]:
        return 0.0, 0

    def add(self, memory: tuple[float, int], outputs: Array, labels: Array) -> tuple[float, int]:
        total, count = memory
        scores = scores_of(outputs, labels)
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores) if self.from_logits else 1 - scores, scores], axis=1)
        scores = log_softmax(scores) if self.from_logits else checked_probabilities(scores)
        own = np.take_along_axis(scores, classes_of(outputs, labels)[:, None], axis=1).astype(np.float64)
        with np.errstate(divide="ignore"):
            logs = own if self.from_logits else np.log(own)
        return total - float(logs.sum()), count + logs.size

    def result(self, memory: tuple[float, int]) -> float:
        total, count = memory
        with np.errstate(over="ignore"):
            return float(np.exp(total / count)) if count else float("nan")
