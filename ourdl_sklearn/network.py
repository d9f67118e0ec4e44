"""The net of an estimator: a graph of one input and one output, kept as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ourdl_core import Graph, Node, Program, Variable

Array = np.ndarray[Any, Any]

ROWS = 1024  # that are computed at once


class Network:
    """A graph of one input and one output. What is pickled is its tree (that of a model file): no nodes, no functions."""

    def __init__(self, tree: Mapping[str, Any], source: str) -> None:
        self.tree = tree
        self.source = source

    def __getstate__(self) -> dict[str, Any]:
        return {"tree": self.tree, "source": self.source}

    @cached_property
    def graph(self) -> Graph:
        """The graph, made again from names: only the ops that it names are imported."""
        return Graph.from_dict(self.tree)

    @property
    def input(self) -> Variable:
        """The input, which takes the features."""
        (found,) = self.graph.inputs.values()
        return found

    @property
    def output(self) -> Node:
        """The output: a score for each class, or what is predicted."""
        (found,) = self.graph.outputs.values()
        return found

    @cached_property
    def program(self) -> Program:
        """The Program for inference."""
        return Program([self.input], self.output)

    def __call__(self, state: Mapping[str, Any], X: Array) -> Array:
        """The output for the rows of ``X``, in inference mode."""
        rows = self.rows(X)
        found = [self.program(state, rows[i : i + ROWS])[0] for i in range(0, len(rows), ROWS)]
        return np.concatenate([np.asarray(each) for each in found])

    def names(self, X: Array) -> list[str]:
        """The names of the state that inference needs."""
        return list(self.program.init(self.rows(X[:1])))

    def rows(self, X: Array) -> Array:
        """``X`` [rows, features] in the shape and dtype that the input declares; ValueError where it does not fit."""
        wanted = [size if isinstance(size, int) else -1 for size in (self.input.sizes or ())[1:]]
        try:
            found = X.reshape(len(X), *wanted)
        except ValueError:
            told = f"the input '{self.input}' of {self.source} is {self.input.spec}"
            raise ValueError(f"{told}: X, which has {X.shape[1]} features, does not fit") from None
        return self._cast(found)

    def _cast(self, X: Array) -> Array:
        dtype = self.input.spec.dtype
        found = X.astype(dtype, copy=False)
        if dtype.kind != "f" and (found != X).any():
            odd = X[found != X][0]
            raise ValueError(f"the input '{self.input}' of {self.source} is {self.input.spec}: X holds {odd}, which is none")
        return found
