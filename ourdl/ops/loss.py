"""Where the teaching framework kept its losses: ``from ourdl.ops.loss import ValueLoss``."""

from typing import Any

from ourdl_core import ops


def __getattr__(name: str) -> Any:
    return getattr(ops, name)
