"""A model file with nothing left open: every default, the full id of every op, who provides it, what it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ourdl_core import Graph, Node, Variable
from ourdl_core.function import Function
from ourdl_core.infer import UndeclaredError
from ourdl_core.lower import made_within
from ourdl_core.op import outputs_of
from ourdl_core.ops import registry
from ourdl_core.problems import Path
from ourdl_files.json_text import json_text
from ourdl_files.model import Model
from ourdl_files.plain import check_plain
from ourdl_files.toml_text import toml_text
from ourdl_files.writing import OPENED, tree_of

MOST_MADE = 12  # what a node makes is listed up to so many


def resolve(model: Model, ending: str = ".toml") -> str:
    """The model as the text of a file (``.toml`` or ``.json``) that says everything, and means the same."""
    tree = tree_of(model, defaults=True)
    if ending == ".json":
        return json_text(tree, OPENED)
    check_plain(tree_of(model), ".toml")  # what is None by default is left out below
    return toml_text(_without_none(tree), OPENED, _comments(tree, model.graph))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def _comments(tree: Mapping[str, Any], graph: Graph) -> dict[Path, str]:
    """For each node the package that provides its op, and the parameters, states and keys that it makes."""
    found: dict[Path, str] = {}
    for name, row in tree["nodes"].items():
        made = [_shown(each) for each in _made(graph[name])]
        more = [f"{len(made) - MOST_MADE} more"] if len(made) > MOST_MADE else []
        listed = ", ".join([*made[:MOST_MADE], *more])
        found["nodes", name] = _provider(row) + (f"; makes {listed}" if made else "")
    for name, function in tree.get("functions", {}).items():
        found.update((("functions", name, "nodes", inner), _provider(row)) for inner, row in function["nodes"].items())
    return found


def _provider(row: Mapping[str, Any]) -> str:
    return registry.resolve(row["op"]).provider


def _made(node: Node) -> Iterable[Variable]:
    """What a node makes for itself, in its slots and in the ops of its body."""
    own = [each for each in (node._made or {}).values() if isinstance(each, Variable)]
    if node._made is None:
        return own
    parents = dict.fromkeys(parent for parent in node.parents if parent is not None)
    with suppress(TypeError, ValueError, LookupError):  # shapes that are not declared, or that only data can tell
        own += made_within(Function(parents, outputs_of(node)))
    return own


def _shown(variable: Variable) -> str:
    with suppress(UndeclaredError):
        return f"{variable.name} {variable.spec}"
    return str(variable.name)
