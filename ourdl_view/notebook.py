"""Graphs and Programs as pictures in notebooks: what the core shows of them when this package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ourdl_core import Graph, Program

if TYPE_CHECKING:
    from ourdl_view.diagram import Diagram

# Boxes of a picture that a notebook shows by itself.
MOST_BOXES = 400


def notebook(shown: Graph | Program) -> dict[str, str]:
    """The texts of ``shown`` by MIME type: SVG, or a sentence where the picture would be too large."""
    from ourdl_view.svg import svg

    large = f"{shown!r}: too large for a picture here, 'ourdl draw' writes one"
    if isinstance(shown, Graph) and len(shown.nodes) > MOST_BOXES:
        return {"text/plain": large}
    diagram = _diagram(shown)
    return {"image/svg+xml": svg(diagram)} if diagram.count() <= MOST_BOXES else {"text/plain": large}


def _diagram(shown: Graph | Program) -> Diagram:
    if isinstance(shown, Graph):
        from ourdl_view.graph_diagram import graph_diagram

        return graph_diagram(shown)
    from ourdl_view.program_diagram import program_diagram

    return program_diagram(shown)
