"""Kernels: another way to compute an op with one array library, registered beside the op and held to its ``compute``.

An entry point of the group ``ourdl.kernels`` names a function ``kernel(op, *inputs)`` as ``<library>.<Op>[-vN]``
(``numpy.Einsum``), or ``<library>.<domain>::<Op>[-vN]`` for an op of another distribution.

A kernel may also be a NumPy ufunc (``numpy.Erf = "scipy.special:erf"``), which is given the inputs alone. One for NumPy that
takes ``out=None`` is given, by an executor that reuses memory, the array to write its result into: of the right shape and
dtype, in C order, and no input's memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ourdl_core.errors import OpError, OpWarning
from ourdl_core.index import Entry
from ourdl_core.names import normalise, parse
from ourdl_core.numbers import number_namespace

Place = tuple[str, str]  # the id of an op, and the name of an array library


class Kernels:
    """The kernels installed; their names are read once, and each is imported when its op is first used.

    A kernel that cannot be imported is left out with a warning: ``compute`` always works. Of two for one op, that of the
    op's own distribution is taken, else the first by the distribution's name.
    """

    def __init__(self) -> None:
        self._points: dict[Place, Any] | None = None
        self._loaded: dict[Place, Any] = {}

    def find(self, op: Any, library: Any) -> Callable[..., Any]:
        """What computes ``op`` on arrays of ``library``: its kernel where there is one, else its ``compute``."""
        from ourdl_core.ops import registry

        identity = None if library is number_namespace else registry.id_of(type(op))  # kernels are for arrays
        kernel = None if identity is None else self._kernel((identity, library.__name__.partition(".")[0]))
        if kernel is None:
            return op.compute  # type: ignore[no-any-return]
        return kernel if isinstance(kernel, np.ufunc) else partial(kernel, op)

    def _kernel(self, place: Place) -> Any:
        point = self.points().get(place)
        if point is None or place in self._loaded:
            return self._loaded.get(place)
        try:
            self._loaded[place] = point.load()
        except (Exception, SystemExit) as error:  # a module that exits is as broken as one that raises
            self._loaded[place] = None
            message = f"the kernel {point.name} of {point.dist.name} could not be loaded: {type(error).__name__}: {error}"
            warnings.warn(f"{message}\n  {place[0]} is computed without it", OpWarning, stacklevel=2)
        return self._loaded[place]

    def points(self) -> dict[Place, Any]:
        """The entry point of each kernel that the environment does not hide."""
        if self._points is None:
            from importlib.metadata import entry_points

            from ourdl_core.ops import registry

            found: dict[Place, Any] = {}
            points = [p for p in entry_points(group="ourdl.kernels") if p.dist is not None]
            for point in sorted(points, key=lambda p: normalise(p.dist.name)):  # type: ignore[union-attr]
                library, _, name = point.name.partition(".")
                owner = normalise(point.dist.name)  # type: ignore[union-attr]
                try:
                    op = parse(name, "kernel")
                except OpError as error:
                    where = f"{point.name} = {point.value} in the group ourdl.kernels of {owner} is ignored"
                    warnings.warn(f"{where}: its name must be <library>.<Op>[-vN]. {error}", OpWarning, stacklevel=2)
                    continue
                entry = Entry(owner, op.name, op.version or 1, owner, "", point.value)
                if registry.hides(entry) is None:
                    identity = f"{op.domain or owner}::{op.name}-v{op.version or 1}"
                    if (identity, library) not in found or owner == op.domain or op.domain is None:
                        found[identity, library] = point
            self._points = found
        return self._points

    def refresh(self) -> None:
        """Read the metadata again, after an installation in a live session."""
        self._points = None
        self._loaded = {}


kernels = Kernels()


def bind(op: Any, library: Any) -> Callable[..., Any]:
    """The callable that computes ``op``; the only place that looks up ``compute``."""
    return kernels.find(op, library)
