"""The sizes of boxes and of the text in them, in pixels."""

from __future__ import annotations

from ourdl_view.diagram import Box
from ourdl_view.text import width

TITLE_SIZE, LINE_SIZE, PORT_SIZE = 13.0, 11.0, 10.0
TITLE_HEIGHT, LINE_HEIGHT = 17.0, 15.0
SIDE, ABOVE = 12.0, 8.0  # between the text and the border of its box
INSIDE = 12.0  # between the border of a box and what is drawn inside it
_NARROWEST = 56.0


def size_of(box: Box) -> tuple[float, float]:
    """Width and height of a box with nothing inside but text."""
    if box.kind in ("entry", "exit"):
        return width(box.title, PORT_SIZE) + 16, PORT_SIZE + 8
    widths = [width(box.title, TITLE_SIZE, bold=True), *(width(line, LINE_SIZE) for line in box.lines)]
    height = 2 * ABOVE + TITLE_HEIGHT + LINE_HEIGHT * len(box.lines)
    return max(_NARROWEST, max(widths) + 2 * SIDE), height
