"""The section ``[data]`` of a model file: the files, the columns of each input, and which rows are held out."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

from ourdl_core import Graph, Range, Record, Variable
from ourdl_core.problems import Problems, kind_of
from ourdl_core.rows import read_record
from ourdl_core.schemas import record_schema
from ourdl_core.tables import table_of

CSV = (".csv", ".csv.gz")
NPY = (".npy",)
PARTS = ("validation", "test")
SETTINGS = ("file", "split", *PARTS)


class Split(Record):
    """Which parts of the rows are held out, drawn from ``seed`` alone."""

    test: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    validation: Annotated[float, Range(low=0, high=1, open_high=True)] = 0.0
    seed: Annotated[int, Range(low=0)] = 0

    def check(self) -> None:
        if self.test + self.validation >= 1:
            raise ValueError(f"test and validation leave nothing to train on: {self.test:g} + {self.validation:g}")


class Columns(Record):
    """The columns of one input: a name (one value a row), a pattern or a list (several); multiplied by ``scale``.

    Without ``columns`` it is the one that is called as the input. ``file`` is read instead of that of the section.
    ``classes`` are the words in a column of text, which stand for 0, 1, 2 and so on.
    """

    columns: str | tuple[str, ...] | None = None
    file: str | None = None
    scale: float = 1.0
    classes: tuple[str, ...] = ()

    def check(self) -> None:
        if self.file == "":
            raise ValueError("'file' must be the name of a file, found ''")
        if self.classes and self.scale != 1.0:
            raise ValueError("'classes' become whole numbers: leave out 'scale'")
        twice = next((each for i, each in enumerate(self.classes) if each in self.classes[:i]), None)
        if twice is not None:
            raise ValueError(f"'classes' name {twice[:40]!r} twice")


@dataclass(frozen=True)
class DataSettings:
    """The section ``[data]``: a file, how it is split, and the columns of each input.

    ``validation`` and ``test`` are files by input name, or by ``"file"`` for all inputs: rows that are held out.
    """

    file: str | None
    columns: dict[str, Columns]
    split: Split = field(default_factory=Split)
    validation: dict[str, str] = field(default_factory=dict)
    test: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, table: Any, problems: Problems) -> Self | None:
        """The settings in a table, in which every key but ``file``, ``split``, ``validation`` and ``test`` is an input."""
        if not isinstance(table, Mapping):
            problems((), f"[data] must be a table, found {kind_of(table)}: {table!r:.60}", "wrong-type")
            return None
        before = len(problems)
        inputs = {str(name): each for name, each in table.items() if name not in SETTINGS}
        columns = {n: read_record(Columns, each, problems.within(n), owner=n)[0] for n, each in inputs.items()}
        file = _read_file(table, problems) if "file" in table else None
        if "file" not in table and not (inputs and all(map(_has_file, inputs.values()))):
            problems((), "'file' is missing: the name of a CSV, NPZ or NPY file", "missing-key")
        split, _ = read_record(Split, table.get("split", {}), problems.within("split"), owner="split")
        parts = {part: _read_part(table[part], inputs, problems.within(part)) for part in PARTS if part in table}
        for part in parts if split is not None else ():
            if getattr(split, part):
                message = f"the {part} rows are given twice: as a part of the file in 'split', and as a file of their own"
                problems((part,), message, "wrong-value")
        return cls(file, columns, split, **parts) if len(problems) == before else None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What a file may write: every key but those of ``properties`` is an input."""
        file = {"type": "string", "minLength": 1, "description": "a CSV, NPZ or NPY file, relative to the model file"}
        parts = {part: _part_schema(part, file) for part in PARTS}
        text = "The data: a file, how it is split, and the columns of each input."
        properties = {"file": file, "split": record_schema(Split), **parts}
        found = {"properties": properties, "additionalProperties": record_schema(Columns)}
        others: dict[str, Any] = {name: {} for name in SETTINGS if name != "file"}
        each = {"minProperties": 1, "properties": others, "additionalProperties": {"required": ["file"]}}
        return {"type": "object", "description": text, **found, "anyOf": [{"required": ["file"]}, each]}

    @classmethod
    def compare(cls, table: Any, graph: Graph, problems: Problems, unbuilt: Collection[str]) -> None:
        """Every input of the graph must have columns, and every entry be an input."""
        names = [str(name) for name in table if name not in SETTINGS] if isinstance(table, Mapping) else []
        meant: set[str] = set()
        for name in names:
            if name not in graph.inputs and name not in unbuilt:
                known = [*SETTINGS, *graph.inputs]
                what = f"{name[:100]!r} is no input of the graph and no setting of [data]"
                meant.update(problems.unknown((name,), what, name, known, "undefined-name", at_key=True))
        for name in names:
            if name in graph.inputs and isinstance(table[name], Mapping):
                _check_input(name, table, graph.inputs[name], problems.within(name))
        for name in graph.inputs:
            if name not in names and name not in meant:
                problems((), f"the input '{name}' has no data: write {name} = {{ columns = \"...\" }}", "missing-data")

    def table(self, defaults: bool = False) -> dict[str, Any]:
        """The table of the section; what has its default value only with ``defaults``."""
        file = {} if self.file is None else {"file": self.file}
        columns = {name: table_of(each, defaults) for name, each in self.columns.items()}
        split = table_of(self.split, defaults)
        parts = {part: dict(files) for part in PARTS if (files := getattr(self, part))}
        return {**file, **columns, **({"split": split} if split else {}), **parts}

    def moved(self, old: Path, new: Path) -> Self:
        """The settings for a model file in the folder ``new``, which find the same data as those in ``old``."""

        def at(file: str | None) -> Any:
            absolute = file is None or os.path.isabs(file)
            if absolute:
                return file
            there = os.path.realpath(old / str(file))  # '..' behind a link leads elsewhere
            return Path(os.path.relpath(there, os.path.realpath(new))).as_posix()

        columns = {name: each.replace(file=at(each.file)) for name, each in self.columns.items()}
        validation, test = ({name: at(file) for name, file in each.items()} for each in (self.validation, self.test))
        return replace(self, file=at(self.file), columns=columns, validation=validation, test=test)


def _has_file(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("file") is not None


def _read_file(table: Mapping[str, Any], problems: Problems, key: str = "file") -> Any:
    """The name of a file; what is none is told."""
    file = table[key]
    if not isinstance(file, str) or not file:
        problems((key,), f"must be the name of a file, found {file!r:.60}", "wrong-value")
    return file


def _read_part(table: Any, inputs: Mapping[str, Any], problems: Problems) -> dict[str, str]:
    """The files of rows that are held out; each input must have one."""
    if not isinstance(table, Mapping) or not table:
        message = f'must name files: {{ file = "..." }}, or one for each input; found {table!r:.60}'
        problems((), message, "wrong-type" if not isinstance(table, Mapping) else "wrong-value")
        return {}
    for key in table:
        if key != "file" and key not in inputs:
            what = f"{str(key)[:100]!r} is no input of [data]"
            problems.unknown((str(key),), what, key, ["file", *inputs], "undefined-name", at_key=True)
    missing = [name for name in inputs if name not in table] if "file" not in table else []
    for name in missing:
        problems((), f"the input '{name}' has no file here: write {name} = \"...\"", "missing-data")
    return {str(key): _read_file(table, problems, key) for key in table}


def _part_schema(part: str, file: dict[str, Any]) -> dict[str, Any]:
    text = f"The {part} rows in files of their own: one file for all inputs, or one for each input by its name."
    each = {"type": "string", "minLength": 1}
    return {"type": "object", "description": text, "properties": {"file": file}, "additionalProperties": each}


def _check_input(name: str, table: Mapping[str, Any], node: Variable, problems: Problems) -> None:
    """The columns of an input must fit it, as far as can be told without the data."""
    entry = table[name]
    file = str(entry["file"] if _has_file(entry) else table.get("file"))
    columns = entry.get("columns")
    if file.endswith(CSV) and set(entry) <= set(Columns.fields()):  # an array of an NPZ file may have any shape
        of_name = columns is None
        _check_columns(name if of_name else columns, node, problems if of_name else problems.within("columns"))
    if file.endswith(NPY) and columns is not None:
        problems(("columns",), "an NPY file holds one array, without columns: leave this out", "wrong-value", at_key=True)
    if file.endswith(NPY) and not _has_file(entry):
        others = [each for each in table if each not in SETTINGS and each != name and not _has_file(table[each])]
        if others:
            message = f"'{file}' holds one array: give the inputs a file each, {name} = {{ file = \"...\" }}"
            problems((), message, "wrong-value")
    if entry.get("classes") and not file.endswith(CSV):
        problems(("classes",), "classes are words in a column of a CSV file", "wrong-value", at_key=True)


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
