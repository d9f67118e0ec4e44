"""Metrics by name: how well outputs fit labels, gathered batch by batch.

A metric is a record: its settings and nothing else. What it has seen so far is its memory, which is handed from ``add`` to
``add``; so one metric may be used for several sets of rows at once.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

import numpy as np

from ourdl_core import Named, Record
from ourdl_core.registry import Registry

registry = Registry("ourdl.metrics")

Array = np.ndarray[Any, Any]


class Metric(Record):
    """Base of metrics: write ``fits``, ``begin``, ``add`` and ``result``.

    ``output`` and ``label`` are the names of the output of the graph that is looked at, and of the input that says what is
    right; without them, the first two that fit. ``higher_is_better`` is None where the result is not one number.
    """

    __slots__ = ()
    higher_is_better: ClassVar[bool | None] = True

    output: str | None = None
    label: str | None = None

    @property
    def key(self) -> str:
        """What the result is called: the name of the class in snake_case (``confusion_matrix``)."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @classmethod
    def fits(cls, output: Any, label: Any) -> bool:
        """Whether ``label`` can be what is right for ``output``, by their ``shape`` and ``dtype`` alone."""
        raise NotImplementedError(f"{cls.__name__} does not say which labels fit")

    def begin(self) -> Any:
        """The memory before the first row."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to begin")

    def add(self, memory: Any, outputs: Array, labels: Array) -> Any:
        """The memory after some more rows, which lie along the first axis of both arrays."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to add rows")

    def result(self, memory: Any) -> Any:
        """The metric of all rows so far: a float, or a list of lists of whole numbers."""
        raise NotImplementedError(f"{type(self).__name__} does not say what results")

    def text(self, name: str, memory: Any) -> str:
        """The result, called ``name``, in a line for people; nothing where it does not fit into a line."""
        return f"{name} {self.result(memory):.4g}"

    def __call__(self, outputs: Any, labels: Any) -> Any:
        """The metric of these rows alone."""
        return self.result(self.add(self.begin(), np.asarray(outputs), np.asarray(labels)))


_named = Named(registry, Metric)
MetricName = Annotated[Any, _named]
MetricNames = tuple[MetricName, ...]


def metric(value: Any) -> Metric:
    """A metric from its name, from ``{"name": "TopK", "k": 3}``, or itself."""
    return _named.load(value)
