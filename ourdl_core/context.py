"""What is going on while a node is made: the graph that collects it, the body being traced, the plugin that speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ourdl_core.graph import Graph


class Label:
    """The name of a node, shared with what the node makes, so that naming the node names its parameters.

    ``word`` is what a generated name begins with.
    """

    __slots__ = ("parent", "text", "word")

    def __init__(self, text: str | None, parent: Label | None = None, word: str = "node") -> None:
        self.text = text
        self.parent = parent
        self.word = word

    def __str__(self) -> str:
        own = self.text or "?"
        return own if self.parent is None else f"{self.parent}.{own}"

    @property
    def root(self) -> Label:
        """The label of the outermost node."""
        label = self
        while label.parent is not None:
            label = label.parent
        return label

    @property
    def known(self) -> bool:
        """Whether every part of the name has been given or generated."""
        return self.text is not None and (self.parent is None or self.parent.known)


@dataclass
class Trace:
    """One run of a body: where its nodes get local names, and where what they make is kept from run to run.

    ``rules`` says how the shape of what was made in this run follows from nodes of this run.
    """

    label: Label
    made: dict[str, Any]
    where: Any = None
    rules: dict[Any, Any] = field(default_factory=dict)
    names: Any = None
    taken: dict[str, int] = field(default_factory=dict)

    def local_name(self, word: str, name: str | None) -> str:
        """``name``, or the next free ``word_1``, ``word_2``; the same in every run of one body."""
        if name is not None:
            if name in self.taken:
                raise ValueError(f"two nodes of {self.label} are named '{name}': names are unique in a body")
            self.taken[name] = 1
            return name
        while True:
            number = self.taken[word] = self.taken.get(word, 0) + 1
            if f"{word}_{number}" not in self.taken:
                return f"{word}_{number}"


class Clock:
    """Counts the changes of Variables: a value is stale if what it was computed from has changed since.

    ``last`` is the result of the last ``forward``, which may have no other owner.
    """

    __slots__ = ("last", "last_set", "now")

    def __init__(self) -> None:
        self.now = 0
        self.last_set = 0
        self.last: Any = None


clock = Clock()
graph: ContextVar[Graph | None] = ContextVar("ourdl_graph", default=None)
trace: ContextVar[Trace | None] = ContextVar("ourdl_trace", default=None)
# The names of the ``with registry.scope(...)`` blocks around, for each kind of thing named.
blocks: ContextVar[Mapping[str, Any]] = ContextVar("ourdl_scopes", default=MappingProxyType({}))
within: ContextVar[str | None] = ContextVar("ourdl_within", default=None)


@contextmanager
def local_names(names: Mapping[str, Any]) -> Iterator[None]:
    """Let the local names be ``names``, as ``with registry.scope(...)`` made them where a node was built."""
    token = blocks.set(names)
    try:
        yield
    finally:
        blocks.reset(token)


@contextmanager
def hidden() -> Iterator[None]:
    """Nodes made inside belong to no Graph."""
    token = graph.set(None)
    try:
        yield
    finally:
        graph.reset(token)


@contextmanager
def tracing(scope: Trace, domain: str | None) -> Iterator[None]:
    """Run a body or a gradient rule of a plugin: its nodes belong to ``scope``, its names to ``domain``.

    Those of a class without a domain mean what they meant where its node was built (``scope.names``).
    """
    tokens = trace.set(scope), within.set(domain)
    try:
        with nullcontext() if scope.names is None or domain is not None else local_names(scope.names):
            yield
    finally:
        within.reset(tokens[1])
        trace.reset(tokens[0])
