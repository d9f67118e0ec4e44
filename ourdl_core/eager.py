"""Computing at once: ``ops.Relu(array)`` runs a Program of one node, which is kept for the next call."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ourdl_core import context
from ourdl_core.arrays import as_value
from ourdl_core.node import Node, Variable
from ourdl_core.op import Op, is_absent
from ourdl_core.ops import domain_of
from ourdl_core.program import Program


def compute(op: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The value of ``op`` on arrays and numbers, a tuple for several outputs; they are neither copied nor written to."""
    slots = {slot.name: slot for slot in op.slots()}
    named = {name: value for name, value in keywords.items() if name in slots}
    if not issubclass(op, Op):  # in the style of the teaching framework
        return op(*(Variable(value) for value in inputs)).forward()
    # There is no node to be named.
    record = op(**{name: value for name, value in keywords.items() if name not in slots and name != "name"})
    values = [*inputs, *named.values()]
    listed = list(slots.values())
    kinds = [listed[min(i, len(listed) - 1)].kind for i in range(len(inputs))] + [slots[name].kind for name in named]
    present = tuple(not is_absent(value, kind) for value, kind in zip(values, kinds, strict=True))
    # Names in a local class mean what they mean here and now.
    make = _program if domain_of(op) is not None else _program.__wrapped__
    program = make(record, len(inputs), tuple(named), present)
    given = [value for value, there in zip(values, present, strict=True) if there]
    found = program.evaluate([as_value(value, f"an input of {op.__name__}", copy=False) for value in given])
    return found[0] if record.num_outputs is None else tuple(found)


@lru_cache(maxsize=512)
def _program(record: Op, count: int, names: tuple[str, ...], present: tuple[bool, ...]) -> Program:
    """The Program of one node, whose inputs are Variables where values are given."""
    tokens = context.graph.set(None), context.trace.set(None)
    try:
        slots = [Variable() if given else None for given in present]
        node = record(*slots[:count], **dict(zip(names, slots[count:], strict=True)))
    finally:
        context.trace.reset(tokens[1])
        context.graph.reset(tokens[0])
    _refuse_made(node, slots)
    return Program([slot for slot in slots if slot is not None], list(node.outputs), executor="plain")


def _refuse_made(node: Node, given: list[Variable | None]) -> None:
    for slot, parent in zip(node.op.slots() if node.op is not None else (), node.parents, strict=False):
        if isinstance(parent, Variable) and parent not in given:
            raise TypeError(
                f"{node.kind} computes at once only if it is given what it would otherwise make: give {slot.name}=..., "
                f"or make a node of it, as ops.{node.kind}(Variable(value))"
            )
