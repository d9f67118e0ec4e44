"""A diagram laid out: where each box stands and how each edge runs, top to bottom, the same every time.

Boxes never overlap, and no edge runs through a box: between two rows there is room for edges alone, in a row an edge runs
straight down, in a place of its own. What is inside a box is laid out first, as a diagram of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ourdl_view.diagram import Box, Diagram, Edge
from ourdl_view.layering import Link, in_rows, layers
from ourdl_view.measures import INSIDE, size_of
from ourdl_view.ordering import order_rows
from ourdl_view.placing import place_rows
from ourdl_view.routing import Ports, Route, Router, moved

# Gaps between boxes side by side, between an edge and what stands beside it.
_BOXES, _EDGES = 24.0, 14.0


@dataclass
class Placed:
    """A box in its place: ``x``, ``y`` are its left and top."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inside: Laid | None = None


@dataclass
class Line:
    """An edge in its place: a route of straight and curved pieces, the last of which ends in the arrow."""

    edge: Edge
    route: Route


@dataclass
class Laid:
    """A diagram in its place, from ``0, 0`` to ``width, height``."""

    width: float
    height: float
    boxes: list[Placed]
    lines: list[Line]


def laid_out(diagram: Diagram) -> Laid:
    """Lay out ``diagram``, what is inside its boxes first."""
    inside = {box.key: laid_out(box.inside) for box in diagram.boxes if box.inside is not None}
    sizes = [_size(box, inside) for box in diagram.boxes]
    number = {box.key: i for i, box in enumerate(diagram.boxes)}
    links = [Link(number[e.source], number[e.target], e.leaves, e.enters) for e in diagram.edges]
    rows = in_rows(len(sizes), links, layers(len(sizes), links, *_ends(diagram)))
    order_rows(rows)
    wide = [width for width, _ in sizes] + [0.0] * (len(rows.row_of) - len(sizes))

    def gap(a: int, b: int) -> float:
        return (wide[a] + wide[b]) / 2 + (_BOXES if max(a, b) < rows.count else _EDGES)

    middles = place_rows(rows, gap)
    ports = {number[key]: _ports(laid) for key, laid in inside.items()}
    router = Router(rows, links, middles, sizes, ports)
    boxes = [
        Placed(box, middle - width / 2, top, width, height, inside.get(box.key))
        for box, middle, top, (width, height) in zip(diagram.boxes, middles, router.tops, sizes, strict=False)
    ]
    lines = [Line(edge, route) for edge, route in zip(diagram.edges, router.routes(), strict=True)]
    return _from_zero(boxes, lines)


def _size(box: Box, inside: dict[str, Laid]) -> tuple[float, float]:
    laid = inside.get(box.key)
    if laid is None:
        return size_of(box)
    return laid.width + 2 * INSIDE, laid.height + 2 * INSIDE


def _ends(diagram: Diagram) -> tuple[list[int], list[int]]:
    """What must stand in the first row, and what in the last one."""
    kinds = [box.kind for box in diagram.boxes]
    return [i for i, k in enumerate(kinds) if k in ("entry", "caption")], [i for i, k in enumerate(kinds) if k == "exit"]


def _ports(laid: Laid) -> Ports:
    """Where edges go on inside a box, from its top left corner."""
    ports: Ports = {"entry": {}, "exit": {}}
    for placed in laid.boxes:
        if placed.box.kind in ports:
            y = placed.y if placed.box.kind == "entry" else placed.y + placed.height
            ports[placed.box.kind][placed.box.place] = (INSIDE + placed.x + placed.width / 2, INSIDE + y)
    return ports


def _from_zero(boxes: list[Placed], lines: list[Line]) -> Laid:
    """Everything moved so that its left and its top are 0, and what is inside boxes with them."""
    xs = [x for placed in boxes for x in (placed.x, placed.x + placed.width)]
    xs += [x for line in lines for piece in line.route for x, _ in piece]
    left = min(xs, default=0.0)
    for placed in boxes:
        placed.x -= left
    for line in lines:
        line.route = moved(line.route, -left, 0.0)
    height = max((placed.y + placed.height for placed in boxes), default=0.0)
    return Laid(max(xs, default=0.0) - left, height, boxes, lines)


def in_one_place(laid: Laid, x: float = 0.0, y: float = 0.0) -> tuple[list[Placed], list[Line]]:
    """All boxes, the outer ones first, and all edges, at any depth, in the coordinates of the whole drawing."""
    boxes = [replace(placed, x=placed.x + x, y=placed.y + y) for placed in laid.boxes]
    lines = [Line(line.edge, moved(line.route, x, y)) for line in laid.lines]
    for placed in list(boxes):
        if placed.inside is not None:
            inner, edges = in_one_place(placed.inside, placed.x + INSIDE, placed.y + INSIDE)
            boxes += inner
            lines += edges
    return boxes, lines
