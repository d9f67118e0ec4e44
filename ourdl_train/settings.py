"""The section ``[train]`` of a model file, read and checked before anything runs.

A section (group ``ourdl.sections``) is a class. ``read(table, problems)``, a class method, returns the settings;
``compare(table, graph, problems, unbuilt)``, another, looks whether the table fits the graph, in which the nodes ``unbuilt``
are left out, since they are wrong. Both tell each mistake to ``problems(path, message)``, with a path inside the section.
``table(defaults)`` of the settings is the way back. Two may be there besides: ``schema()``, the JSON Schema of the table (a
section that is a Record needs none), and ``moved(old, new)``, the settings for a file in another folder.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from ourdl_core import Graph, Length, Node, Range, Record, Spec, Variable
from ourdl_core.node import order_of
from ourdl_core.problems import Problems
from ourdl_core.rows import read_record
from ourdl_core.tables import table_of
from ourdl_train.early_stopping import EarlyStopping
from ourdl_train.metrics import MetricNames
from ourdl_train.optimizers import OptimizerName


class TrainSettings(Record):
    """The section ``[train]``: what is minimised, by which optimizer, for how long."""

    loss: str
    optimizer: OptimizerName
    epochs: Annotated[int, Range(low=1)]
    batch: Annotated[int, Range(low=1)] = 32
    seed: Annotated[int, Range(low=0)] = 0
    shuffle: bool = True
    trained: Annotated[tuple[str, ...], Length(1)] = ("*",)
    early_stopping: EarlyStopping | None = None
    metrics: MetricNames = ()

    @classmethod
    def read(cls, table: Any, problems: Problems) -> Any:
        return read_record(cls, table, problems, owner="[train]")[0]

    @classmethod
    def compare(cls, table: Any, graph: Graph, problems: Problems, unbuilt: Collection[str]) -> None:
        """The loss must be a node of the graph, one floating number, and depend on something that is trained."""
        name = table.get("loss") if isinstance(table, Mapping) else None
        if not isinstance(name, str):
            return
        if name in graph:
            _check_loss(graph[name], problems)
        elif name.partition("[")[0] not in unbuilt:
            known = [*map(str, graph.nodes), *unbuilt]
            problems.unknown(("loss",), f"no node named {name[:100]!r}", name, known, "undefined-name")
        if not unbuilt:
            parameters = list(graph.named_parameters())
            _check_metrics(table.get("metrics"), graph, problems.within("metrics"))
            _check_rates(table.get("optimizer"), parameters, problems.within("optimizer"))
            _check_trained(table.get("trained"), parameters, problems.within("trained"))

    def table(self, defaults: bool = False) -> dict[str, Any]:
        """The table of the section; what has its default value only with ``defaults``."""
        return table_of(self, defaults)


def _check_metrics(metrics: Any, graph: Graph, problems: Problems) -> None:
    """What a metric names must be an output of the graph, and an input."""
    for place, metric in enumerate(metrics) if isinstance(metrics, list) else ():
        for noun, known in (("output", graph.outputs), ("label", graph.inputs)):
            name = metric.get(noun) if isinstance(metric, Mapping) else None
            if isinstance(name, str) and name not in known:
                what = f"{name[:100]!r} is no {'output' if noun == 'output' else 'input'} of the graph"
                problems.unknown((place, noun), what, name, known, "undefined-name")


def _check_rates(optimizer: Any, parameters: list[str], problems: Problems) -> None:
    """Each pattern of a table of learning rates, or of weight decays, must fit a parameter."""
    for word in ("lr", "weight_decay"):
        numbers = optimizer.get(word) if isinstance(optimizer, Mapping) else None
        for pattern in numbers if isinstance(numbers, Mapping) else ():
            if pattern != "*" and not any(fnmatchcase(name, str(pattern)) for name in parameters):
                what = f"no parameter is called {str(pattern)[:100]!r}"
                problems.unknown((word, str(pattern)), what, pattern, parameters, "undefined-name", at_key=True)


def _check_trained(patterns: Any, parameters: list[str], problems: Problems) -> None:
    """Each pattern of what is trained must fit a parameter."""
    for i, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if isinstance(pattern, str) and pattern != "*" and not any(fnmatchcase(name, pattern) for name in parameters):
            problems.unknown((i,), f"no parameter is called {pattern[:100]!r}", pattern, parameters, "undefined-name")


def _check_loss(loss: Node, problems: Problems) -> None:
    if not any(isinstance(each, Variable) and each.trained for each in order_of([loss])):
        problems(("loss",), f"nothing that is trained leads to '{loss}': no op above it has parameters", "nothing-trained")
    try:
        spec: Any = loss.spec
    except (TypeError, ValueError, LookupError):  # not declared, or wrong, which is told at its node
        return
    if not isinstance(spec, Spec):
        problems(("loss",), f"'{loss}' has several outputs: choose one, as \"{loss}[0]\"", "several-outputs")
    elif spec.shape:
        mean = f'mean = {{ op = "Mean", in = "{loss}" }}'
        problems(("loss",), f"a loss is one number, '{loss}' is {spec}: take its mean, {mean}", "loss-not-scalar")
    elif spec.dtype.kind != "f":
        problems(("loss",), f"a loss is a floating number, '{loss}' is {spec}: nothing is trained by it", "loss-not-float")
