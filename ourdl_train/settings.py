"""The sections ``[train]`` and ``[data]`` of a model file, read and checked before anything runs.

A section (group ``ourdl.sections``) is a class. ``read(table, problems)``, a class method, returns the settings;
``compare(table, graph, problems, unbuilt)``, another, looks whether the table fits the graph, in which the nodes ``unbuilt``
are left out, since they are wrong. Both tell each mistake to ``problems(path, message)``, with a path inside the section.
``table(defaults)`` of the settings is the way back. Two may be there besides: ``schema()``, the JSON Schema of the table (a
section that is a Record needs none), and ``moved(old, new)``, the settings for a file in another folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Self

from ourdl_core import Graph, Node, Range, Record, Spec, Variable
from ourdl_core.node import order_of
from ourdl_core.problems import Problems, kind_of
from ourdl_core.rows import read_record
from ourdl_core.schemas import record_schema
from ourdl_core.tables import table_of
from ourdl_train.optimizers import OptimizerName

CSV = (".csv", ".csv.gz")


class TrainSettings(Record):
    """The section ``[train]``: what is minimised, by which optimizer, for how long."""

    loss: str
    optimizer: OptimizerName
    epochs: Annotated[int, Range(low=1)]
    batch: Annotated[int, Range(low=1)] = 32
    seed: Annotated[int, Range(low=0)] = 0
    shuffle: bool = True

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
            _check_rates(table.get("optimizer"), list(graph.named_parameters()), problems.within("optimizer", "lr"))

    def table(self, defaults: bool = False) -> dict[str, Any]:
        """The table of the section; what has its default value only with ``defaults``."""
        return table_of(self, defaults)


def _check_rates(optimizer: Any, parameters: list[str], problems: Problems) -> None:
    """Each pattern of a table of learning rates must fit a parameter."""
    rates = optimizer.get("lr") if isinstance(optimizer, Mapping) else None
    for pattern in rates if isinstance(rates, Mapping) else ():
        if pattern != "*" and not any(fnmatchcase(name, str(pattern)) for name in parameters):
            what = f"no parameter is called {str(pattern)[:100]!r}"
            problems.unknown((str(pattern),), what, pattern, parameters, "undefined-name", at_key=True)


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


class Split(Record):
    """Which parts of the rows are held out, drawn from ``seed`` alone."""

    test: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    validation: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    seed: Annotated[int, Range(low=0)] = 0

    def check(self) -> None:
        if self.test + self.validation >= 1:
            raise ValueError(f"test and validation leave nothing to train on: {self.test:g} + {self.validation:g}")


def _check_columns(columns: Any, node: Variable, problems: Problems) -> None:
    """Columns that are named one by one must make a row of the input; what a pattern fits is known with the data only."""
    listed = columns if isinstance(columns, list) else [columns]
    if not all(isinstance(each, str) for each in listed) or any("*" in each or "?" in each for each in listed):
        return
    twice = next((each for i, each in enumerate(listed) if each in listed[:i]), None)
    if twice is not None:
        problems((), f"the column {twice!r:.60} is given twice", "wrong-value")
    if node.sizes:
        found = [len(listed)] if isinstance(columns, list) else []
        wanted = list(node.sizes[1:])
        if wanted != found and not (len(wanted) == len(found) and isinstance(wanted[0], (str, type(None)))):
            are, should = found or "one number", wanted or "one number"
            message = f"these columns give {are} a row, the input '{node}' is {should} a row"
            problems((), message, "shapes")


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
    def read(cls, table: Any, problems: Problems) -> Self | None:
        """The settings in a table, in which every key but ``file`` and ``split`` is an input."""
        if not isinstance(table, Mapping):
            problems((), f"[data] must be a table, found {kind_of(table)}: {table!r:.60}", "wrong-type")
            return None
        before = len(problems)
        file = table.get("file")
        if "file" not in table:
            problems((), "'file' is missing: the name of a CSV or NPZ file", "missing-key")
        elif not isinstance(file, str) or not file:
            problems(("file",), f"must be the name of a file, found {file!r:.60}", "wrong-value")
        split, _ = read_record(Split, table.get("split", {}), problems.within("split"), owner="split")
        inputs = {str(name): each for name, each in table.items() if name not in ("file", "split")}
        columns = {n: read_record(Columns, each, problems.within(n), owner=n)[0] for n, each in inputs.items()}
        return cls(str(file), columns, split) if len(problems) == before else None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What a file may write: every key but ``file`` and ``split`` is an input."""
        file = {"type": "string", "minLength": 1, "description": "a CSV or NPZ file, relative to the model file"}
        properties = {"file": file, "split": record_schema(Split)}
        inputs = record_schema(Columns)
        text = "The data: a file, how it is split, and the columns of each input."
        required = ["file"]
        found = {"properties": properties, "additionalProperties": inputs, "required": required}
        return {"type": "object", "description": text, **found}

    @classmethod
    def compare(cls, table: Any, graph: Graph, problems: Problems, unbuilt: Collection[str]) -> None:
        """Every input of the graph must have columns, and every entry be an input."""
        names = [str(name) for name in table if name not in ("file", "split")] if isinstance(table, Mapping) else []
        meant: set[str] = set()
        for name in names:
            if name not in graph.inputs and name not in unbuilt:
                known = ["file", "split", *graph.inputs]
                what = f"{name[:100]!r} is no input of the graph and no setting of [data]"
                meant.update(problems.unknown((name,), what, name, known, "undefined-name", at_key=True))
        for name in names:  # an array of an NPZ file may have any shape
            if name in graph.inputs and isinstance(table[name], Mapping) and str(table.get("file")).endswith(CSV):
                _check_columns(table[name].get("columns"), graph.inputs[name], problems.within(name, "columns"))
        for name in graph.inputs:
            if name not in names and name not in meant:
                problems((), f"the input '{name}' has no data: write {name} = {{ columns = \"...\" }}", "missing-data")

    def table(self, defaults: bool = False) -> dict[str, Any]:
        """The table of the section; what has its default value only with ``defaults``."""
        columns = {name: table_of(each, defaults) for name, each in self.columns.items()}
        split = table_of(self.split, defaults)
        return {"file": self.file, **columns, **({"split": split} if split else {})}

    def moved(self, old: Path, new: Path) -> Self:
        """The settings for a model file in the folder ``new``, which find the same data as those in ``old``."""
        if os.path.isabs(self.file):
            return self
        return replace(self, file=Path(os.path.relpath(old / self.file, new)).as_posix())
