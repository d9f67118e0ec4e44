"""Contracts of the losses that compare classes and distributions: the terms written out, then reduced."""

import numpy as np

from ourdl_core import Contract, Error, Sample

LOSS = {"loss", "second_order"}
MASKED = np.array([[0.25, -np.inf, 1.5], [-1.0, 0.5, 2.0]])


def reduced(terms, reduction):
    return terms if reduction == "none" else getattr(np, reduction)(terms)


def x_log_y(x, y):
    """``x * log(y)``, where 0 * log(0) is 0."""
    return np.where((x == 0) & (y == 0), 0.0, x * np.log(y))


def x_log1p_y(x, y):
    """``x * log(1 + y)``, where 0 * log(0) is 0."""
    return np.where((x == 0) & (y == -1), 0.0, x * np.log1p(y))


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def weighted(weights, logs):
    """``weights * logs``, where 0 * -inf is 0."""
    return np.where((weights == 0) & (logs == -np.inf), 0.0, weights * logs)


def class_index(label, scores):
    """``label``, if each is a class."""
    if np.any((label < 0) | (label >= scores.shape[-1])):
        raise IndexError("no class")
    return label


def one_hot(label, count):
    return (class_index(label, np.empty(count))[..., np.newaxis] == np.arange(count)).astype(float)


def picked(scores, label):
    """The score of each label's class; scores of other classes have no say, be they NaN."""
    flat, labels = scores.reshape(-1, scores.shape[-1]), class_index(label, scores).reshape(-1)
    return np.array([row[k] for row, k in zip(flat, labels, strict=True)], scores.dtype).reshape(label.shape)


def binary_cross_entropy(prediction, label, reduction="mean", from_logits=False):
    if from_logits:
        terms = label * np.logaddexp(0.0, -prediction) + (1.0 - label) * np.logaddexp(0.0, prediction)
    else:
        terms = -(x_log_y(label, prediction) + x_log1p_y(1.0 - label, -prediction))
    return reduced(terms, reduction)


def nll(prediction, label, reduction="mean"):
    return reduced(-picked(prediction, label), reduction)


def softmax_cross_entropy(prediction, label, reduction="mean", label_smoothing=0.0):
    count = prediction.shape[-1]
    target = one_hot(label, count) if label.dtype.kind in "iu" else label
    target = (1.0 - label_smoothing) * target + label_smoothing / count
    return reduced(-np.sum(weighted(target, log_softmax(prediction)), axis=-1), reduction)


def kl_divergence(prediction, label, reduction="mean", from_logits=False):
    cross = weighted(label, log_softmax(prediction)) if from_logits else x_log_y(label, prediction)
    return reduced(np.sum(x_log_y(label, label) - cross, axis=-1), reduction)


def hinge(prediction, label, reduction="mean"):
    return reduced(np.maximum(0.0, 1.0 - label * prediction), reduction)


def _probabilities(mk, shape):
    return mk(shape, 0.05, 0.95)


def _distribution(mk, shape):
    """Positive numbers whose sum over the last axis is 1."""
    x = mk(shape, 0.2, 1.0)
    return x / x.sum(axis=-1, keepdims=True)


def _signs(shape):
    """-1 and 1, either of them somewhere."""
    return np.where(np.arange(np.prod(shape)).reshape(shape) % 3 == 1, -1.0, 1.0)


def _not_fitting(name):
    return (
        Error(
            args=(np.ones((3, 1)), np.ones(3)),
            type=ValueError,
            match=f"{name}: prediction has 2 dimensions and label 1: give both the same",
        ),
        Error(args=(np.ones((3, 4)), np.ones((1, 4))), type=ValueError, match=r"found shape \[1, 4\] beside \[3, 4\]"),
    )


BinaryCrossEntropy = Contract(
    samples=lambda mk: [
        (_probabilities(mk, (3, 4)), mk((3, 4), 0.0, 1.0)),
        (_probabilities(mk, (2, 3, 5)), mk((2, 3, 5), 0.0, 1.0)),
        Sample(_probabilities(mk, (4, 3)), mk((4, 3), 0.0, 1.0), reduction="sum"),
        Sample(_probabilities(mk, (4, 3)), mk((4, 3), 0.0, 1.0), reduction="none"),
        (mk((), 0.2, 0.8), mk((), 0.2, 0.8)),
        (_probabilities(mk, (2, 3)), np.array([[0, 1, 1], [1, 0, 0]])),
        (_probabilities(mk, (3, 2)), np.array([[False, True], [True, False], [True, True]])),
        Sample(mk((3, 4), -4.0, 4.0), mk((3, 4), 0.0, 1.0), from_logits=True),
        Sample(mk((2, 5), -60.0, 60.0), mk((2, 5), 0.0, 1.0), from_logits=True, reduction="none"),
        Sample(mk((2, 3)), np.array([[0, 1, 1], [1, 0, 0]]), from_logits=True, reduction="sum"),
        # What cannot be and is not costs nothing, and what is small is not rounded away.
        Sample(np.array([0.0, 1.0, 0.5, 1e-20, 0.25]), np.array([0, 1, 1, 0, 0]), reduction="none").within(1e-12),
        Sample(np.array([30.0, -30.0, 1.0]), np.array([1.0, 0.0, 0.5]), from_logits=True, reduction="none").within(1e-12),
    ],
    reference=binary_cross_entropy,
    errors=_not_fitting("BinaryCrossEntropy"),
    claims=LOSS,
)

NLL = Contract(
    samples=lambda mk: [
        (log_softmax(mk((3, 4))), np.array([3, 0, 1])),
        (mk((2, 3, 5)), mk((2, 3), 0, 5, dtype="int64")),
        (mk((5,)), np.array(2)),
        Sample(mk((4, 3)), np.array([0, 2, 1, 0]), reduction="sum"),
        Sample(mk((4, 3)), np.array([2, 2, 2, 0]), reduction="none"),
        (mk((3, 2)), np.array([1, 0, 1], np.uint8)),
    ],
    reference=nll,
    errors=(
        Error(args=(np.ones((3, 4)), np.array([0, -1, 1])), type=IndexError, match="-1 is no class: there are 4, 0 to 3"),
        Error(args=(np.ones((3, 4)), np.array([0, 4, 1])), type=IndexError, match="4 is no class: there are 4, 0 to 3"),
        Error(
            args=(np.ones((3, 4)), np.ones((3, 4))),
            type=ValueError,
            match="NLL: label must be class indices, an array of integers of 1 dimensions",
        ),
        Error(args=(np.ones(4), 1), type=ValueError, match="NLL: label must be class indices, an array .* found Python int"),
    ),
    claims=LOSS,
)

SoftmaxCrossEntropy = Contract(
    samples=lambda mk: [
        (mk((3, 4)), np.array([3, 0, 1])),
        (mk((3, 4)), _distribution(mk, (3, 4))),
        (mk((2, 3, 5), -60.0, 60.0), mk((2, 3), 0, 5, dtype="int64")),
        (mk((2, 3, 5), -60.0, 60.0), _distribution(mk, (2, 3, 5))),
        (mk((5,)), np.array(2)),
        Sample(mk((4, 3)), np.array([0, 2, 1, 0]), reduction="sum"),
        Sample(mk((4, 3)), _distribution(mk, (4, 3)), reduction="none"),
        Sample(mk((3, 4)), np.array([2, 0, 2], np.int32), label_smoothing=0.1),
        Sample(mk((3, 4)), _distribution(mk, (3, 4)), label_smoothing=0.25, reduction="none"),
        Sample(mk((3, 4)), np.array([2, 0, 2]), label_smoothing=1.0, reduction="sum"),
        # A masked score costs nothing where the label rules its class out.
        (MASKED, np.array([[0.25, 0.0, 0.75], [0.5, 0.25, 0.25]])),
        (MASKED, np.array([2, 1])),
    ],
    reference=softmax_cross_entropy,
    errors=(
        Error(args=(np.ones((3, 4)), np.array([0, 4, 1])), type=IndexError, match="4 is no class: there are 4, 0 to 3"),
        Error(
            args=(np.ones((3, 4)), np.ones(3)),
            type=ValueError,
            match="SoftmaxCrossEntropy: label must be class indices .* or probabilities .*found float64",
        ),
        Error(args=(np.ones((3, 4)), np.zeros(2, np.int64)), type=ValueError, match=r"found shape \[2\] beside \[3\]"),
        Error(
            args=(np.ones((3, 4)), np.array([0, 1, 2])),
            type=ValueError,
            match="attribute 'label_smoothing' must be at least 0 and at most 1",
            attributes={"label_smoothing": 1.5},
        ),
    ),
    claims=LOSS,
)

KLDivergence = Contract(
    samples=lambda mk: [
        (_distribution(mk, (3, 4)), _distribution(mk, (3, 4))),
        (_distribution(mk, (2, 3, 5)), _distribution(mk, (2, 3, 5))),
        (_distribution(mk, (5,)), _distribution(mk, (5,))),
        Sample(_distribution(mk, (4, 3)), _distribution(mk, (4, 3)), reduction="sum"),
        Sample(_distribution(mk, (4, 3)), _distribution(mk, (4, 3)), reduction="none"),
        Sample(mk((3, 4)), _distribution(mk, (3, 4)), from_logits=True),
        Sample(mk((2, 5), -60.0, 60.0), _distribution(mk, (2, 5)), from_logits=True, reduction="none"),
        Sample(MASKED, np.array([[0.25, 0.0, 0.75], [0.5, 0.25, 0.25]]), from_logits=True),
        # One class is certain; the prediction rules another one out as well.
        Sample(mk((2, 3)), np.array([[0, 1, 0], [0, 0, 1]]), from_logits=True, reduction="sum"),
        Sample(np.array([[0.0, 0.5, 0.5]]), np.array([[False, True, False]]), reduction="none"),
    ],
    reference=kl_divergence,
    errors=_not_fitting("KLDivergence"),
    claims=LOSS,
)

Hinge = Contract(
    samples=lambda mk: [
        (mk((3, 4)), _signs((3, 4))),
        (mk((2, 3, 5), -9.0, 9.0), _signs((2, 3, 5))),
        Sample(mk((4, 3)), _signs((4, 3)), reduction="sum"),
        Sample(mk((4, 3)), _signs((4, 3)), reduction="none"),
        (mk((), -0.5, 0.5), np.array(1.0)),
        (mk((2, 3)), np.array([[1, -1, 1], [-1, -1, 1]])),
        # Where label * prediction is 1.
        (np.array([[1.0, -1.0, 0.5], [2.0, -0.25, 1.5]]), np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])),
    ],
    reference=hinge,
    errors=_not_fitting("Hinge"),
    claims=LOSS,
)

ClassIndex = Contract(
    samples=lambda mk: [
        (np.array([3, 0, 1]), mk((3, 4))),
        (mk((2, 3), 0, 5, dtype="int64"), mk((2, 3, 5))),
        (np.array(2), mk((3,))),
        (np.array([[1, 0], [2, 2], [0, 1], [1, 1]], np.uint8), mk((4, 2, 3))),
    ],
    reference=class_index,
    errors=(
        Error(args=(np.array([0, 4, 1]), np.ones((3, 4))), type=IndexError, match="^4 is no class: there are 4, 0 to 3"),
        Error(args=(np.array([0, 3, -1]), np.ones((3, 4))), type=IndexError, match="^-1 is no class: there are 4, 0 to 3"),
    ),
    claims=(),  # labels have no gradient
)
