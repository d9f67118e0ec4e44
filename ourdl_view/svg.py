"""A diagram as SVG: text that can be read and copied, colours for light and dark, no script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ourdl_view.diagram import Box, Diagram
from ourdl_view.layout import Laid, Line, Placed, in_one_place, laid_out
from ourdl_view.measures import ABOVE, LINE_HEIGHT, LINE_SIZE, PORT_SIZE, SIDE, TITLE_HEIGHT, TITLE_SIZE
from ourdl_view.routing import Route

# What every drawing says near its beginning: a file that says so may be written over.
MARK = "ourdl draw"
MARGIN = 16.0
_MOST_TOLD = 60  # boxes that the description for screen readers lists

# Light and dark: the ground, text, quiet text, edges; then border and ground of each kind of box.
_LIGHT = ("#ffffff", "#1c2128", "#57606a", "#7d8590")
_DARK = ("#15191f", "#e6edf3", "#9aa5b1", "#8b949e")
_KINDS = {
    "input": ("#1a7f37", "#e6f6ea", "#3fb950", "#12301b"),
    "parameter": ("#9a6700", "#fdf5dc", "#d29922", "#33270b"),
    "state": ("#9a6700", "#fdf5dc", "#d29922", "#33270b"),
    "key": ("#9a6700", "#fdf5dc", "#d29922", "#33270b"),
    "op": ("#57718f", "#f1f5fa", "#6e8bab", "#1e2630"),
    "output": ("#8250df", "#f4edff", "#a371f7", "#2a1d45"),
}


def svg(diagram: Diagram) -> str:
    """The drawing as a file of its own: XML that shows itself, in a browser, a page or a notebook."""
    laid = laid_out(diagram)
    wide, high = (round(size + 2 * MARGIN) for size in (laid.width, laid.height))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
    return "\n".join(
        [
            f'{head} class="ourdl" role="img" aria-label="{_text(_title(diagram))}" data-made-by="{MARK}">',
            f"<title>{_text(_title(diagram))}</title>",
            f"<desc>{_text(_description(diagram))}</desc>",
            f"<style>{style()}</style>",
            f'<rect class="ground" width="{wide}" height="{high}" rx="6"/>',
            drawing(laid),
            "</svg>\n",
        ]
    )


def drawing(laid: Laid) -> str:
    """What is drawn, as one group: frames of opened boxes, then edges, then boxes."""
    boxes, lines = in_one_place(laid)
    parts = [f'<g class="all" transform="translate({MARGIN:g} {MARGIN:g})">']
    parts += [_frame(placed) for placed in boxes if placed.inside is not None]
    labelled = {(line.edge.source, line.edge.leaves): line for line in reversed(lines)}  # the first of each output
    parts += [_line(line, line is labelled[line.edge.source, line.edge.leaves]) for line in lines]
    parts += [_box(placed) for placed in boxes if placed.inside is None]
    return "\n".join([*parts, "</g>"])


def style() -> str:
    """The rules for both schemes; each begins with ``.ourdl``, so that nothing else on a page is changed."""
    plain = (
        ".ourdl text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
        f"font-size:{LINE_SIZE:g}px}}"
        f".ourdl .name{{font-size:{TITLE_SIZE:g}px;font-weight:600}}"
        f".ourdl .port text,.ourdl .label{{font-size:{PORT_SIZE:g}px}}"
        ".ourdl .edge path{fill:none;stroke-width:1.3}.ourdl .edge .head{stroke:none}"
        ".ourdl .label{paint-order:stroke;stroke-width:3px}"
        ".ourdl .frame rect{stroke-dasharray:4 3}.ourdl .output rect{stroke-width:2}"
    )
    light = _colours(_LIGHT, {kind: colours[:2] for kind, colours in _KINDS.items()})
    dark = _colours(_DARK, {kind: colours[2:] for kind, colours in _KINDS.items()})
    return f"{plain}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _colours(common: tuple[str, str, str, str], kinds: dict[str, tuple[str, ...]]) -> str:
    ground, text, quiet, edge = common
    rules = [
        f".ourdl .ground{{fill:{ground}}}.ourdl text{{fill:{quiet}}}.ourdl .name{{fill:{text}}}",
        f".ourdl .edge path{{stroke:{edge}}}.ourdl .edge .head{{fill:{edge}}}",
        f".ourdl .port rect{{fill:{ground};stroke:{edge}}}.ourdl .label{{stroke:{ground}}}",
    ]
    rules += [f".ourdl .{kind} rect{{stroke:{border};fill:{inner}}}" for kind, (border, inner) in kinds.items()]
    rules += [f".ourdl .frame rect{{fill:{ground}}}"]
    return "".join(rules)


def _title(diagram: Diagram) -> str:
    shown = [box for box in diagram.boxes if box.kind != "output"]
    return f"{diagram.name}: {len(shown)} node{'' if len(shown) == 1 else 's'}"


def _description(diagram: Diagram) -> str:
    """Each box with what comes into it, in the order in which they are computed."""
    sources: dict[str, list[str]] = {}
    for edge in diagram.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    told = [
        f"{box.title}: {', '.join(box.lines)}" + (f", from {', '.join(sources[box.key])}" if box.key in sources else "")
        for box in diagram.boxes[:_MOST_TOLD]
    ]
    left = len(diagram.boxes) - len(told)
    return ". ".join([*told, *([f"And {left} more"] if left else [])]) + "."


# ---- boxes ----------------------------------------------------------------------------------------------------------


def _box(placed: Placed) -> str:
    box = placed.box
    if box.kind in ("entry", "exit"):
        return f"{_open(placed, 'port')}{_rect(placed, placed.height / 2)}{_line_of_text(placed, PORT_SIZE + 3)}</g>"
    if box.kind == "caption":
        return f'<g class="caption" transform="{_place(placed)}">{_texts(placed)}</g>'
    radius = 4.0 if box.kind == "op" else 12.0
    hint = f"<title>{_text(_hint(box))}</title>"
    return f"{_open(placed, f'node {box.kind}')}{hint}{_rect(placed, radius)}{_texts(placed)}</g>"


def _frame(placed: Placed) -> str:
    hint = f"<title>{_text(_hint(placed.box))}</title>"
    return f"{_open(placed, f'node frame {placed.box.kind}')}{hint}{_rect(placed, 6.0)}</g>"


def _open(placed: Placed, kind: str) -> str:
    return f'<g class="{kind}" data-key="{_text(placed.box.key)}" transform="{_place(placed)}">'


def _place(placed: Placed) -> str:
    return f"translate({_number(placed.x)} {_number(placed.y)})"


def _rect(placed: Placed, radius: float) -> str:
    return f'<rect width="{_number(placed.width)}" height="{_number(placed.height)}" rx="{radius:g}"/>'


def _hint(box: Box) -> str:
    return "\n".join([box.title, *box.lines])


def _texts(placed: Placed) -> str:
    y = ABOVE + TITLE_HEIGHT - 4
    parts = [_line_of_text(placed, y, "name")]
    for i, line in enumerate(placed.box.lines):
        parts.append(f"<text {_anchor(placed, y + LINE_HEIGHT * (i + 1))}>{_text(line)}</text>")
    return "".join(parts)


def _line_of_text(placed: Placed, y: float, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f"<text{named} {_anchor(placed, y)}>{_text(placed.box.title)}</text>"


def _anchor(placed: Placed, y: float) -> str:
    if placed.box.kind == "caption":
        return f'x="{SIDE:g}" y="{_number(y)}"'
    return f'x="{_number(placed.width / 2)}" y="{_number(y)}" text-anchor="middle"'


# ---- edges ----------------------------------------------------------------------------------------------------------


def _line(line: Line, labelled: bool) -> str:
    """The path, its arrow head, and, if it is ``labelled``, the number of the output beside its beginning."""
    edge, route = line.edge, line.route
    if not route:
        return ""
    x, y = route[-1][-1]
    head = f"M{_number(x - 3.5)} {_number(y - 7)}h7l-3.5 7z"
    parts = [f'<path d="{" ".join(_path(route))}"/><path class="head" d="{head}"/>']
    if edge.label and labelled:
        a, b = route[0][0]
        parts.append(f'<text class="label" x="{_number(a + 4)}" y="{_number(b + 12)}">{_text(edge.label)}</text>')
    ends = f'data-source="{_text(edge.source)}" data-target="{_text(edge.target)}"'
    return f'<g class="edge" {ends}>{"".join(parts)}</g>'


def _path(route: Route) -> Iterator[str]:
    yield f"M{_point(route[0][0])}"
    for i, piece in enumerate(route):
        if len(piece) == 2:
            x, y = piece[1]
            end = (x, y - 5) if i == len(route) - 1 else (x, y)  # under the arrow head
            yield f"L{_point(end)}"
        else:
            yield f"C{' '.join(map(_point, piece[1:]))}"


def _point(point: tuple[float, float]) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return escape(text)
