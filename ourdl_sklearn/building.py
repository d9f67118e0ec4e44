"""From what a person gives, a list of layers or a model file, to a checked net that fits the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ourdl_core import Graph, GraphError, Node, Problem
from ourdl_files import ModelFileError, load
from ourdl_sklearn.network import Network
from ourdl_train import inputs_of

EXAMPLE = '[{"op": "Dense", "units": 100}, "Relu"]'


def from_layers(layers: Any, features: int, dtype: str, head: str, units: int) -> Network:
    """Layers, one after another, and ``Dense(units)``, called ``head``, at the end; mistakes are told by layer."""
    nodes = {f"layer_{i}": _row(entry, i) for i, entry in enumerate(_listed(layers), 1)}
    before = "x"
    for name, row in nodes.items():
        row["in"], before = before, name
    tree = _tree(nodes, before, features, dtype)
    found = _checked(tree).outputs[before].spec if nodes else None
    if found is not None and found.ndim != 2:
        raise ValueError(f"the last of the layers gives {found}: one row of numbers is needed a sample, end with 'Flatten'")
    nodes[head] = {"op": "ourdl::Dense", "in": before, "units": units}
    return Network(_checked(_tree(nodes, head, features, dtype)).to_dict(), "layers")


def _tree(nodes: Mapping[str, Any], output: str, features: int, dtype: str) -> dict[str, Any]:
    inputs = {"x": {"shape": ["batch", features], "dtype": dtype}}
    return {"ourdl": 1, "inputs": inputs, "nodes": nodes, "outputs": {output: output}}


def _listed(layers: Any) -> list[Any]:
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"layers must be a list of ops, as {EXAMPLE}; found {type(layers).__name__} {layers!r:.60}")
    return list(layers)


def _row(entry: Any, place: int) -> dict[str, Any]:
    """The row of one layer in a model file, without its input."""
    row = {"op": entry} if isinstance(entry, str) else entry
    if not isinstance(row, Mapping) or "op" not in row:
        raise TypeError(f"layers[{place - 1}] must be the name of an op or a table, as in {EXAMPLE}; found {entry!r:.60}")
    if "in" in row:
        raise ValueError(f"layers[{place - 1}] has 'in': layers follow one another. For any other wiring give a model file")
    return dict(row)


def _checked(tree: Mapping[str, Any]) -> Graph:
    """The graph of a tree of layers; GraphError with all mistakes, each at its place in the list."""
    try:
        return load(tree).graph
    except ModelFileError as error:
        raise GraphError([_by_layer(each) for each in error.problems]) from None


def _by_layer(problem: Problem) -> Problem:
    """A mistake of a node as one of its layer."""
    section, name, *rest = (*problem.path, "", "")[: max(2, len(problem.path))]
    number = str(name).removeprefix("layer_")
    if section not in ("nodes", "outputs") or not number.isdigit():
        return problem
    if problem.code == "several-outputs":  # told at the one that takes them
        layer = int(number) - (2 if section == "nodes" else 1)
        message = "it gives several outputs, of which a list of layers cannot choose one: give a model file"
        return replace(problem, path=("layers", layer), message=message)
    return replace(problem, path=("layers", int(number) - 1, *rest))


def from_model(model: Any) -> Network:
    """The net of a model file (its name, or its tree): what leads from one input to its one output."""
    if not isinstance(model, (str, Path, Mapping)):
        told = "the name of a model file, or its tree as a dict (graph.to_dict())"
        raise TypeError(f"model must be {told}; found {type(model).__name__}")
    source = "the model" if isinstance(model, Mapping) else str(model)
    graph = load(model).graph
    inputs = inputs_of(graph.outputs, graph.inputs)
    _one(graph.outputs, "output", source)
    _one(inputs, "input that leads to its output", source)
    (variable,) = inputs.values()
    if variable.sizes is None or len(variable.sizes) < 2:
        raise ValueError(f"the input '{variable}' of {source} must declare rows of features: shape = [\"batch\", 10]")
    return Network(_part(graph, inputs).to_dict(), source)


def _one(found: Mapping[str, Any], what: str, source: str) -> None:
    if len(found) != 1:
        names = f" ({', '.join(found)})" if found else ""
        raise ValueError(f"{source} has {len(found)} {what}s{names}: an estimator needs one")


def _part(graph: Graph, inputs: Mapping[str, Any]) -> Graph:
    """What the outputs are computed from: a loss and its labels are left out."""
    used: set[Node] = set()
    stack = [*graph.outputs.values()]
    while stack:
        node = stack.pop()
        if node not in used:
            used.add(node)
            stack.extend(parent for parent in node.parents if parent is not None)
    part = Graph()
    for node in graph.nodes:
        if node in used:
            part.add(node)
    part.inputs, part.outputs = dict(inputs), dict(graph.outputs)
    return part
