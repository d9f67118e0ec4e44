"""Graphs: nodes that belong together, with unique names; and the training loop of the teaching framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ourdl_core import context
from ourdl_core.context import Label
from ourdl_core.errors import did_you_mean
from ourdl_core.naming import free_name, output_named
from ourdl_core.node import Node, Output, Variable, order_of


class Graph:
    """Collects the nodes made inside ``with Graph() as graph:`` and gives each a unique name (``mul_1``)."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._taken: dict[str, int] = {}
        self._owners: dict[str, str] = {}  # for each "h.weight" that is a node of its own: "h"
        self._tokens: list[Any] = []
        self.inputs: dict[str, Variable] = {}
        self.outputs: dict[str, Node] = {}
        self.nodes_in: list[Variable] = []
        self.nodes_out: list[Node] = []
        self.node_loss: Node | None = None
        self.node_label: Variable | None = None

    def __enter__(self) -> Self:
        self._tokens.append(context.graph.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        context.graph.reset(self._tokens.pop())

    def add(self, node: Node) -> None:
        """Take a node in and name it; ValueError for a name that is taken."""
        if node._label is None:
            node._label = Label(free_name(node.kind.lower(), self._taken))
        name = str(node._label)
        if self._nodes.get(name, node) is not node:
            raise ValueError(
                f"the name '{name}' is taken by {self._nodes[name].describe()}: names are unique in a graph"
            )
        if not (isinstance(node, Variable) and node.made is not None):
            self._refuse_ambiguous(name)
        self._nodes[name] = node
        self._taken[name] = 1

    def _refuse_ambiguous(self, name: str) -> None:
        """``dense.weight`` is what the node ``dense`` made: no other node is called so."""
        owner = name.rpartition(".")[0]
        if owner in self._nodes or name in self._owners:
            taken = name if owner in self._nodes else self._owners[name]
            raise ValueError(f"the name '{taken}' stands for what the node '{taken.rpartition('.')[0]}' makes: give another")
        if owner:
            self._owners.setdefault(owner, name)

    @property
    def nodes(self) -> list[Node]:
        """The nodes, in the order in which they were made."""
        return list(self._nodes.values())

    def __getitem__(self, name: str) -> Node:
        """A node by its name; what an op made for itself by ``node.slot``, an output of several by ``node[1]``."""
        node = self._find(name)
        if node is None:
            known = [*self._nodes, *self.named_parameters()]
            hint = did_you_mean(name, known) or f"It has: {', '.join(known[:20]) or 'no nodes'}."
            raise LookupError(f"no node named '{name}' in this graph. {hint}")
        return node

    def _find(self, name: str) -> Node | None:
        if name in self._nodes:
            return self._nodes[name]
        if name.endswith("]"):
            return output_named(name, self._find)
        return self.named_parameters().get(name)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __repr__(self) -> str:
        return f"<Graph of {len(self._nodes)} nodes, outputs: {', '.join(self.outputs) or 'none named'}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from ourdl_core.display import mimebundle

        return mimebundle(self)

    def named_parameters(self) -> dict[str, Variable]:
        """What is trained, by name: Variables made with ``trainable=True``, and what ops made for themselves."""
        order = order_of(self._nodes.values())
        return {str(node): node for node in order if isinstance(node, Variable) and node.trained}

    # ---- the plain-dict form ----------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The graph as plain data: the tree of a model file. ``from_dict`` reads it back to an equal graph."""
        from ourdl_core.writing import graph_to_dict

        return graph_to_dict(self)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Graph:
        """The graph that a tree of plain data describes; ``GraphError`` with all its mistakes if there are any."""
        from ourdl_core.reading import graph_from_dict

        return graph_from_dict(tree)

    # ---- the words of the teaching framework ----------------------------------------------------------------------

    def set_nodes(
        self, nodes_in: Sequence[Variable], nodes_out: Sequence[Node], node_loss: Node, node_label: Variable
    ) -> None:
        """Say which nodes are inputs, outputs, loss and label; the graph is then what these are computed from."""
        self.nodes_in, self.nodes_out = list(nodes_in), list(nodes_out)
        self.node_loss, self.node_label = node_loss, node_label
        self._nodes = {}
        self._taken = {}
        ancestors = order_of([*nodes_in, *nodes_out, node_label, node_loss])
        named = [node for node in ancestors if not isinstance(node, Output) and type(node).__name__ != "Constant"]
        for node in sorted(named, key=lambda node: node._serial):
            if node._label is None or not node._label.known:
                node._label = _named(node, free_name(node.kind.lower(), self._taken))
            self._nodes[str(node)] = node

    def init_params(self) -> None:
        """Give every trainable Variable a value from the uniform distribution over ±0.5 (Python's ``random``)."""
        import random

        for node in self.nodes:
            if isinstance(node, Variable) and node.trainable:
                node.set_value(random.uniform(-0.5, 0.5))

    def forward(self, x: Iterable[Any], label: Any) -> Any:
        """Set the inputs and the label, and return the loss."""
        loss, target = self._loss()
        self._feed(x)
        target.set_value(label)
        return loss.forward()

    def backward(self, lr: float = 0.0001) -> None:
        """The gradients of all that is trained, taken together, then one step of each."""
        if self._loss()[0].value is None:
            raise RuntimeError("backward() takes the gradients of a forward(): call forward(x, label) first")
        trained = [node for node in self.nodes if isinstance(node, Variable) and node.trained]
        for node in trained:
            node.get_grad()
        for node in trained:
            node.update(lr=lr)

    def clear(self) -> None:
        """Forget all values and gradients; Variables keep their values."""
        self._loss()[0].clear()

    def predict(self, x: Iterable[Any]) -> list[Any]:
        """The values of the outputs for these inputs, in inference mode."""
        self._feed(x)
        return [node.forward(mode="inference") for node in self.nodes_out]

    def _feed(self, x: Iterable[Any]) -> None:
        values = list(x)
        if len(values) != len(self.nodes_in):
            raise ValueError(f"this graph has {len(self.nodes_in)} inputs, found {len(values)} values")
        for node, value in zip(self.nodes_in, values, strict=True):
            node.set_value(value)

    def _loss(self) -> tuple[Node, Variable]:
        if self.node_loss is None or self.node_label is None:
            raise ValueError("this graph has no loss yet: call set_nodes(nodes_in=, nodes_out=, node_loss=, node_label=)")
        return self.node_loss, self.node_label


def _named(node: Node, name: str) -> Label:
    """The label of ``node`` with this name; the cell that it shares with what it made is kept."""
    if node._label is None:
        return Label(name)
    node._label.text = name
    return node._label
