"""Kernels: another way to compute an op with one array library, registered beside the op and held to its ``compute``.

An entry point of the group ``ourdl.kernels`` names a function ``kernel(op, *inputs)`` as ``<library>.<Op>[-vN]``
(``numpy.Einsum``); the distribution that offers the op, or any other, may publish it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ourdl_core.names import normalise


class Kernels:
    """The kernels installed, by op id and array library; read once, each imported when its op is first used."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Any] | None = None

    def find(self, op: Any, library: Any) -> Callable[..., Any]:
        """What computes ``op`` on arrays of ``library``: its kernel where there is one, else its ``compute``."""
        from ourdl_core.ops import registry

        identity = registry.id_of(type(op))
        entry = None if identity is None else self.index().get((identity, library.__name__.partition(".")[0]))
        return op.compute if entry is None else partial(entry.load(), op)

    def index(self) -> dict[tuple[str, str], Any]:
        """Every installed kernel's entry point, by op id and library."""
        if self._found is None:
            from importlib.metadata import entry_points

            found: dict[tuple[str, str], Any] = {}
            for point in entry_points(group="ourdl.kernels"):
                library, _, name = point.name.partition(".")
                domain, _, op = name.rpartition("::")
                home = normalise(point.dist.name) if point.dist is not None else ""
                found[f"{domain or home}::{op if '-v' in op else op + '-v1'}", library] = point
            self._found = found
        return self._found

    def refresh(self) -> None:
        """Read the metadata again, after an installation in a live session."""
        self._found = None


kernels = Kernels()


def bind(op: Any, library: Any) -> Callable[..., Any]:
    """The callable that computes ``op``; the only place that looks up ``compute``."""
    return kernels.find(op, library)

