"""A diagram as text for other tools: Mermaid, which GitHub shows in Markdown, and DOT, which Graphviz lays out."""

from __future__ import annotations

from collections.abc import Iterator

from ourdl_view.diagram import Box, Diagram
from ourdl_view.svg import MARK

_MERMAID_SHAPES = {"op": ("[", "]"), "output": ("([", "])"), "entry": ("(", ")"), "exit": ("(", ")")}
_DOT_STYLES = {
    "op": "shape=box",
    "output": "shape=box, style=rounded, penwidth=2",
    "entry": "shape=plain",
    "exit": "shape=plain",
}


def mermaid(diagram: Diagram) -> str:
    """The diagram as a Mermaid flowchart."""
    names = _names(diagram)

    def boxes(inner: Diagram, indent: str) -> Iterator[str]:
        for box in inner.boxes:
            if box.inside is not None:
                yield f'{indent}subgraph {names[box.key]}["{_mermaid_text([_in_one_line(box)])}"]'
                yield from boxes(box.inside, indent + "  ")
                yield f"{indent}end"
            elif box.kind != "caption":
                left, right = _MERMAID_SHAPES.get(box.kind, ("([", "])"))
                yield f'{indent}{names[box.key]}{left}"{_mermaid_text([box.title, *box.lines])}"{right}'

    edges = []
    for source, target, label in _edges(diagram):
        shown = f'|"{_mermaid_text([label])}"|' if label else ""
        edges.append(f"  {names[source]} -->{shown} {names[target]}")
    return "\n".join(["flowchart TB", f"  %% {MARK}", *boxes(diagram, "  "), *edges, ""])


def dot(diagram: Diagram) -> str:
    """The diagram in the language of Graphviz."""
    names = _names(diagram)

    def boxes(inner: Diagram, indent: str) -> Iterator[str]:
        for box in inner.boxes:
            if box.inside is not None:
                yield f"{indent}subgraph cluster_{names[box.key]} {{"
                yield f"{indent}  label={_dot_text([box.title, *box.lines])};"
                yield from boxes(box.inside, indent + "  ")
                yield f"{indent}}}"
            elif box.kind != "caption":
                look = _DOT_STYLES.get(box.kind, "shape=box, style=rounded")
                yield f"{indent}{names[box.key]} [label={_dot_text([box.title, *box.lines])}, {look}];"

    edges = []
    for source, target, label in _edges(diagram):
        shown = f" [label={_dot_text([label])}]" if label else ""
        edges.append(f"  {names[source]} -> {names[target]}{shown};")
    head = [f"// {MARK}", f"digraph {_dot_text([diagram.name])} {{", '  node [fontname="sans-serif"];']
    return "\n".join([*head, *boxes(diagram, "  "), *edges, "}", ""])


def _names(diagram: Diagram) -> dict[str, str]:
    """Names that any language takes: ``n0``, ``n1``."""
    return {box.key: f"n{i}" for i, (box, _) in enumerate(diagram.everything())}


def _in_one_line(box: Box) -> str:
    """Mermaid leaves room for one line above what is inside."""
    return ", ".join([box.title, *box.lines])


def _edges(diagram: Diagram) -> Iterator[tuple[str, str, str]]:
    """Every edge, at any depth; those of an opened box go on to its entries and come from its exits."""
    ports = {
        (box.key, each.kind, each.place): each.key
        for box, _ in diagram.everything()
        if box.inside is not None
        for each in box.inside.boxes
        if each.kind in ("entry", "exit")
    }
    for part in [diagram, *(box.inside for box, _ in diagram.everything() if box.inside is not None)]:
        for edge in part.edges:
            source = ports.get((edge.source, "exit", edge.leaves), edge.source)
            yield source, ports.get((edge.target, "entry", edge.enters), edge.target), edge.label


def _mermaid_text(lines: list[str]) -> str:
    """Lines for a quoted label: whatever Mermaid, Markdown or HTML would read is written by its number."""
    return "<br/>".join("".join(map(_mermaid_character, line)) for line in lines)


def _mermaid_character(character: str) -> str:
    plain = character.isalnum() or character in " _,:=()[]/?"
    return character if plain else f"#{ord(character)};"


def _dot_text(lines: list[str]) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
