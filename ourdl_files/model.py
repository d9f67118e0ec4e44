"""Model files: a graph, and the sections beside it (training, data), checked as a whole before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ourdl_core import Graph, GraphError, OpError
from ourdl_core.errors import did_you_mean
from ourdl_core.reading import SECTIONS as GRAPH_SECTIONS
from ourdl_core.registry import Registry
from ourdl_files.formats import read_tree
from ourdl_files.problems import ModelFileError

sections = Registry("ourdl.sections")

MAX_UNKNOWN = 20  # unknown sections that are told of; to look for names like thousands of them takes minutes


@dataclass(frozen=True)
class Model:
    """What a model file describes: its graph, and the settings of the other sections by name (``model.train``)."""

    graph: Graph
    sections: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def train(self) -> Any:
        """The settings of ``[train]``; None without it."""
        return self.sections.get("train")

    @property
    def data(self) -> Any:
        """The settings of ``[data]``; None without it."""
        return self.sections.get("data")

    @property
    def folder(self) -> Path:
        """Where the files that the model file names are."""
        return Path() if self.path is None else self.path.parent


def load(source: str | Path | Mapping[str, Any]) -> Model:
    """The model of a file (TOML, JSON, YAML) or of the same tree as a dict; ModelFileError with all its mistakes."""
    if isinstance(source, Mapping):
        return _checked(source, None)
    path = Path(source)
    return _checked(read_tree(path), path)


def _checked(tree: Mapping[str, Any], path: Path | None) -> Model:
    problems: list[tuple[str, str]] = []
    settings = _settings(tree, problems)
    graph = None
    try:
        graph = Graph.from_dict({key: value for key, value in tree.items() if key in GRAPH_SECTIONS})
    except GraphError as error:
        problems += error.problems
    if graph is not None:
        for name, each in settings.items():
            if hasattr(each, "compare"):
                each.compare(graph, partial(_note, problems, name))
    if problems or graph is None:
        raise ModelFileError("the model" if path is None else str(path), _in_order(tree, problems))
    return Model(graph, settings, path)


def _settings(tree: Mapping[str, Any], problems: list[tuple[str, str]]) -> dict[str, Any]:
    """The settings of the sections beside the graph, as far as they are right."""
    found = {}
    known = {*GRAPH_SECTIONS, *sections.names()}
    unknown = [name for name in tree if name not in known]
    untold = set(unknown[MAX_UNKNOWN:])
    if untold:
        problems.append(("", f"{len(unknown):,} sections are unknown: these are the first {MAX_UNKNOWN}"))
    for name, table in tree.items():
        if name in GRAPH_SECTIONS or name in untold:
            continue
        try:
            section = sections.get(name)
        except OpError as error:
            names = [*GRAPH_SECTIONS, *sections.names()]
            hint = did_you_mean(str(name), names) or f"Sections are: {', '.join(names)}."
            problems.append((str(name), str(error) if name in sections.names() else f"unknown section. {hint}"))
            continue
        settings = section.read(table, partial(_note, problems, name))
        if settings is not None:
            found[name] = settings
    return found


def _note(problems: list[tuple[str, str]], section: str, path: str, message: str) -> None:
    problems.append((f"{section}.{path}" if path else section, message))


def _in_order(tree: Mapping[str, Any], problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Problems in the order of the sections in the file; what is missing comes first."""
    order = {str(key): place for place, key in enumerate(tree)}
    return sorted(problems, key=lambda each: order.get(each[0].partition(".")[0], -1))
