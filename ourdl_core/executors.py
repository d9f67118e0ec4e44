"""Executors by name (group ``ourdl.executors``): ``numpy``, which specialises, is taken where it is installed."""

from __future__ import annotations

from typing import Any

from ourdl_core.errors import UnknownOpError
from ourdl_core.execute import Executor
from ourdl_core.registry import Registry


def _check(value: object) -> None:
    if not (isinstance(value, type) and issubclass(value, Executor)):
        raise TypeError(f"it is no executor: one is a class derived from ourdl_core.execute.Executor, found {value!r:.80}")


registry = Registry("ourdl.executors", noun="executor", check=_check)


def executor_named(name: str | None) -> type[Executor]:
    """The executor of that name; by default ``numpy``, and the plain one where that is not installed."""
    if name is not None:
        found: Any = registry.get(name)
        return found  # type: ignore[no-any-return]
    try:
        return registry.get("numpy", within=registry.home)  # type: ignore[no-any-return]
    except UnknownOpError:
        return Executor
