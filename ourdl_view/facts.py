"""What a page tells of a node: the op and who provides it, attributes, inputs, outputs, what it makes for itself."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

from ourdl_core import Node, Op, OpError, Record, registry
from ourdl_core.node import Constant, Output, Variable
from ourdl_core.tables import is_changed
from ourdl_view.text import cut, lines_of, visible
from ourdl_view.types import Types

Facts = dict[str, Any]


def slot_name(op: Op, position: int) -> str:
    """The name of an input by its position; those of any number are counted: ``xs[0]``."""
    slots = op.slots()
    slot = slots[min(position, len(slots) - 1)]
    return f"{slot.name}[{position - len(slots) + 1}]" if slot.kind == "variadic" else slot.name


def op_text(op: Op) -> str:
    """An op for one line of a box: its name, and the attributes that differ from their defaults."""
    fields = type(op).fields()
    changed = [f"{name}={_value(value, 20)}" for name, value in op.attributes().items() if _told(op, name, value, fields)]
    return cut(" ".join([type(op).__name__, *changed]))


def _told(op: Op, name: str, value: Any, fields: dict[str, Any]) -> bool:
    return name not in op.functions() and (name not in fields or is_changed(value, fields[name]))


def _value(value: Any, most: int = 200) -> str:
    if isinstance(value, Record):
        return cut(repr(value), most)
    return cut(value if isinstance(value, str) else repr(value), most)


def node_facts(node: Node, types: Types) -> Facts:
    """What can be told without a trial: everything but the gradient."""
    found: Facts = {"outputs": list(types.of(node)), "problem": lines_of(types.problem(node))}
    if node.op is None:
        return found
    op = node.op
    found.update(class_facts(getattr(type(op), "classic", type(op))))
    fields = type(op).fields()
    found["attributes"] = [
        [name, _value(value), name in fields and not is_changed(value, fields[name])]
        for name, value in op.attributes().items()
        if name not in op.functions()
    ]
    found["inputs"] = [
        [slot_name(op, i), input_name(parent), types.text(parent)]
        for i, parent in enumerate(node.parents)
        if parent is not None
    ]
    made = [(slot_name(op, i), p) for i, p in enumerate(node.parents) if isinstance(p, Variable) and p.made is not None]
    found["makes"] = [[visible(str(p)), p.kind_of_state, types.text(p)] for _, p in made]
    found["functions"] = [[name, _function_text(f)] for name, f in op.functions().items()]
    return found


def class_facts(cls: type) -> Facts:
    """The id of an op, who provides it, and the first paragraph of its documentation."""
    found: Facts = {"op": visible(cls.__name__), "id": "", "provider": "this program", "about": about(cls)}
    identity = registry.id_of(cls)
    if identity is not None:
        found["id"] = visible(identity)
        with suppress(OpError):  # the environment may hide it
            found["provider"] = visible(registry.resolve(identity).provider) or "this program"
    return found


def about(cls: type) -> str:
    """The first paragraph of the docstring of a class, without the marks of code."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return visible(" ".join(text.partition("\n\n")[0].replace("``", "").split()))[:600]


def input_name(node: Node) -> str:
    """What an input is called: a number is shown itself."""
    if isinstance(node, Constant):
        return cut(str(node))
    if isinstance(node, Output):
        return f"{input_name(node.parents[0])}[{node.index}]"  # type: ignore[arg-type]
    return visible(str(node))


def _function_text(function: Any) -> str:
    """The body that an op holds, as the steps of a Program."""
    from ourdl_core import Program

    try:
        return lines_of(str(Program(list(function.inputs), list(function.outputs), mode=function.mode)))
    except Exception as error:  # what its inputs declare may not say enough
        return lines_of(f"{function!r}: {error}")
