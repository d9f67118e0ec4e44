"""OurDL: a deep-learning framework in which every op is an installable plugin, found by name."""

from importlib import import_module
from typing import Any

from ourdl import core, ops
from ourdl.core import Varrible, default_graph
from ourdl_core import (
    Composite,
    DType,
    Elementwise,
    Function,
    Graph,
    Key,
    Node,
    Op,
    OpError,
    Parameter,
    Program,
    Range,
    ShapeOnly,
    Spec,
    State,
    Variable,
    dtype_in,
    grad,
    namespace,
    registry,
)

# Handed on from packages that are imported when they are used.
_LATER = {
    "SGD": "ourdl_train",
    "Adam": "ourdl_train",
    "fit": "ourdl_train",
    "load": "ourdl_files",
    "load_weights": "ourdl_train",
    "save": "ourdl_files",
    "save_weights": "ourdl_train",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'ourdl' has no attribute '{name}'")


__all__ = [
    "SGD",
    "Adam",
    "Composite",
    "DType",
    "Elementwise",
    "Function",
    "Graph",
    "Key",
    "Node",
    "Op",
    "OpError",
    "Parameter",
    "Program",
    "Range",
    "ShapeOnly",
    "Spec",
    "State",
    "Variable",
    "Varrible",
    "core",
    "default_graph",
    "dtype_in",
    "fit",
    "grad",
    "load",
    "load_weights",
    "namespace",
    "ops",
    "registry",
    "save",
    "save_weights",
]
