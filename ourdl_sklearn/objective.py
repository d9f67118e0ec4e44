"""What is minimised: a loss by name on the output of a net, and by which optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ourdl_core import Graph, Node, Variable, ops
from ourdl_sklearn.network import Network

LABEL, WEIGHT = "label", "sample_weight"


def with_loss(network: Network, loss: Any, dtype: str, rank: int, weighted: bool) -> tuple[Graph, Node, dict[str, str]]:
    """A graph of the net and ``loss``, the node of the loss, and the names of the inputs by what they take.

    ``loss`` is the name of an op, or a table with its attributes, that is given (output, label). Labels have ``rank``
    dimensions. With ``weighted`` there is one factor a row, and the loss is the mean of the products.
    """
    graph = Graph.from_dict(network.tree)
    (output,) = graph.outputs.values()
    (features,) = graph.inputs
    name, attributes = _op(loss)
    names = {"x": features, "y": _free(graph, LABEL), "weight": _free(graph, WEIGHT)}
    with graph:
        shape = ("batch", *output.spec.shape[1:rank])
        label = graph.inputs[names["y"]] = Variable(shape=shape, dtype=dtype, name=names["y"])
        if weighted:
            attributes["reduction"] = "none"
        terms = ops[name](output, label, **attributes)
        if weighted:
            terms = _weighted(graph, terms, names["weight"])
        return graph, terms if terms.spec.ndim == 0 else ops["ourdl::Mean"](terms), names


def _weighted(graph: Graph, terms: Node, name: str) -> Node:
    """The terms, of each row their mean, times the factor of the row."""
    if terms.spec.ndim > 1:
        terms = ops["ourdl::Mean"](terms, axis=tuple(range(1, terms.spec.ndim)))
    weight = graph.inputs[name] = Variable(shape=("batch",), dtype=str(terms.spec.dtype), name=name)
    return terms * weight


def _op(loss: Any) -> tuple[str, dict[str, Any]]:
    row = {"op": loss} if isinstance(loss, str) else loss
    if not isinstance(row, Mapping) or not isinstance(row.get("op"), str):
        example = '{"op": "SoftmaxCrossEntropy", "label_smoothing": 0.1}'
        raise TypeError(f"loss must be the name of an op or a table, as {example}; found {loss!r:.60}")
    return row["op"], {key: value for key, value in row.items() if key != "op"}


def _free(graph: Graph, name: str) -> str:
    while name in graph:
        name += "_"
    return name


def optimizer_row(optimizer: Any, lr: Any) -> dict[str, Any]:
    """An optimizer as a table; ``lr`` goes before what the table says."""
    row = {"name": optimizer} if isinstance(optimizer, str) else optimizer
    if not isinstance(row, Mapping):
        example = '{"name": "Adam", "lr": 0.01}'
        raise TypeError(f"optimizer must be a name or a table, as {example}; found {type(row).__name__}")
    return dict(row) if lr is None else {**row, "lr": lr}
