"""Bugs of memory: F08 to F13."""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from typing import Any, ClassVar

import numpy as np

from ourdl_contract.mutants import Good, on_numpy, plant


@plant("F08", "assumes C order", bug="c_order")
class AssumesC(Good):
    def compute(self, x: Any, w: Any) -> Any:
        return super().compute(x.ravel(order="K").reshape(x.shape) if on_numpy(x) else x, w)


@plant("F08", "reads the memory behind the view")
class ReadsBase(Good):
    def compute(self, x: Any, w: Any) -> Any:
        if on_numpy(x) and isinstance(x.base, np.ndarray) and x.base.size >= x.size and not x.flags.c_contiguous:
            x = x.base.reshape(-1)[: x.size].reshape(x.shape)
        return super().compute(x, w)


@plant("F08", "assumes that the upstream gradient is in C order")
class AssumesCBackward(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        return super().vjp(_Kept(g), y, x, w)


def _Kept(g: Any) -> Any:  # noqa: N802 - it makes a node
    return _MemoryOrder(g) if _is_node(g) else g


def _is_node(g: Any) -> bool:
    return hasattr(g, "parents")


class _MemoryOrder(Good):
    """The numbers of ``g`` in the order of its memory."""

    def compute(self, g: Any) -> Any:  # type: ignore[override]
        return g.ravel(order="K").reshape(g.shape) if on_numpy(g) else g

    def vjp(self, g: Any, y: Any, x: Any) -> Any:  # type: ignore[override]
        return g


@plant("F09", "writes in place")
class WritesInPlace(Good):
    def compute(self, x: Any, w: Any) -> Any:
        if on_numpy(x) and x.size > 1:
            x *= 1.0
        return super().compute(x, w)


@plant("F10", "writes x", bug="writes_x")
class WritesX(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        if on_numpy(x) and x.flags.writeable:
            x *= 0.5
        return y


@plant("F10", "writes g", bug="writes_g")
class WritesG(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        found = super().vjp(g, y, x, w)
        if on_numpy(g) and g.flags.writeable:
            g *= 0
        return found


@plant("F10", "writes y in its gradient")
class WritesY(Good):
    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        found = super().vjp(g, y, x, w)
        if on_numpy(y) and y.flags.writeable:
            y += 1.0
        return found


@plant("F11", "returns its input where that is the result anyway", bug="returns_input")
class ReturnsInput(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return x if on_numpy(x, y) and x.shape == y.shape and x.size and not x.any() else y


@plant("F11", "computes in the memory of its input")
class ComputesInPlace(Good):
    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        if on_numpy(x, y) and x.flags.writeable and x.shape == y.shape and x.dtype == y.dtype:
            x[...] = y
            return x
        return y


@plant("F11", "one shared buffer", bug="shared_buffer")
class SharedBuffer(Good):
    buffers: ClassVar[dict[Any, Any]] = {}

    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        if not on_numpy(y):
            return y
        buffer = self.buffers.setdefault((y.shape, y.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer


@plant("F12", "noise of 1e-9", bug="noise")
class Noisy(Good):
    generator: ClassVar[Any] = np.random.default_rng(0)

    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return y + self.generator.uniform(-1e-9, 1e-9, y.shape).astype(y.dtype) if on_numpy(y) else y


@plant("F12", "draws from the global random state")
class Draws(Good):
    def compute(self, x: Any, w: Any) -> Any:
        np.random.rand()
        return super().compute(x, w)


@plant("F12", "prints")
class Prints(Good):
    def compute(self, x: Any, w: Any) -> Any:
        print("computing", file=sys.stderr)
        return super().compute(x, w)


@plant("F12", "warns at every call")
class Warns(Good):
    def compute(self, x: Any, w: Any) -> Any:
        warnings.warn("this op is deprecated", UserWarning, stacklevel=2)
        return super().compute(x, w)


@plant("F12", "sets an environment variable")
class SetsVariable(Good):
    calls: ClassVar[Any] = itertools.count()

    def compute(self, x: Any, w: Any) -> Any:
        os.environ["OURDL_PLANTED_CALLS"] = str(next(self.calls))
        return super().compute(x, w)


@plant("F13", "kept by shape", bug="cached")
class KeptByShape(Good):
    kept: ClassVar[dict[Any, Any]] = {}

    def compute(self, x: Any, w: Any) -> Any:
        if not on_numpy(x, w):
            return super().compute(x, w)
        key = (self.a, x.shape, w.shape, x.dtype)
        if key not in self.kept:
            self.kept[key] = super().compute(x, w)
        return self.kept[key].copy()


@plant("F13", "remembers the attribute of the last call")
class Remembers(Good):
    last: ClassVar[list[float]] = []

    def compute(self, x: Any, w: Any) -> Any:
        scale = self.last[-1] if self.last else self.a
        self.last[:] = [self.a]
        return Good.make({"a": (scale + self.a) / 2}).compute(x, w)


@plant("F13", "counts its calls")
class Counts(Good):
    calls: ClassVar[Any] = itertools.count()

    def compute(self, x: Any, w: Any) -> Any:
        y = super().compute(x, w)
        return y + 1e-7 * next(self.calls) if on_numpy(y) else y
