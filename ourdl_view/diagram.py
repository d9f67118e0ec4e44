"""A diagram: boxes and the edges between them, before anything is drawn. Boxes of composites may hold a diagram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What a box stands for. Edges come into what is inside a box by an entry and leave by an exit; a caption names the inside.
KINDS = ("input", "parameter", "state", "key", "value", "op", "output", "entry", "exit", "caption")


@dataclass(frozen=True)
class Box:
    """One box: its ``key`` (unique in the whole diagram), what it stands for, a title, and lines of text below it.

    ``node`` is the node that it stands for, ``inside`` the diagram of what it is made of, ``place`` the number of the input
    or output that an entry or exit stands for, ``facts`` what a page tells beside the picture.
    """

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    node: Any = None
    inside: Diagram | None = None
    place: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Edge:
    """A value that goes from one box to another: from the output number ``leaves`` to the input number ``enters``.

    ``label`` is shown beside it (the number of an output of several), ``slot`` is the name of the input.
    """

    source: str
    target: str
    leaves: int = 0
    enters: int = 0
    label: str = ""
    slot: str = ""


@dataclass(frozen=True)
class Diagram:
    """Boxes, in the order in which they are computed, and edges; ``name`` is what a reader calls it.

    ``types`` knows what can be told of the nodes of the boxes, at any depth.
    """

    name: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...] = ()
    types: Any = field(default=None, compare=False)

    def everything(self) -> Iterator[tuple[Box, Diagram]]:
        """Every box, at any depth, with the diagram that it stands in."""
        for box in self.boxes:
            yield box, self
            if box.inside is not None:
                yield from box.inside.everything()

    def count(self) -> int:
        """How many boxes there are, at any depth."""
        return sum(1 for _ in self.everything())
