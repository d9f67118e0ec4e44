"""``ops``: every installed op by name. ``ops.Mul(x, w)`` makes a node if an argument is one, and computes at once if not."""

from __future__ import annotations

from typing import Any

from ourdl_core import context
from ourdl_core.errors import OpError
from ourdl_core.node import Node
from ourdl_core.record import Record
from ourdl_core.registry import Registry


def _check(value: object) -> None:
    """TypeError for what an entry point offers as an op and is none."""
    if not (isinstance(value, type) and issubclass(value, (Record, Node)) and hasattr(value, "slots")):
        raise TypeError(f"it is no op: an op is a class derived from Elementwise, Composite or Op, found {value!r:.80}")


registry = Registry("ourdl.ops", check=_check)


class NoSuchOpError(OpError, AttributeError):
    """``ops.<name>`` for a name that cannot be resolved; an AttributeError too, so that ``hasattr`` works."""


def home(name: str) -> Any:
    """The op ``name`` of OurDL itself, whatever else is installed or in scope."""
    return registry.get(name, registry.home)


def domain_of(op_class: type) -> str | None:
    """The domain in which a class resolves bare names: that of its distribution; None (as a person) if it has none."""
    return registry.domain_of(op_class)


class NamedOp:
    """An op, found by name and ready to be called: on nodes it makes a node, on arrays it computes."""

    __slots__ = ("op",)

    def __init__(self, op: Any) -> None:
        self.op = op

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if any(_holds_node(value) for value in (*inputs, *keywords.values())):
            return self.op(*inputs, **keywords)
        slots = self.op.slots()
        if slots and not inputs and not any(slot.name in keywords for slot in slots):
            return self.op(**keywords)  # attributes alone: a record, to be called on inputs

        from ourdl_core.eager import compute

        return compute(self.op, inputs, keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedOp) and self.op is other.op

    def __hash__(self) -> int:
        return hash(self.op)

    def __repr__(self) -> str:
        return f"<op {registry.id_of(self.op) or self.op.__name__}>"


def _holds_node(value: Any) -> bool:
    return isinstance(value, Node) or (isinstance(value, (list, tuple)) and any(isinstance(v, Node) for v in value))


class Ops:
    """The namespace of ops: ``ops.Relu``, ``ops["acme::Snake-v2"]``, ``dir(ops)`` (nothing is imported to list)."""

    def __getattr__(self, name: str) -> NamedOp:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return NamedOp(registry.get(name, context.within.get()))
        except OpError as error:
            if isinstance(error.__cause__, Exception):
                raise
            raise NoSuchOpError(str(error)) from None

    def __getitem__(self, reference: str) -> NamedOp:
        return NamedOp(registry.get(reference, context.within.get()))

    def __dir__(self) -> list[str]:
        return registry.names()

    def __repr__(self) -> str:
        return f"<ops: {len(registry.names())} names>"


ops = Ops()
