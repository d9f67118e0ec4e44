"""What a trained graph gives: its outputs for new rows, and its score on rows that were held out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ourdl_core import Node, Program, Variable
from ourdl_train.feeding import Feeding, ancestors, feeding
from ourdl_train.metrics import Metric
from ourdl_train.pairing import Pairing


@dataclass(frozen=True)
class Score:
    """How well a graph does on some rows: the mean loss, and the metrics by their names in snake_case (``top_5``)."""

    loss: float
    rows: int
    values: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float | None:
        """The part of the labels that is predicted, from 0 to 1; None where it was not looked at."""
        return self.values.get("accuracy")

    @property
    def numbers(self) -> dict[str, float]:
        """The metrics that are one number each: no confusion matrix."""
        return {name: value for name, value in self.values.items() if isinstance(value, float)}

    def __str__(self) -> str:
        if "accuracy" in self.values:  # which says the rows
            return ", ".join(self.texts)
        return ", ".join([f"loss {self.loss:.4g}", *self.texts]) + f" ({self.rows} rows)"


class Evaluation:
    """A Program for inference that gives the score of rows.

    ``metrics`` look at the output and the label that they name, else at the first output with a label that fits; a label is
    an input that the loss uses and the output does not. Without metrics it is the accuracy, where the labels of an output
    are class indices.
    """

    def __init__(
        self, loss: Node, outputs: Mapping[str, Node], feeding: Feeding, metrics: Collection[Metric] = ()
    ) -> None:
        self.feeding = feeding
        used = {name: ancestors(output) for name, output in outputs.items()}
        labels = {
            name: [each for each, variable in feeding.inputs.items() if variable not in used[name]] for name in outputs
        }
        self.pairing = Pairing(metrics, labels, list(feeding.inputs), feeding.batch is None)
        self.outputs = dict(outputs)
        self.program = Program(feeding.inputs, [loss, *outputs.values()], mode="inference")

    @property
    def higher_is_better(self) -> set[str]:
        """The names of the metrics of which more is better."""
        return {name for name, metric in self.pairing.metrics.items() if metric.higher_is_better}

    def check(self, arrays: Mapping[str, Any]) -> None:
        """Find out before training, by shapes and dtypes, that a metric fits nothing: a ValueError."""
        _, values = next(self.feeding.feeds(arrays))
        specs = [root.spec for root in self.program.plan(*values).roots[1:]]  # sizes that vary are None in these
        self.pairing.choose(dict(zip(self.outputs, specs, strict=True)), self._named(values))

    def __call__(self, state: Mapping[str, Any], arrays: Mapping[str, Any]) -> Score:
        losses, rows, memories = [], 0, None
        for count, values in self.feeding.feeds(arrays):
            try:
                (loss, *found), _ = self.program(state, *values)
            except Exception as error:
                self.feeding.blame(error, lambda each: self.program(state, *each), arrays, range(rows, rows + count))
                raise
            losses.append(float(np.mean(np.asarray(loss))) * count)
            rows += count
            outputs = {name: np.asarray(value) for name, value in zip(self.outputs, found, strict=True)}
            memories = self.pairing.add(memories, outputs, self._named(values))
        metrics = {name: (self.pairing.metrics[name], memory) for name, memory in (memories or {}).items()}
        results = {name: plain_result(name, metric.result(memory)) for name, (metric, memory) in metrics.items()}
        texts = [metric.text(name, memory) for name, (metric, memory) in metrics.items()]
        return Score(math.fsum(losses) / rows, rows, results, tuple(filter(None, texts)))

    def _named(self, values: list[Any]) -> dict[str, Any]:
        return dict(zip(self.feeding.inputs, values, strict=True))


def plain_result(name: str, found: Any) -> Any:
    """What a metric gives, as a float or lists of numbers; TypeError that names the metric for anything else."""
    if isinstance(found, (np.ndarray, np.generic)):
        found = found.tolist()
    if isinstance(found, (bool, int, float)):
        return float(found)
    if isinstance(found, (list, tuple)):
        return [plain_result(name, each) if isinstance(each, (list, tuple)) else each for each in found]
    what = f"the metric '{name}' gives {type(found).__name__} {found!r:.60}"
    raise TypeError(f"{what}: a number or lists of numbers are wanted")


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
