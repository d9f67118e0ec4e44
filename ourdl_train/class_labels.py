"""Classes from outputs and labels, however these are written: as indices, one-hot, or one number a row."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_CLOSE = 1e-3  # sums of probabilities in half precision are no closer to 1


def kind_of(outputs: Any, labels: Any) -> str | None:
    """How labels name classes, by shapes and dtypes: ``"indices"``, ``"one-hot"``, ``"binary"``; None if they cannot.

    Classes lie along the last axis of outputs. Binary is one number a row (no last axis, or one of size 1), which says how
    likely the class 1 is.
    """
    if outputs.dtype.kind not in "fiub" or labels.dtype.kind not in "fiub" or not outputs.shape:
        return None
    if outputs.shape[-1] == 1 or len(outputs.shape) == 1:
        same = labels.shape == outputs.shape
        return "binary" if same or (len(outputs.shape) > 1 and labels.shape == outputs.shape[:-1]) else None
    if labels.shape == outputs.shape:
        return "one-hot"
    return "indices" if labels.dtype.kind in "iub" and labels.shape == outputs.shape[:-1] else None


def scores_of(outputs: Array, labels: Array) -> Array:
    """The outputs as [rows, classes], of one column where they are binary."""
    if kind_of(outputs, labels) is None:
        raise ValueError(
            f"labels of shape {list(labels.shape)} ({labels.dtype}) name no classes of outputs of shape "
            f"{list(outputs.shape)} ({outputs.dtype}): they are whole numbers of shape {list(outputs.shape[:-1])}, or "
            "one-hot rows of the shape of the outputs"
        )
    return outputs.reshape(-1, 1 if kind_of(outputs, labels) == "binary" else outputs.shape[-1])


def classes_of(outputs: Array, labels: Array) -> Array:
    """The labels as class indices, [rows]; ValueError where one of them is no class."""
    columns = scores_of(outputs, labels).shape[1]
    if kind_of(outputs, labels) == "one-hot":
        return _hot(labels.reshape(-1, columns))
    found = labels.reshape(-1)
    count = max(columns, 2)
    wrong = (found != np.floor(found)) | (found < 0) | (found >= count) if found.dtype.kind != "b" else np.zeros(0, bool)
    if wrong.any():
        raise ValueError(f"the label {found[wrong][0]:g} is no class: there are {count}, 0 to {count - 1}")
    return found.astype(np.int64)


def _hot(rows: Array) -> Array:
    """The class of one-hot rows, or of rows of probabilities the likeliest."""
    sums = rows.sum(axis=1, dtype=np.float64)
    wrong = ~(np.abs(sums - 1) <= _CLOSE)
    if wrong.any():
        raise ValueError(
            f"labels of the shape of the outputs are one-hot, each row for one class; found a row with the sum "
            f"{sums[wrong][0]:g}. Where each output is a question of its own, give it a last axis of size 1"
        )
    return rows.argmax(axis=1)


def predicted(scores: Array, threshold: float | None) -> Array:
    """The class that each row of scores says: the largest, the first of several; of one column, 1 above the threshold."""
    if scores.shape[1] > 1:
        return scores.argmax(axis=1)
    column = scores[:, 0]
    if threshold is None and ((column < 0) | (column > 1)).any():
        found = column[(column < 0) | (column > 1)][0]
        raise ValueError(
            f"the output {found:.4g} is no probability, so that 0.5 is no threshold for it: write threshold = 0 for a "
            "logit, or the threshold that is meant"
        )
    return (column > (0.5 if threshold is None else threshold)).astype(np.int64)


def log_softmax(scores: Array) -> Array:
    """The logarithms of the probabilities of all classes, from logits [rows, classes]; at least float32."""
    shifted = scores.astype(np.result_type(scores, np.float32)) - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def checked_probabilities(scores: Array) -> Array:
    """The scores, if each row is a distribution over the classes."""
    wrong = (scores < 0).any(axis=1) | (np.abs(scores.sum(axis=1, dtype=np.float64) - 1) > _CLOSE)
    if wrong.any():
        row = np.array2string(scores[wrong][0][:4], precision=3, separator=", ")
        raise ValueError(f"the output {row} holds no probabilities: write from_logits = true where they are logits")
    return scores
