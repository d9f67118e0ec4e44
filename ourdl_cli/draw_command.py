"""``ourdl draw``: a model as a picture, a page, or text for other tools."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ourdl_cli.layout import say
from ourdl_files import load

if TYPE_CHECKING:
    from ourdl_view.diagram import Diagram

FORMATS = {"svg": (".svg",), "html": (".html", ".htm"), "mermaid": (".mmd", ".mermaid"), "dot": (".dot", ".gv")}
# An old file is searched for the mark of a drawing this far.
_HEAD = 2000


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Draw a model: a picture (SVG), a page to explore (HTML), or text for Mermaid or Graphviz (DOT)."
    draw = commands.add_parser("draw", help="draw a model as SVG, HTML, Mermaid or DOT", description=about)
    draw.add_argument("model", metavar="FILE", type=Path, help="the model file (TOML, JSON or YAML)")
    draw.add_argument("--to", choices=tuple(FORMATS), help="the format (else the ending of PATH says it, else svg)")
    draw.add_argument("--out", metavar="PATH", help="where to write (else FILE with another ending; - prints)")
    draw.add_argument("--depth", metavar="N", type=_depth, default=0, help="open composites N deep (0: draw them whole)")
    draw.add_argument("--parameters", action="store_true", help="draw what nodes make for themselves, as h.weight")
    draw.add_argument("--program", action="store_true", help="draw the steps that compute the outputs instead")
    draw.set_defaults(run=run_draw)


def _depth(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number, 0 or more, found '{text}'")
    return int(text)


def run_draw(options: argparse.Namespace) -> int:
    """``ourdl draw FILE``."""
    kind = options.to or _kind_of(options.out)
    path = Path(options.out) if options.out else options.model.with_suffix(FORMATS[kind][0])
    if options.out != "-":
        _check_place(path)
    text = _writer(kind)(_named(_diagram(options), options.model))
    if options.out == "-":
        say(text.rstrip("\n"))
        return 0
    from ourdl_core.atomic import write_atomically

    write_atomically(path, text.encode())
    say(f"wrote {path}")
    return 0


def _kind_of(out: str | None) -> str:
    """The format that the ending of a path stands for."""
    if out is None or out == "-":
        return "svg"
    ending = Path(out).suffix.lower()
    for kind, endings in FORMATS.items():
        if ending in endings:
            return kind
    known = ", ".join(endings[0] for endings in FORMATS.values())
    raise ValueError(f"the ending of {out} is that of no format ({known}): give --to")


def _check_place(path: Path) -> None:
    """Only a drawing is written over."""
    from ourdl_view.svg import MARK

    if path.is_dir():
        raise ValueError(f"{path} is a folder: --out names a file")
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.strip() and MARK.encode() not in head:
        raise ValueError(f"{path} is no drawing by 'ourdl draw': remove it, or choose another place with --out")


def _named(diagram: Diagram, model: Path) -> Diagram:
    """What readers call it begins with the name of the file."""
    from dataclasses import replace

    from ourdl_view.text import visible

    return replace(diagram, name=visible(model.name if diagram.name == "graph" else f"{model.name}, {diagram.name}"))


def _diagram(options: argparse.Namespace) -> Diagram:
    graph = load(options.model).graph
    if not options.program:
        from ourdl_view.graph_diagram import graph_diagram

        return graph_diagram(graph, options.depth, options.parameters)
    if options.depth or options.parameters:
        raise ValueError("--program draws every step and all parameters: it goes without --depth and --parameters")
    from ourdl_core import Program
    from ourdl_core.node import order_of
    from ourdl_view.program_diagram import program_diagram

    if not graph.outputs:
        raise ValueError(f"{options.model} names no outputs, so there is nothing that a Program would compute")
    used = set(order_of(graph.outputs.values()))
    return program_diagram(Program({k: v for k, v in graph.inputs.items() if v in used}, graph.outputs))


def _writer(kind: str) -> Callable[[Diagram], str]:
    if kind == "html":
        from ourdl_view.page import page

        return page
    from ourdl_view.svg import svg
    from ourdl_view.text_formats import dot, mermaid

    return {"svg": svg, "mermaid": mermaid, "dot": dot}[kind]
