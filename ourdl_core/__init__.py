"""The core of OurDL: the Node protocol, op records, the registry, gradients, Programs. Knows no op."""

from ourdl_core.arrays import Spec, dtype_in, namespace
from ourdl_core.attributes import DType, Range
from ourdl_core.errors import GraphError, OpError
from ourdl_core.function import Function, placeholders
from ourdl_core.gradient import grad, pullback
from ourdl_core.graph import Graph
from ourdl_core.hooks import hooks
from ourdl_core.initializers import Initializer, InitializerName
from ourdl_core.node import Node, Variable
from ourdl_core.op import Composite, Elementwise, Op
from ourdl_core.ops import ops, registry
from ourdl_core.program import Program
from ourdl_core.protocol import NodeProtocol
from ourdl_core.record import Record
from ourdl_core.slots import Key, Parameter, ShapeOnly, State

__all__ = [
    "Composite",
    "DType",
    "Elementwise",
    "Function",
    "Graph",
    "GraphError",
    "Initializer",
    "InitializerName",
    "Key",
    "Node",
    "NodeProtocol",
    "Op",
    "OpError",
    "Parameter",
    "Program",
    "Range",
    "Record",
    "ShapeOnly",
    "Spec",
    "State",
    "Variable",
    "dtype_in",
    "grad",
    "hooks",
    "namespace",
    "ops",
    "placeholders",
    "pullback",
    "registry",
]
