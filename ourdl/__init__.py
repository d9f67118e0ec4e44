"""OurDL: a deep-learning framework in which every op is an installable plugin, found by name."""

from importlib import import_module
from typing import Any

from ourdl import core, ops
from ourdl.core import Varrible, default_graph
from ourdl_core import Composite, Elementwise, Function, Graph, Node, Op, OpError, Program, Variable, grad, registry

# Handed on from packages that are imported when they are used.
_LATER = {"fit": "ourdl_train", "load": "ourdl_files"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'ourdl' has no attribute '{name}'")


__all__ = [
    "Composite",
    "Elementwise",
    "Function",
    "Graph",
    "Node",
    "Op",
    "OpError",
    "Program",
    "Variable",
    "Varrible",
    "core",
    "default_graph",
    "fit",
    "grad",
    "load",
    "ops",
    "registry",
]
