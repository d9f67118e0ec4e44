"""Model files: a graph, and the sections beside it (training, data), checked as a whole before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ourdl_core import Graph, OpError
from ourdl_core.problems import Problem, Problems
from ourdl_core.reading import SECTIONS as GRAPH_SECTIONS
from ourdl_core.reading import is_newer, read_graph
from ourdl_core.registry import Registry
from ourdl_files.blocks import expand, told_once
from ourdl_files.checks import check_graph, check_tree
from ourdl_files.document import Document
from ourdl_files.formats import huge_numbers, read_document, spelled_wrong
from ourdl_files.lock import check_lock, known_to_lock
from ourdl_files.problems import ModelFileError


def _check_section(value: object) -> None:
    missing = [name for name in ("read", "compare", "table") if not callable(getattr(value, name, None))]
    if missing:
        raise TypeError(f"it is no section: a class with read, compare and table, this has no {' and no '.join(missing)}")


sections = Registry("ourdl.sections", check=_check_section)

UNINSTALLED = ("unknown-name", "missing-version")  # the codes of names that another package may know


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

    def resolved(self, folder: Path) -> str:
        """The model as the text of a TOML file in ``folder``, with nothing left open (``ourdl resolve``)."""
        from ourdl_files.resolving import resolve
        from ourdl_files.writing import moved

        return resolve(moved(self, folder))


def load(source: str | Path | Mapping[str, Any], *, locked: bool = False) -> Model:
    """The model of a file (TOML, JSON, YAML) or of the same tree as a dict; ModelFileError with all its mistakes.

    ``locked``: what is installed must be what the lock beside the file says (``ourdl lock``), before any of it is imported.
    """
    if isinstance(source, Mapping):
        if locked:
            raise ValueError("a tree that is no file has no lock beside it: load the file")
        refused = huge_numbers(source)
        if refused:
            raise ModelFileError("the model", refused)
        return _checked(source, None)
    if not isinstance(source, (str, Path)):
        raise TypeError(f"load takes the name of a file, or its tree as a dict; found {type(source).__name__}")
    document = read_document(source)
    problems = check_lock(source, document.tree) if locked else []
    if problems:
        raise ModelFileError(document.source, problems, document)
    return _checked(document.tree, document)


def _checked(tree: Mapping[str, Any], document: Document | None) -> Model:
    """The model of a tree, which is checked in every respect before any mistake is told."""
    if is_newer(tree):  # what else is in it, nobody here can tell
        raise ModelFileError(_named(document), read_graph(tree).problems.found[:1], document)
    expanded = expand(tree)
    problems = expanded.collection()
    found = _sections(expanded.tree, problems)
    settings = {name: each.read(expanded.tree[name], problems.within(name)) for name, each in found.items()}
    graph = {key: value for key, value in expanded.tree.items() if key in GRAPH_SECTIONS}
    reading = read_graph(graph, problems)
    check_tree(expanded.tree, problems)
    check_graph(reading.graph, problems)
    for name, section in found.items():
        section.compare(expanded.tree[name], reading.graph, problems.within(name), reading.unbuilt)
    told = _with_lock(told_once(problems.found, expanded), document)
    if document is not None and document.slips:
        raise spelled_wrong(told, document)
    if problems:
        raise ModelFileError(_named(document), told, document)
    return Model(reading.graph, settings, None if document is None else Path(document.source))


def _named(document: Document | None) -> str:
    return "the model" if document is None else document.source


def _with_lock(problems: list[Problem], document: Document | None) -> list[Problem]:
    """The mistakes, where a name is not installed with the package that the lock has it from."""
    if document is None or not any(each.code in UNINSTALLED for each in problems):
        return problems
    known = known_to_lock(document.source, document.tree)
    of = {each: known.get(each.path) for each in problems if each.code in UNINSTALLED}
    return [replace(each, message=f"{each.message}\n{of[each]}") if of.get(each) else each for each in problems]


def _sections(tree: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """The classes of the sections beside the graph (group ``ourdl.sections``)."""
    found = {}
    known = [*GRAPH_SECTIONS, "blocks", *sections.names()]
    for name in tree:
        if name in GRAPH_SECTIONS:
            continue
        if name not in known:
            problems.unknown((str(name),), f"unknown section {name!r:.60}", name, known, "unknown-section", at_key=True)
            continue
        try:
            found[name] = sections.get(name)
        except OpError as error:
            problems.named((name,), error)
    return found
