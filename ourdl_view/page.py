"""A diagram as a page: one HTML file that loads nothing, to pan, zoom and search, with what is known of each node."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import Any

from ourdl_view.diagram import Box, Diagram
from ourdl_view.gradient import Gradients
from ourdl_view.layout import in_one_place, laid_out
from ourdl_view.svg import MARGIN, MARK, drawing, style
from ourdl_view.text import visible


def page(diagram: Diagram) -> str:
    """The HTML file."""
    laid = laid_out(diagram)
    boxes, _ = in_one_place(laid, MARGIN, MARGIN)
    rows = page_data(diagram, [placed.box for placed in boxes])
    for row, placed in zip(rows, boxes, strict=True):
        row["place"] = [round(size, 1) for size in (placed.x, placed.y, placed.width, placed.height)]
    data = {"width": round(laid.width + 2 * MARGIN, 1), "height": round(laid.height + 2 * MARGIN, 1), "boxes": rows}
    parts = {
        "mark": MARK,
        "title": escape(visible(diagram.name)),
        "style": style() + "\n" + _resource("page.css"),
        "drawing": drawing(laid),
        "data": for_script(data),
        "script": _resource("page.js"),
    }
    found = []
    for piece in _resource("page.html").split("{{"):  # each part stands once, and is not looked into for others
        name, closed, rest = piece.partition("}}")
        found.append(parts[name] + rest if closed else piece)
    return "".join(found)


def _resource(name: str) -> str:
    return files("ourdl_view").joinpath(name).read_text(encoding="utf-8")


def for_script(data: Any) -> str:
    """JSON that can stand in a script element, whatever text is in it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_data(diagram: Diagram, boxes: list[Box]) -> list[dict[str, Any]]:
    """What the page knows of each box, in the order of ``boxes``; parents and children are numbers in it."""
    number = {box.key: i for i, box in enumerate(boxes)}
    gradients = None if diagram.types is None else Gradients(diagram.types)
    rows = [_row(box, gradients) for box in boxes]
    for source, target, slot in _links(diagram):
        rows[number[source]]["children"].append([number[target], slot])
        rows[number[target]]["parents"].append([number[source], slot])
    for box in boxes:
        for inner in box.inside.boxes if box.inside is not None else ():
            rows[number[inner.key]]["within"] = number[box.key]
    return rows


def _row(box: Box, gradients: Gradients | None) -> dict[str, Any]:
    row: dict[str, Any] = {"key": box.key, "kind": box.kind, "title": box.title, "lines": list(box.lines)}
    row.update(parents=[], children=[], **box.facts)
    if box.node is not None and gradients is not None:
        row["gradient"] = gradients.of(box.node)
    return row


def _links(diagram: Diagram) -> list[tuple[str, str, str]]:
    """Which box uses which, and as what: through entries and exits, from what is inside to what is outside."""
    links: list[tuple[str, str, str]] = []
    sources: dict[str, list[str]] = {}  # of each entry
    for box, around in diagram.everything():
        if box.kind == "entry":
            sources.setdefault(box.key, [])
        if box.inside is None:
            continue
        entries = {inner.place: inner.key for inner in box.inside.boxes if inner.kind == "entry"}
        for edge in around.edges:
            if edge.target == box.key and edge.enters in entries:
                sources[entries[edge.enters]] = sources.get(edge.source, [edge.source])
    exits = {box.key for box, _ in diagram.everything() if box.kind == "exit"}
    for around in _diagrams(diagram):
        for edge in around.edges:
            if edge.target not in exits:
                links += [(source, edge.target, edge.slot) for source in sources.get(edge.source, [edge.source])]
    return links


def _diagrams(diagram: Diagram) -> list[Diagram]:
    return [diagram, *(box.inside for box, _ in diagram.everything() if box.inside is not None)]
