"""Where the time of a step goes: the calls of a Program summed up by the nodes that a person wrote, and as a trace file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ourdl_core import Graph, Variable

if TYPE_CHECKING:
    from ourdl_core.execute import Timing

PARTS = ("forward", "backward", "update")
ELSEWHERE = "elsewhere"  # the part of what belongs to no node
GRADIENT = "gradient of "
MARK = "ourdl profile"  # by which a trace file is known again


@dataclass
class NodeTime:
    """What one node costs in a step: seconds by part, calls, and the bytes that these write."""

    node: str
    op: str
    calls: int = 0
    bytes: int = 0
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*PARTS, ELSEWHERE), 0.0))

    @property
    def seconds(self) -> float:
        """The time of all its calls."""
        return sum(self.parts.values())

    def add(self, timing: Timing, part: str) -> None:
        """Count one call."""
        self.calls += 1
        self.bytes += timing.bytes
        self.parts[part] += timing.seconds


@dataclass(frozen=True)
class Owner:
    """Which node a call is of ("" for none), and which part of a step."""

    node: str
    part: str


class Owners:
    """Finds the node of a call: what a gradient is the gradient of, and the node whose parameter an update moves."""

    def __init__(self, graph: Graph) -> None:
        self._kinds = {str(node): "parameter" if isinstance(node, Variable) else node.kind for node in graph.nodes}
        self._parameters = set(graph.named_parameters())

    def of(self, timing: Timing) -> Owner:
        """The owner of a call."""
        name = timing.node.removeprefix(GRADIENT)
        if name in self._parameters:
            return Owner(self._node(name) or name, "update")
        node = self._node(name)
        return Owner(node, ELSEWHERE if not node else "forward" if name == timing.node else "backward")

    def _node(self, name: str) -> str:
        """The node of the graph that is called ``name``, or has made what is called so: of ``h.weight`` it is ``h``."""
        while name and name not in self._kinds:
            name = name.rpartition(".")[0]
        return name

    def kind(self, node: str) -> str:
        """The op of a node."""
        return self._kinds.get(node, "")


def by_node(timings: Iterable[Timing], owners: Owners) -> list[NodeTime]:
    """The calls summed up by node, the slowest first; what belongs to no node is called ""."""
    found: dict[str, NodeTime] = {}
    for timing in timings:
        owner = owners.of(timing)
        row = found.setdefault(owner.node, NodeTime(owner.node, owners.kind(owner.node)))
        row.add(timing, owner.part)
    return sorted(found.values(), key=lambda row: (row.node == "", -row.seconds))


def summed(rows: Iterable[NodeTime], name: str) -> NodeTime:
    """Several rows as one."""
    found = NodeTime(name, "")
    for row in rows:
        found.calls += row.calls
        found.bytes += row.bytes
        for part, seconds in row.parts.items():
            found.parts[part] += seconds
    return found


def trace(timings: Sequence[Timing], owners: Owners, title: str) -> bytes:
    """The calls one after another as a trace file (Trace Event Format), for Perfetto or chrome://tracing."""
    about = [("process_name", title), ("thread_name", "calls")]
    events: list[dict[str, Any]] = [
        {"name": name, "ph": "M", "pid": 1, "tid": 1, "args": {"name": text}} for name, text in about
    ]
    now = 0  # nanoseconds: viewers drop an event that begins before the last one has ended, if by rounding only
    for timing in timings:
        owner, duration = owners.of(timing), round(timing.seconds * 1e9)
        arguments = {"call": timing.call, "bytes": timing.bytes, "part": owner.part}
        what = {"name": owner.node or timing.op or timing.call, "cat": timing.op, "ph": "X"}
        when = {"ts": now / 1000, "dur": duration / 1000, "pid": 1, "tid": 1}
        events.append({**what, **when, "args": arguments})
        now += duration
    tree = {"otherData": {"by": MARK}, "displayTimeUnit": "ns", "traceEvents": events}
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
