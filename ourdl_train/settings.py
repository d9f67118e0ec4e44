"""The sections ``[train]`` and ``[data]`` of a model file, read and checked before anything runs.

A section (group ``ourdl.sections``) is a class with ``read(table, problem)``, which returns the settings, and a method
``compare(graph, problem)``; both tell each mistake to ``problem(path, message)``, with a path inside the section.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from ourdl_core import Range, Record
from ourdl_core.attributes import REQUIRED, Named
from ourdl_core.errors import did_you_mean
from ourdl_train.optimizers import optimizer

Problem = Callable[[str, str], None]

MAX_UNKNOWN = 20  # unknown keys of a table that are told of; to look for names like thousands of them takes minutes


def read_record(cls: type[Record], table: Any, problem: Problem, path: str = "") -> Any:
    """The record that a table describes; each key that is unknown, missing or wrong is a problem of its own."""
    if not isinstance(table, Mapping):
        problem(path, f"must be a table of settings, found {type(table).__name__} {table!r:.60}")
        return None
    fields = cls.fields()
    unknown = [key for key in table if key not in fields]
    wrong = len(unknown)
    for key in unknown[:MAX_UNKNOWN]:
        hint = did_you_mean(str(key), fields) or f"Known are: {', '.join(fields)}."
        problem(_join(path, key), f"unknown key. {hint}")
    if wrong > MAX_UNKNOWN:
        problem(path, f"{wrong:,} keys are unknown: these are the first {MAX_UNKNOWN}")
    for name, each in fields.items():
        if name not in table and each.default is REQUIRED:
            problem(_join(path, name), "is missing")
            wrong += 1
        elif name in table:
            try:
                each.convert(table[name], cls.__name__)
            except (TypeError, ValueError, LookupError) as error:
                problem(_join(path, name), str(error).removeprefix(f"{cls.__name__}: attribute '{name}' "))
                wrong += 1
    if wrong:
        return None
    try:
        return cls.make(dict(table))
    except (TypeError, ValueError, LookupError) as error:
        problem(path, str(error))
        return None


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


class TrainSettings(Record):
    """The section ``[train]``: what is minimised, by which optimizer, for how long."""

    loss: str
    optimizer: Annotated[Any, Named(optimizer, "optimizer")]
    epochs: Annotated[int, Range(low=1)]
    batch: Annotated[int, Range(low=1)] = 32
    seed: Annotated[int, Range(low=0)] = 0
    shuffle: bool = True

    @classmethod
    def read(cls, table: Any, problem: Problem) -> Any:
        return read_record(cls, table, problem)

    def compare(self, graph: Any, problem: Problem) -> None:
        """The loss must be a node of the graph."""
        if self.loss not in graph:
            known = [str(node) for node in graph.nodes]
            hint = did_you_mean(self.loss, known) or f"Nodes are: {', '.join(known[:12])}."
            problem("loss", f"no node named '{self.loss}'. {hint}")


class Split(Record):
    """Which parts of the rows are held out, drawn from ``seed`` alone."""

    test: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    validation: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    seed: Annotated[int, Range(low=0)] = 0

    def check(self) -> None:
        if self.test + self.validation >= 1:
            raise ValueError(f"test and validation leave nothing to train on: {self.test:g} + {self.validation:g}")


class Columns(Record):
    """The columns of one input: a name (one value a row), a pattern or a list (several); multiplied by ``scale``."""

    columns: str | tuple[str, ...]
    scale: float = 1.0


@dataclass(frozen=True)
class DataSettings:
    """The section ``[data]``: a file, how it is split, and the columns of each input."""

    file: str
    columns: dict[str, Columns]
    split: Split = field(default_factory=Split)

    @classmethod
    def read(cls, table: Any, problem: Problem) -> Self | None:
        """The settings in a table, in which every key but ``file`` and ``split`` is an input."""
        if not isinstance(table, Mapping):
            problem("", f"must be a table, found {type(table).__name__} {table!r:.60}")
            return None
        file = table.get("file")
        if not isinstance(file, str) or not file:
            problem("file", "is missing" if file is None else f"must be the name of a file, found {file!r:.60}")
        split = read_record(Split, table.get("split", {}), problem, "split")
        inputs = {name: each for name, each in table.items() if name not in ("file", "split")}
        columns = {name: read_record(Columns, each, problem, name) for name, each in inputs.items()}
        if not isinstance(file, str) or split is None or None in columns.values():
            return None
        return cls(file, columns, split)

    def compare(self, graph: Any, problem: Problem) -> None:
        """Every input of the graph must have columns, and every entry be an input."""
        unknown = [name for name in self.columns if name not in graph.inputs]
        for name in unknown[:MAX_UNKNOWN]:
            known = ["file", "split", *graph.inputs]
            hint = did_you_mean(name, known) or f"Inputs are: {', '.join(graph.inputs) or 'none'}."
            problem(name, f"no input named '{name}'. {hint}")
        if len(unknown) > MAX_UNKNOWN:
            problem("", f"{len(unknown):,} names are no inputs: these are the first {MAX_UNKNOWN}")
        for name in graph.inputs:
            if name not in self.columns:
                problem(name, f"the input '{name}' has no data: write {name} = {{ columns = \"...\" }}")
