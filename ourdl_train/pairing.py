"""Which output and which label each metric looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ourdl_core.errors import did_you_mean
from ourdl_train.class_labels import kind_of
from ourdl_train.classification_metrics import Accuracy
from ourdl_train.metrics import Metric


@dataclass(frozen=True)
class _Shaped:
    """The shape and dtype of a batch, whether it is one or a single row."""

    shape: tuple[int, ...]
    dtype: Any


class Pairing:
    """Metrics by their names, each with the output and label that it looks at.

    ``labels`` are the inputs that may be labels of each output, ``single`` says that rows come without a batch axis.
    """

    def __init__(
        self, metrics: Collection[Metric], labels: Mapping[str, list[str]], inputs: list[str], single: bool
    ) -> None:
        self.labels, self.single = labels, single
        self.usual = not metrics
        self.metrics = _by_name(metrics or [Accuracy()])
        for metric in metrics:
            _check_known("output", metric.output, list(labels), metric)
            _check_known("label", metric.label, inputs, metric)

    def choose(self, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """The output and the label of each metric, by shapes and dtypes; ValueError if one that is wanted fits none."""
        found = {}
        for name, metric in self.metrics.items():
            pairs = self._pairs(metric)
            shaped = [(o, i, self._shaped(outputs[o], inputs[i]), self._shaped(inputs[i])) for o, i in pairs]
            fitting = [(o, i) for o, i, output, label in shaped if self._fits(metric, output, label)]
            if not self.usual:
                _check_one(metric, fitting, shaped)
            if fitting:
                found[name] = fitting[0]
        return found

    def add(
        self, memories: dict[str, Any] | None, outputs: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The memories of the metrics after one more batch (or a single row); None before the first."""
        after = {}
        for name, (output, label) in self.choose(outputs, inputs).items():
            metric = self.metrics[name]
            memory = metric.begin() if memories is None or name not in memories else memories[name]
            pair = outputs[output], inputs[label]
            try:
                after[name] = metric.add(memory, *(each[None] for each in pair) if self.single else pair)
            except (ValueError, TypeError) as error:
                error.add_note(f"  in the metric {type(metric).__name__} of the output '{output}' and the label '{label}'")
                raise
        return after

    def _pairs(self, metric: Metric) -> list[tuple[str, str]]:
        outputs = self.labels if metric.output is None else [metric.output]
        return [(o, i) for o in outputs for i in (self.labels[o] if metric.label is None else [metric.label])]

    def _fits(self, metric: Metric, output: _Shaped, label: _Shaped) -> bool:
        return kind_of(output, label) == "indices" if self.usual else metric.fits(output, label)

    def _shaped(self, value: Any, beside: Any = None) -> _Shaped:
        """What counts of an output or label; a size that is not known yet is that of what lies ``beside``."""
        known = (*beside.shape, *[None] * len(value.shape)) if beside is not None else ()
        shape = tuple(known[i] if size is None else size for i, size in enumerate(value.shape))
        return _Shaped((1, *shape) if self.single else shape, value.dtype)


def _by_name(metrics: Collection[Metric]) -> dict[str, Metric]:
    """The metrics by key; those of one key by their outputs too."""
    keys = [metric.key for metric in metrics]
    found: dict[str, Metric] = {}
    for metric in metrics:
        name = f"{metric.key}_{metric.output}" if keys.count(metric.key) > 1 and metric.output else metric.key
        if name in found:
            raise ValueError(f"two metrics are called '{name}': {found[name]!r} and {metric!r}. Take one")
        found[name] = metric
    return found


def _check_known(noun: str, name: str | None, known: list[str], metric: Metric) -> None:
    if name is not None and name not in known:
        hint = did_you_mean(name, known) or f"There are: {', '.join(known) or 'none'}."
        what = "output of the graph" if noun == "output" else "input that the loss is computed from"
        raise LookupError(f"metric {type(metric).__name__}: {noun} '{name}' is no {what}. {hint}")


def _check_one(metric: Metric, fitting: list[tuple[str, str]], shaped: list[tuple[str, str, _Shaped, _Shaped]]) -> None:
    """Of several outputs the first is meant; one output must have one label."""
    name = type(metric).__name__
    labels = [label for output, label in fitting if output == fitting[0][0]]
    if len(labels) > 1:
        output, which = fitting[0][0], " and ".join(f"'{each}'" for each in labels)
        example = f'{{ name = "{name}", output = "{output}", label = "{labels[0]}" }}'
        raise ValueError(f"metric {name}: {which} may be labels of the output '{output}'. Say which is meant, as {example}")
    if not shaped:
        raise ValueError(f"metric {name}: no output has a label, an input that the loss uses and the output does not")
    if not fitting:
        tried = [f"'{o}' {_text(output)} with '{i}' {_text(label)}" for o, i, output, label in shaped[:6]]
        raise ValueError(f"metric {name} fits no output with its label: tried {', '.join(tried)}")


def _text(value: _Shaped) -> str:
    return f"{value.dtype} {list(value.shape)}"
