"""The core of OurDL: the Node protocol, op records, the registry, gradients, Programs. Knows no op."""

from ourdl_core.arrays import Spec, dtype_in, namespace, spec_of
from ourdl_core.attributes import DType, Length, Named, Range
from ourdl_core.contract import Contract, Error, Sample
from ourdl_core.errors import OpError, did_you_mean
from ourdl_core.execute import Executor, Timing
from ourdl_core.function import Function, placeholders
from ourdl_core.gradient import grad, pullback
from ourdl_core.graph import Graph
from ourdl_core.hooks import hookimpl, hooks
from ourdl_core.infer import broadcast_shapes
from ourdl_core.initializers import Initializer, InitializerName
from ourdl_core.node import Node, Variable
from ourdl_core.op import Composite, Elementwise, Op
from ourdl_core.ops import ops, registry
from ourdl_core.problems import GraphError, Problem, Problems
from ourdl_core.program import Program
from ourdl_core.protocol import NodeProtocol
from ourdl_core.record import Record
from ourdl_core.slots import Key, Parameter, ShapeOnly, State

__all__ = [
    "Composite",
    "Contract",
    "DType",
    "Elementwise",
    "Error",
    "Executor",
    "Function",
    "Graph",
    "GraphError",
    "Initializer",
    "InitializerName",
    "Key",
    "Length",
    "Named",
    "Node",
    "NodeProtocol",
    "Op",
    "OpError",
    "Parameter",
    "Problem",
    "Problems",
    "Program",
    "Range",
    "Record",
    "Sample",
    "ShapeOnly",
    "Spec",
    "State",
    "Timing",
    "Variable",
    "broadcast_shapes",
    "did_you_mean",
    "dtype_in",
    "grad",
    "hookimpl",
    "hooks",
    "namespace",
    "ops",
    "placeholders",
    "pullback",
    "registry",
    "spec_of",
]
