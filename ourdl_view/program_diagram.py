"""The diagram of a Program: the steps of its layout, named as in its text, its inputs, its state and its outputs."""

from __future__ import annotations

from typing import Any

from ourdl_core import Node, Program, Variable
from ourdl_core.node import Output
from ourdl_core.plan import Plan
from ourdl_core.text import name_in, names_in
from ourdl_view.diagram import Box, Diagram, Edge
from ourdl_view.facts import node_facts, op_text, slot_name
from ourdl_view.text import cut, visible
from ourdl_view.types import Types


def program_diagram(program: Program) -> Diagram:
    """The steps of ``program`` for what its inputs declare, or for the values that it ran on last."""
    return _Drawer(program, program.plan()).diagram()


class _Drawer:
    def __init__(self, program: Program, plan: Plan) -> None:
        self._program, self._plan = program, plan
        for leaf, node in zip(plan.leaves, program._inputs, strict=False):
            if isinstance(leaf, Variable) and isinstance(node, Variable):
                leaf.sizes = node.sizes  # with names, which a layout does not need
        self._types = Types(plan.leaves, {})
        self._names = names_in(program, plan)
        self._keys: dict[Node, str] = {}
        self._boxes: list[Box] = []
        self._edges: list[Edge] = []
        self._taken: dict[str, int] = {}

    def diagram(self) -> Diagram:
        """Leaves, steps, outputs and updates."""
        plan = self._plan
        kinds = ["input"] * plan.inputs + [variable.kind_of_state for variable in plan.variables]
        for leaf, kind in zip(plan.leaves, kinds, strict=True):
            self._add(leaf, kind)
        for node in self._names:
            if node not in self._keys:
                self._add(node, "op")
        count = len(self._program._outputs)
        many = self._program.outputs if isinstance(self._program.outputs, dict) else None
        names = list(many) if many is not None else ["" for _ in range(count)]
        for name, node in zip(names, plan.roots[:count], strict=True):
            self._end(name or name_in(node, self._names), "output", node)
        for variable, node in zip(plan.updated, plan.roots[count:], strict=True):
            self._end(str(variable.name), "update", node)
        return Diagram(f"program ({self._program.mode})", tuple(self._boxes), tuple(self._edges), self._types)

    def _add(self, node: Node, kind: str) -> None:
        name = self._names[node]
        key = self._keys[node] = self._free(name)
        types = tuple(map(cut, self._types.of(node)))
        if len(types) > 3:
            types = (f"{len(types)} outputs",)
        first = kind if kind != "op" else op_text(node.op) if node.op is not None else "one output"
        lines = (first, *types)
        if kind == "op":
            lines += self._connect(node, key)
        self._boxes.append(Box(key, kind, cut(name), lines, node, facts=node_facts(node, self._types)))

    def _free(self, name: str) -> str:
        name = visible(name)
        count = self._taken[name] = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"

    def _connect(self, node: Node, key: str) -> tuple[str, ...]:
        """The edges to a step; what is written into the Program comes back as lines of text."""
        written = []
        for i, parent in enumerate(node.parents):
            slot = "" if node.op is None else visible(slot_name(node.op, i))
            if parent is None:
                continue
            if parent in self._keys:
                label = f"[{node.index}]" if isinstance(node, Output) else ""
                self._edges.append(Edge(self._keys[parent], key, 0, i, label, slot))
            else:
                written.append(cut(f"{slot} = {name_in(parent, self._names)}"))
        return tuple(written[:3])

    def _end(self, name: str, kind: str, node: Node) -> None:
        key = self._free(f"{kind}:{name}")
        facts: dict[str, Any] = {"outputs": list(self._types.of(node))}
        lines = (kind,) if node in self._keys else (kind, cut(name_in(node, self._names)))
        self._boxes.append(Box(key, "output", cut(name), lines, facts=facts))
        if node in self._keys:
            self._edges.append(Edge(self._keys[node], key))
