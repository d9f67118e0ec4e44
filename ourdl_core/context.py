"""What is going on while a node is made: the graph that collects it, the body being traced, the plugin that speaks."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ourdl_core.graph import Graph


@cache
def _is_ours(module: str | None) -> bool:
    return module is not None and module.partition(".")[0].startswith("ourdl")


def caller(calls: int) -> tuple[Any, int] | None:
    """Code and place in it of the nearest frame outside OurDL, ``calls`` up or more: where a person built a node."""
    frame = sys._getframe(calls)
    while frame is not None and _is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back  # type: ignore[assignment]
    return (frame.f_code, frame.f_lasti) if frame is not None else None


def place_text(where: tuple[Any, int]) -> str:
    """``file:line`` of a place in code."""
    code, place = where
    line = next((line for start, end, line in code.co_lines() if start <= place < end), None)
    return f"{code.co_filename}:{line or code.co_firstlineno}"


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

    ``rules`` says how the shape of what was made in this run follows from nodes of this run. ``lower`` brings nodes into
    primitive form, where a Program is being laid out.
    """

    label: Label
    made: dict[str, Any]
    where: Any = None
    rules: dict[Any, Any] = field(default_factory=dict)
    names: Any = None
    taken: dict[str, int] = field(default_factory=dict)
    lower: Any = None

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

    ``last`` is the result of the last ``forward``, which may have no other owner. ``claim`` numbers the times that a result
    took its ancestors: as long as it stays, they are of the result that took them last. ``kinds`` numbers the times that a
    Variable was given a value of another type than it had.
    """

    __slots__ = ("claim", "kinds", "last", "last_set", "now")

    def __init__(self) -> None:
        self.now = self.claim = self.kinds = 0
        self.last_set = 0
        self.last: Any = None


class LayingOut:
    """The lock under which Programs are laid out, which runs bodies of ops that note what they make. Its holder may take it
    again. Meanwhile the collector of cycles rests: what is made lives long, and it would search all of it again and again.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holds = 0
        self._collects = False

    def __enter__(self) -> None:
        self._lock.acquire()
        self._holds += 1
        if self._holds == 1:
            self._collects = gc.isenabled()
            gc.disable()

    def __exit__(self, *exception: object) -> None:
        self._holds -= 1
        if self._holds == 0 and self._collects:
            if gc.get_count()[0] > MANY and not gc.get_freeze_count():
                gc.freeze()  # one step to the oldest generation, without a search of each younger one
                gc.unfreeze()
            gc.enable()
        self._lock.release()


# So many objects are not searched where they are young.
MANY = 100_000
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
def without_trace() -> Iterator[None]:
    """Nodes made inside belong to no body."""
    token = trace.set(None)
    try:
        yield
    finally:
        trace.reset(token)


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
