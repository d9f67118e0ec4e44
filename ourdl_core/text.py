"""A Program as text that a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ourdl_core.arrays import Spec
from ourdl_core.node import Constant, Node, Output, order_of

if TYPE_CHECKING:
    from ourdl_core.plan import Plan
    from ourdl_core.program import Program


def program_text(program: Program) -> str:
    """The layout of a Program: its inputs, its state, one line a step, its outputs and updates."""
    plan = program.plan()
    names = names_in(program, plan)
    inputs = plan.leaves[: plan.inputs]
    lines = [f"program({', '.join(f'{names[leaf]}: {leaf.spec}' for leaf in inputs)})  # {program.mode}"]
    lines += [f"  {v.kind_of_state} {n}: {plan.specs[v]}" for v, n in zip(plan.variables, plan.names, strict=True)]
    leaves = set(plan.leaves)
    lines += [f"  {name} = {_call(node, names)}" for node, name in names.items() if node not in leaves]
    count = len(program._outputs)
    keys = program.outputs if isinstance(program.outputs, dict) else [None] * count
    shown = [(f"{k}=" if k else "") + name_in(n, names) for k, n in zip(keys, plan.roots[:count], strict=True)]
    lines.append(f"  return {', '.join(shown)}")
    for variable, node in zip(plan.updated, plan.roots[count:], strict=True):
        lines.append(f"  update {variable.name} = {name_in(node, names)}")
    return "\n".join(lines)


def names_in(program: Program, plan: Plan) -> dict[Node, str]:
    """The names by which the text speaks of inputs and state, then of each step, in their order: ``v1``, ``v2``."""
    names = dict(zip(plan.leaves, [*program.input_names, *plan.names], strict=True))
    steps = set(plan.layout.nodes)
    for node in order_of(plan.roots):
        if node in steps:
            names[node] = f"v{len(names) - len(plan.leaves) + 1}"
    return names


def _call(node: Node, names: dict[Node, str]) -> str:
    if isinstance(node, Output):
        return f"{name_in(node.parents[0], names)}[{node.index}]"
    assert node.op is not None
    attributes = [f"{k}={v!r}" for k, v in node.op.attributes().items()]
    arguments = [name_in(p, names) for p in node.parents]
    return f"{type(node.op).__name__}({', '.join([*arguments, *attributes])})  # {_spec(node)}"


def _spec(node: Node) -> str:
    spec: Any = node.spec
    return str(spec) if isinstance(spec, Spec) else ", ".join(map(str, spec))


def name_in(node: Node | None, names: dict[Node, str]) -> str:
    """What the text writes for a value: its name, or how it comes about where it is no step."""
    if node is None:
        return "None"
    if node in names:
        return names[node]
    if isinstance(node, Constant):
        return str(node)
    # A folded constant, or a node of which only the shape is used.
    return f"{node.kind}({', '.join(names.get(p, '...') for p in node.parents if p is not None)})"
