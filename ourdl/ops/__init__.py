"""Every installed op by name, as ``ourdl_core.ops`` has them: ``from ourdl.ops import Mul``, ``ops["acme::Snake-v2"]``."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from ourdl_core import ops


class OpsModule(ModuleType):
    """This module, with the ops as its attributes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    def __getitem__(self, reference: str) -> Any:
        return ops[reference]

    def __dir__(self) -> list[str]:
        return dir(ops)


import_module("ourdl.ops.loss")  # so that ``od.ops.loss`` is there, as it was
sys.modules[__name__].__class__ = OpsModule
