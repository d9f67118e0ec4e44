"""Models written as files: what is written has been read back, and is the same model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ourdl_core import Graph
from ourdl_core.atomic import write_atomically
from ourdl_core.problems import Problems
from ourdl_core.writing import graph_to_dict
from ourdl_files.formats import read_document
from ourdl_files.json_text import json_text
from ourdl_files.model import Model, load, sections
from ourdl_files.plain import same
from ourdl_files.problems import ModelFileError
from ourdl_files.toml_text import toml_text
from ourdl_files.yaml_text import yaml_text

OPENED = ("functions", "blocks")  # sections whose entries are tables of sections

WRITERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    ".toml": lambda tree: toml_text(tree, OPENED),
    ".json": lambda tree: json_text(tree, OPENED),
    ".yaml": yaml_text,
    ".yml": yaml_text,
}


def save(model: Model | Graph, path: str | Path, *, train: Any = None, data: Any = None) -> None:
    """Write a model as TOML, JSON or YAML, by the end of the name; the whole file or nothing.

    ``train`` and ``data`` are those sections, as settings or as tables, instead of what the model has. Weights are not part
    of it.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"{path}: a model file is called {', '.join(f'*{end}' for end in WRITERS)}")
    model = model if isinstance(model, Model) else Model(model)
    given = {name: value for name, value in {"train": train, "data": data}.items() if value is not None}
    model = moved(model, path.parent)
    settings = {name: _settings(name, value) for name, value in given.items()}
    tree = tree_of(replace(model, sections={**model.sections, **settings}))
    try:
        content = WRITERS[path.suffix.lower()](tree).encode()
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path} is not written: {error}") from None
    _check_meaning(tree, path)
    write_atomically(path, content, lambda beside: _check_text(beside, tree, path))


def tree_of(model: Model, defaults: bool = False) -> dict[str, Any]:
    """The tree of a model; what has its default value only with ``defaults``."""
    tree = graph_to_dict(model.graph, defaults)
    for name, settings in model.sections.items():
        if not hasattr(settings, "table"):
            raise TypeError(f"the section [{name}] cannot be written: {type(settings).__name__} has no method table()")
        tree[name] = settings.table(defaults)
    return tree


def moved(model: Model, folder: Path) -> Model:
    """The model for a file in ``folder``: files that it names are still found."""
    if os.path.abspath(model.folder) == os.path.abspath(folder):
        return model
    found = {n: each.moved(model.folder, folder) if hasattr(each, "moved") else each for n, each in model.sections.items()}
    return replace(model, sections=found)


def _settings(name: str, value: Any) -> Any:
    """The settings of a section, from a table or as they are."""
    if not isinstance(value, Mapping):
        return value
    problems = Problems(path=(name,))
    settings = sections.get(name).read(value, problems)
    if problems:
        raise ModelFileError("the model", problems.found)
    return settings


def _check_meaning(tree: Mapping[str, Any], path: Path) -> None:
    """ValueError for a tree that is no model file, or that would be read as another model."""
    try:
        again = tree_of(load(tree))
    except ModelFileError as error:
        raise ValueError(f"{path} is not written, since it could not be read:\n{error}") from error
    if not same(again, tree):
        raise ValueError(f"{path} is not written: it would be read as another model. This is a fault of OurDL or a plugin")


def _check_text(beside: Path, tree: Mapping[str, Any], path: Path) -> None:
    """ValueError where the text that was written cannot be read, or is not that of the tree."""
    try:
        found = read_document(beside).tree
    except ModelFileError as error:
        raise ValueError(f"{path} is not written, since it could not be read: {error.problems[0].message}") from error
    if not same(found, tree):
        raise ValueError(f"{path} is not written: its text would be read as something else. This is a fault of OurDL")
