"""What a trained graph gives: its outputs for new rows, and its score on rows that were held out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ourdl_core import Node, Program, Variable
from ourdl_train.feeding import Feeding, ancestors, feeding


@dataclass(frozen=True)
class Score:
    """How well a graph does on some rows: the mean loss and, where labels are class indices, how many are right."""

    loss: float
    rows: int
    right: int | None = None

    @property
    def accuracy(self) -> float | None:
        """The part of the rows that is right, from 0 to 1; None where labels are not class indices."""
        return None if self.right is None else self.right / self.rows

    def __str__(self) -> str:
        if self.right is None:
            return f"loss {self.loss:.4g} ({self.rows} rows)"
        return f"accuracy {100 * self.right / self.rows:.1f} % ({self.right} of {self.rows})"


class Evaluation:
    """A Program for inference that gives the score of rows.

    A label is an integer input that the loss uses and an output does not; it counts as a class index where it has the
    shape of the output but for the last axis. The largest value along that axis is then the class that is predicted.
    """

    def __init__(self, loss: Node, outputs: Mapping[str, Node], feeding: Feeding) -> None:
        self.feeding = feeding
        self.outputs = list(outputs.values())
        self.labels = [_labels_of(output, feeding.inputs) for output in self.outputs]
        self.program = Program(feeding.inputs, [loss, *self.outputs], mode="inference")

    def __call__(self, state: Mapping[str, Any], arrays: Mapping[str, Any]) -> Score:
        losses, rows, right, classes = [], 0, 0, False
        for count, values in self.feeding.feeds(arrays):
            (loss, *outputs), _ = self.program(state, *values)
            losses.append(float(np.mean(np.asarray(loss))) * count)
            rows += count
            found = self._right(outputs, dict(zip(self.feeding.inputs, values, strict=True)))
            classes = classes or found is not None
            right += found or 0
        return Score(math.fsum(losses) / rows, rows, right if classes else None)

    def _right(self, outputs: list[Any], values: dict[str, Any]) -> int | None:
        """How many classes are predicted rightly by the first output that has labels."""
        for output, names in zip(outputs, self.labels, strict=True):
            scores = np.asarray(output)
            for name in names:
                label = values[name]
                if label.dtype.kind in "iu" and scores.shape[:-1] == label.shape and scores.ndim == label.ndim + 1:
                    return int(np.sum(np.argmax(scores, axis=-1) == label)) if label.ndim < 2 else None
        return None


def _labels_of(output: Node, inputs: Mapping[str, Variable]) -> list[str]:
    used = ancestors(output)
    return [name for name, variable in inputs.items() if variable not in used]


def inputs_of(outputs: Mapping[str, Node], inputs: Mapping[str, Variable]) -> dict[str, Variable]:
    """Those of ``inputs`` that the outputs are computed from."""
    used = ancestors(*outputs.values())
    return {name: variable for name, variable in inputs.items() if variable in used}


def predict(
    outputs: Mapping[str, Node],
    inputs: dict[str, Variable],
    state: Mapping[str, Any],
    arrays: Mapping[str, Any],
    batch: int = 256,
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """The outputs in inference mode, for a number of rows at a time, each with the rows along its first axis."""
    fed = feeding(inputs, arrays, batch)
    program = Program(inputs, dict(outputs), mode="inference")
    for count, values in fed.feeds(arrays):
        found, _ = program(state, *values)
        shaped = {name: np.asarray(value) for name, value in found.items()}
        yield {n: v[None] if fed.batch is None or v.shape[:1] != (count,) else v for n, v in shaped.items()}
