"""The adapter for ops in the style of the teaching framework, where a node computes itself.

A class derived from ``Node`` with ``compute(self)``, which sets ``self.value`` from ``self.parents[i].value``, and with
``get_parent_grad(self, parent)``. In a Program it is one opaque step on NumPy arrays or Python numbers, with a gradient
of first order. Each step runs on a fresh stand-in of the node, so nothing is left over from one run to the next.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ourdl_core.arrays import Spec
from ourdl_core.infer import broadcast_shapes
from ourdl_core.node import Node
from ourdl_core.op import Elementwise


class Settings:
    """What a node in the old style stored on itself when it was made."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class Given:
    """A parent of a stand-in: a place with a value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class ClassicOp(Elementwise):
    """Runs a class of the old style. ``classic`` is that class, ``stand_in`` a class whose instances it can run on."""

    classic: ClassVar[type[Node]]
    stand_in: ClassVar[type]
    settings: Settings | None = None

    def run(self, values: tuple[Any, ...]) -> Any:
        """A stand-in that has computed its value."""
        node: Any = object.__new__(self.stand_in)
        node.__dict__.update(self.settings.values if self.settings is not None else {})
        node.__dict__["parents"] = parents = [Given(value) for value in values]
        node.__dict__.update(zip(("parent1", "parent2"), parents, strict=False))
        node.compute()
        return node

    def compute(self, *inputs: Any) -> Any:
        return self.run(inputs).value

    def vjp(self, g: Any, y: Any, *inputs: Any) -> Any:
        if self.classic.get_parent_grad is Node.get_parent_grad:
            raise TypeError(f"{self.classic.__name__} has no gradient: it defines no get_parent_grad(self, parent)")
        return tuple(g * _Derivative.make({"operation": self, "position": i})(*inputs) for i in range(len(inputs)))

    def infer(self, *specs: Any) -> Spec:
        numbers = all(spec.number for spec in specs)
        shape = broadcast_shapes(self.classic.__name__, [spec.shape for spec in specs])
        floats = [spec.dtype for spec in specs if spec.dtype.kind == "f" and (numbers or not spec.number)]
        return Spec(shape, np.result_type(*floats) if floats else np.dtype(np.float64), numbers)


class _Derivative(Elementwise):
    """What ``get_parent_grad`` says of the parent at ``position``."""

    operation: ClassicOp
    position: int

    def compute(self, *inputs: Any) -> Any:
        node = self.operation.run(inputs)
        return node.get_parent_grad(node.parents[self.position])

    def vjp(self, g: Any, y: Any, *inputs: Any) -> Any:
        raise TypeError(
            f"{self.operation.classic.__name__} is written in the classic style, which has first-order gradients only: "
            "write compute(self, x) and vjp(self, g, y, x) to differentiate its gradient"
        )

    def infer(self, *specs: Any) -> Spec:
        return self.operation.infer(*specs)


def adopt(cls: type[Node]) -> None:
    """Give a class of the old style the op that runs it."""
    blank = {"value": None, "grad": None, "parents": None, "parent1": None, "parent2": None}
    stand_in = type(cls.__name__, (cls,), blank)
    op = type(cls.__name__, (ClassicOp,), {"classic": cls, "stand_in": stand_in, "__doc__": cls.__doc__})
    cls._classic_op = op  # type: ignore[attr-defined]
    cls.fields, cls.slots = op.fields, op.slots  # type: ignore[attr-defined]
    # As a record makes nodes when it is called.
    cls.make = lambda attributes: lambda *inputs, name: cls(list(inputs), name=name, **attributes)  # type: ignore[attr-defined]
    cls.parent1 = property(lambda self: self.parents[0])  # type: ignore[attr-defined]
    cls.parent2 = property(lambda self: self.parents[1])  # type: ignore[attr-defined]


def record_for(node: Node) -> Any:
    """The op record of a node in the old style."""
    op = getattr(type(node), "_classic_op", None)
    if op is None:
        raise TypeError(f"{type(node).__name__} computes nothing: define compute(self), or derive from an op class")
    values = getattr(node, "__dict__", {})
    return op.make({"settings": Settings(values) if values or type(node).__init__ is not Node.__init__ else None})
