"""The words of the teaching framework: ``from ourdl.core import Varrible, default_graph``."""

from ourdl_core import Graph, Node, Variable

Varrible = Variable
default_graph = Graph()

__all__ = ["Graph", "Node", "Variable", "Varrible", "default_graph"]
