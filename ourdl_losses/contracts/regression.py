"""Contracts of the losses that compare numbers: the terms written out, then reduced."""

import numpy as np

from ourdl_core import Contract, Error, Sample

LOSS = {"loss", "second_order"}
REDUCTIONS = ("mean", "sum", "none")


def reduced(terms, reduction):
    return terms if reduction == "none" else getattr(np, reduction)(terms)


def value_loss(label, prediction, reduction="none"):
    return reduced(np.abs(label - prediction), reduction)


def absolute(prediction, label, reduction="mean"):
    return reduced(np.abs(prediction - label), reduction)


def squared(prediction, label, reduction="mean"):
    return reduced(np.power(prediction - label, 2), reduction)


def huber(prediction, label, reduction="mean", delta=1.0):
    d = np.abs(prediction - label)
    return reduced(np.where(d > delta, delta * d - delta**2 / 2, d**2 / 2), reduction)


def cosine(prediction, label, reduction="mean", axis=-1):
    dot = np.sum(prediction * label, axis=axis)
    lengths = np.linalg.norm(prediction, axis=axis) * np.linalg.norm(label, axis=axis)
    return reduced(1.0 - np.where(lengths == 0, 0.0, dot / np.where(lengths == 0, 1.0, lengths)), reduction)


def _samples(mk, default="mean"):
    """Every reduction, a 0-d pair, and some labels equal to the prediction or 1 from it."""
    others = [each for each in REDUCTIONS if each != default]
    return [
        (mk((3, 4)), mk((3, 4))),
        (mk((2, 3, 5), -9.0, 9.0), mk((2, 3, 5), -9.0, 9.0)),
        *(Sample(mk((4, 3)), mk((4, 3)), reduction=each) for each in others),
        (mk(()), mk(())),
        (np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]]), np.array([[1.0, -1.0, 0.5], [2.0, 2.0, -1.0]])),
    ]


def _counting(mk):
    """Labels that are whole numbers or bools, which take the dtype of the prediction."""
    return [
        (mk((2, 3)), mk((2, 3), dtype="int64")),
        Sample(mk((3, 2)), mk((3, 2), dtype="bool"), reduction="sum"),
    ]


def _errors(name):
    return (
        Error(
            args=(np.ones((3, 1)), np.ones(3)),
            type=ValueError,
            match=rf"{name}: prediction has 2 dimensions and label 1: give both the same, as by ops\.Unsqueeze",
        ),
        Error(args=(np.ones((3, 1)), np.ones((3, 4))), type=ValueError, match=r"found shape \[3, 4\] beside \[3, 1\]"),
        Error(
            args=(np.ones(3), np.ones(3)),
            type=ValueError,
            match=f"{name}: attribute 'reduction' must be one of 'mean', 'sum', 'none'",
            attributes={"reduction": "average"},
        ),
    )


ValueLoss = Contract(
    samples=lambda mk: [
        *_samples(mk, "none"),
        (mk((2, 3), dtype="int64"), mk((2, 3))),
        (mk((3, 2), dtype="bool"), mk((3, 2))),
    ],
    reference=value_loss,
    errors=(
        Error(
            args=(np.ones((3, 1)), np.ones(3)),
            type=ValueError,
            match="ValueLoss: prediction has 1 dimensions and label 2: give both the same",
        ),
        Error(args=(np.ones((3, 1)), np.ones((3, 4))), type=ValueError, match=r"found shape \[3, 1\] beside \[3, 4\]"),
    ),
    claims=LOSS,  # the label is the first input: moving it towards the prediction makes the loss smaller as well
)

AbsoluteError = Contract(
    samples=lambda mk: [*_samples(mk), *_counting(mk)],
    reference=absolute,
    errors=_errors("AbsoluteError"),
    claims=LOSS,
)

SquaredError = Contract(
    samples=lambda mk: [*_samples(mk), *_counting(mk)],
    reference=squared,
    errors=_errors("SquaredError"),
    claims=LOSS,
)

Huber = Contract(
    samples=lambda mk: [
        *_samples(mk),  # the last of them has differences of exactly delta, where the two pieces meet
        *_counting(mk),
        Sample(mk((3, 4)), mk((3, 4)), delta=0.3),
        Sample(mk((4, 2), -3.0, 3.0), mk((4, 2), -3.0, 3.0), delta=2.5, reduction="none"),
    ],
    reference=huber,
    errors=(
        *_errors("Huber"),
        Error(
            args=(np.ones(3), np.ones(3)),
            type=ValueError,
            match="Huber: attribute 'delta' must be more than 0",
            attributes={"delta": 0.0},
        ),
    ),
    claims=LOSS,
)

CosineDistance = Contract(
    samples=lambda mk: [
        (mk((3, 4), 0.3, 2.0), mk((3, 4))),
        (mk((2, 3, 5)), mk((2, 3, 5), 0.3, 2.0)),
        Sample(mk((4, 3), 0.3, 2.0), mk((4, 3), 0.3, 2.0), reduction="sum"),
        Sample(mk((4, 3), 0.3, 2.0), mk((4, 3), 0.3, 2.0), reduction="none"),
        (mk((5,), 0.3, 2.0), mk((5,))),
        Sample(mk((3, 4), 0.3, 2.0), mk((3, 4), 0.3, 2.0), axis=0),
        Sample(mk((2, 3, 4), 0.3, 2.0), mk((2, 3, 4), 0.3, 2.0), axis=-2, reduction="none"),
        (mk((2, 3), 0.3, 2.0), np.array([[1, 0, 2], [0, 3, 0]])),
    ],
    reference=cosine,
    errors=(
        *_errors("CosineDistance"),
        Error(
            args=(np.ones((2, 3)), np.ones((2, 3))),
            type=ValueError,
            match="axis 2 is out of range for 2 dimensions",
            attributes={"axis": 2},
        ),
    ),
    claims=LOSS,
)
