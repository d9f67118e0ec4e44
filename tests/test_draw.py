"""Drawings: laws of layout, valid and safe SVG, Mermaid and DOT, the command, notebooks. The page: test_draw_page.py."""

import random
import re
import time
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from ourdl import Graph, Program, Variable, load, ops
from ourdl_cli.main import main
from ourdl_core import display
from ourdl_view.diagram import Box, Diagram, Edge
from ourdl_view.graph_diagram import graph_diagram
from ourdl_view.layout import in_one_place, laid_out
from ourdl_view.program_diagram import program_diagram
from ourdl_view.svg import svg
from ourdl_view.text_formats import dot, mermaid

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits.toml"
SVG = "{http://www.w3.org/2000/svg}"
TAGS = ("svg", "title", "desc", "style", "rect", "g", "path", "text")
HOSTILE = [
    "<script>alert(1)</script>",
    "\"quoted\" 'both'",
    "]]>",
    "a\u202eb\u2066c",
    "&amp;<b>",
    "a\\nb\\",
    "x\x07y",
    "`#`|%%;{}",
]


def dag(count, seed, degree=3, reach=None):
    """A random diagram: each box has up to ``degree`` parents among the ``reach`` boxes before it."""
    draw = random.Random(seed)
    boxes = [Box(str(i), "op", "n" * draw.randrange(1, 12), ("Add",) * draw.randrange(3)) for i in range(count)]
    edges = [
        Edge(str(draw.randrange(0 if reach is None else max(0, i - reach), i)), str(i), draw.randrange(2), k)
        for i in range(1, count)
        for k in range(draw.randrange(degree + 1))
    ]
    return Diagram("random", tuple(boxes), tuple(edges))


def hostile_graph():
    """Sizes and outputs have hostile names; those of nodes are letters and digits."""
    with Graph() as graph:
        for i, text in enumerate(HOSTILE):
            x = Variable(name=f"x{i}", shape=(text, 4), dtype="float32")
            graph.outputs[text] = ops.Dense(x, units=2, name=f"h{i}")
    return graph


# ---- layout ---------------------------------------------------------------------------------------------------------


def overlap(a, b):
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def points_of(route):
    """Points on the way, close to one another; a curve by its formula."""
    for piece in route:
        for step in range(33):
            t = step / 32
            if len(piece) == 2:
                weights = (1 - t, t)
            else:
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            yield tuple(sum(w * point[axis] for w, point in zip(weights, piece, strict=True)) for axis in (0, 1))


def inside(point, placed):
    """Well within a box: not on its border."""
    x, y = point
    return placed.x + 1 < x < placed.x + placed.width - 1 and placed.y + 1 < y < placed.y + placed.height - 1


DAGS = [
    dag(count, seed, degree, reach)
    for seed in range(6)
    for count, degree, reach in ((12, 3, None), (40, 2, 5), (60, 3, None))
]


@pytest.mark.parametrize("diagram", DAGS)
def test_boxes_do_not_overlap(diagram):
    boxes, _ = in_one_place(laid_out(diagram))
    assert [(a.box.key, b.box.key) for a, b in combinations(boxes, 2) if overlap(a, b)] == []


@pytest.mark.parametrize("diagram", DAGS)
def test_no_edge_runs_through_a_box(diagram):
    boxes, lines = in_one_place(laid_out(diagram))
    crossed = [(line.edge, b.box.key) for line in lines for p in points_of(line.route) for b in boxes if inside(p, b)]
    assert crossed == []


@pytest.mark.parametrize("diagram", DAGS)
def test_edges_go_down_from_the_lower_border_of_one_box_to_the_upper_one_of_another(diagram):
    boxes, lines = in_one_place(laid_out(diagram))
    at = {placed.box.key: placed for placed in boxes}
    for line in lines:
        source, target = at[line.edge.source], at[line.edge.target]
        (x, y), (end_x, end_y) = line.route[0][0], line.route[-1][-1]
        assert (y, end_y) == pytest.approx((source.y + source.height, target.y))
        assert source.x <= x <= source.x + source.width
        assert target.x <= end_x <= target.x + target.width
        heights = [point[1] for point in points_of(line.route)]
        assert all(b >= a - 1e-6 for a, b in pairwise(heights))


def test_these_laws_can_fail():
    laid = laid_out(dag(12, 0))
    laid.boxes[3].x, laid.boxes[3].y = laid.boxes[4].x + 5, laid.boxes[4].y + 5
    assert overlap(laid.boxes[3], laid.boxes[4])
    straight = (laid.boxes[0].x, 0.0), (laid.boxes[0].x + 40, laid.boxes[0].y + 20)
    assert any(inside(point, laid.boxes[0]) for point in points_of([straight]))


def test_everything_stands_within_the_drawing():
    for diagram in DAGS:
        laid = laid_out(diagram)
        boxes, lines = in_one_place(laid)
        xs = [x for b in boxes for x in (b.x, b.x + b.width)] + [x for line in lines for x, _ in points_of(line.route)]
        assert min(xs) >= -1e-6
        assert max(xs) <= laid.width + 1e-6


def test_what_is_inside_an_opened_box_stands_within_it():
    boxes, _ = in_one_place(laid_out(graph_diagram(load(DIGITS).graph, depth=2)))
    at = {placed.box.key: placed for placed in boxes}
    opened = [placed for placed in boxes if placed.inside is not None]
    assert len(opened) >= 3
    for outer in opened:
        for box in outer.box.inside.boxes:
            inner = at[box.key]
            assert outer.x < inner.x < inner.x + inner.width < outer.x + outer.width
            assert outer.y < inner.y < inner.y + inner.height < outer.y + outer.height


def test_a_chain_is_drawn_in_one_line():
    chain = Diagram("c", tuple(Box(str(i), "op", "a") for i in range(9)), tuple(Edge(str(i), str(i + 1)) for i in range(8)))
    assert len({placed.x for placed in laid_out(chain).boxes}) == 1


def test_a_diamond_has_no_crossing_and_is_drawn_the_same_every_time():
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")]
    diamond = Diagram("d", tuple(Box(key, "op", key) for key in "abcd"), tuple(Edge(*edge) for edge in edges))
    assert len({svg(diamond) for _ in range(3)}) == 1
    x = {placed.box.key: placed.x for placed in laid_out(diamond).boxes}
    assert x["b"] != x["c"]


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="go in a circle"):
        laid_out(Diagram("c", (Box("a", "op", "a"), Box("b", "op", "b")), (Edge("a", "b"), Edge("b", "a"))))


@pytest.mark.parametrize(("count", "seconds"), [(2000, 30), (10000, 120)])
def test_a_large_graph_is_drawn(count, seconds):
    start = time.perf_counter()
    root = ET.fromstring(svg(dag(count, 1, 2, 30)))
    assert len(root.findall(f".//{SVG}g[@data-key]")) == count
    assert time.perf_counter() - start < seconds  # a hang, no speed


# ---- what is drawn --------------------------------------------------------------------------------------------------


def texts(drawing):
    """The texts of each box, by its key."""
    root = ET.fromstring(drawing)
    return {
        box.get("data-key"): [t.text for t in box.findall(f"{SVG}text")]
        for box in root.iter(f"{SVG}g")
        if box.get("data-key")
    }


def test_boxes_tell_names_ops_shapes_and_dtypes():
    assert texts(svg(graph_diagram(load(DIGITS).graph))) == {
        "x": ["x", "input", "[batch, 64] float32"],
        "y": ["y", "input", "[batch] int64"],
        "h": ["h", "Dense units=128", "[batch, 128] float32"],
        "a": ["a", "Relu", "[batch, 128] float32"],
        "logits": ["logits", "Dense units=10", "[batch, 10] float32"],
        "loss": ["loss", "SoftmaxCrossEntropy", "[] float32"],
        "output:logits": ["logits", "output"],
    }


def test_edges_are_those_of_the_graph():
    diagram = graph_diagram(load(DIGITS).graph)
    assert {(edge.source, edge.target) for edge in diagram.edges} == {
        ("x", "h"), ("h", "a"), ("a", "logits"), ("logits", "loss"), ("y", "loss"), ("logits", "output:logits"),
    }  # fmt: skip


def test_parameters_are_drawn_when_asked_for():
    shown = texts(svg(graph_diagram(load(DIGITS).graph, parameters=True)))
    assert shown["h.weight"] == ["h.weight", "parameter", "[64, 128] float32"]


def test_outputs_of_several_have_their_number_at_their_edge():
    with Graph() as graph:
        parts = ops.Split(Variable(name="x", shape=("batch", 6), dtype="float32"), parts=3, name="parts").outputs
        graph.outputs = {"first": parts[0], "last": parts[2]}
    root = ET.fromstring(svg(graph_diagram(graph)))
    assert {e.get("data-target"): e.findtext(f"{SVG}text") for e in root.iter(f"{SVG}g") if e.get("class") == "edge"} == {
        "parts": None, "output:first": "[0]", "output:last": "[2]",
    }  # fmt: skip


def test_a_program_is_drawn_as_its_steps():
    graph = load(DIGITS).graph
    program = Program({"x": graph.inputs["x"]}, graph.outputs)
    steps = re.findall(r"^  (v\d+) = (\w+)", str(program), re.MULTILINE)
    shown = texts(svg(program_diagram(program)))
    assert [(key, lines[1]) for key, lines in shown.items() if re.fullmatch(r"v\d+", key)] == steps
    assert "output:logits" in shown


def test_a_node_with_a_mistake_is_drawn_without_a_shape():
    with Graph() as graph:
        a = Variable(name="a", shape=(2, 3), dtype="float32")
        graph.outputs["y"] = ops.MatMul(a, a, name="m")
    assert texts(svg(graph_diagram(graph)))["m"] == ["m", "MatMul"]


def test_an_empty_graph_is_drawn():
    assert texts(svg(graph_diagram(Graph()))) == {}


# ---- names that do harm ---------------------------------------------------------------------------------------------


def test_svg_is_xml_whatever_names_are():
    drawing = svg(graph_diagram(hostile_graph()))
    root = ET.fromstring(drawing)
    assert {element.tag for element in root.iter()} == {SVG + tag for tag in TAGS}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert not {"\u202e", "\u2066", "\x07"} & set(drawing)
    assert texts(drawing)["h0"][2] == "[<script>alert(1)</script>, 2] floa…"
    assert texts(drawing)[f"output:{HOSTILE[1]}"][0] == HOSTILE[1]


def test_svg_needs_nothing_from_elsewhere_and_is_told_to_who_cannot_see_it():
    drawing = svg(graph_diagram(load(DIGITS).graph))
    assert re.findall(r"https?://[^\"\s]*", drawing) == ["http://www.w3.org/2000/svg"]
    root = ET.fromstring(drawing)
    assert (root.get("role"), root.get("aria-label")) == ("img", "graph: 6 nodes")
    assert "h: Dense units=128, [batch, 128] float32, from x" in root.findtext(f"{SVG}desc")
    assert "prefers-color-scheme:dark" in root.findtext(f"{SVG}style")


MERMAID_LINE = re.compile(
    r"flowchart TB|\s+%% [\w ]+|\s+end"
    r'|\s+subgraph n\d+\["[^"<>&;]*(?:(?:<br/>|#\d+;)[^"<>&;]*)*"\]'
    r'|\s+n\d+(?:\[|\(\[|\()"[^"<>&;`]*(?:(?:<br/>|#\d+;)[^"<>&;`]*)*"(?:\]|\]\)|\))'
    r'|\s+n\d+ -->(?:\|"(?:[^"<>&;]|#\d+;)*"\|)? n\d+'
)
DOT_STRING = r'"(?:[^"\\\n]|\\\\|\\"|\\n)*"'
DOT_LINE = re.compile(
    rf"// .*|digraph {DOT_STRING} {{|\s*}}|\s+subgraph cluster_n\d+ {{|\s+label={DOT_STRING};"
    rf"|\s+node \[fontname={DOT_STRING}\];|\s+n\d+ \[label={DOT_STRING}(?:, \w+=\w+)*\];"
    rf"|\s+n\d+ -> n\d+(?: \[label={DOT_STRING}\])?;"
)


@pytest.mark.parametrize(("write", "line"), [(mermaid, MERMAID_LINE), (dot, DOT_LINE)], ids=["mermaid", "dot"])
@pytest.mark.parametrize("depth", [0, 1])
def test_text_for_other_tools_follows_their_grammar(write, line, depth):
    for graph in (load(DIGITS).graph, hostile_graph()):
        text = write(graph_diagram(graph, depth))
        assert [each for each in text.splitlines() if not line.fullmatch(each)] == []
        names = re.findall(r"^\s+(?:subgraph (?:cluster_)?)?(n\d+)\b(?! -)", text, re.MULTILINE)
        ends = set(re.findall(r"\b(n\d+) -[->]|-> ?(?:\|.*\| )?(n\d+)", text))
        assert len(names) == len(set(names))
        assert {end for pair in ends for end in pair if end} <= set(names)


def test_edges_of_opened_boxes_join_what_is_inside():
    lines = dot(graph_diagram(load(DIGITS).graph, 1))
    clusters = re.findall(r"subgraph cluster_(n\d+)", lines)
    assert len(clusters) >= 3
    assert not [name for name in clusters if re.search(rf"\b{name} ->|-> {name}\b", lines)]


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "m.toml").write_text(DIGITS.read_text().partition("[train]")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "m.toml"


def test_draw_writes_a_picture_beside_the_model_and_again(model, capsys):
    for _ in range(2):
        assert main(["draw", "m.toml"]) == 0
        assert capsys.readouterr().out == "wrote m.svg\n"
    assert ET.parse(model.with_suffix(".svg")).getroot().get("aria-label") == "m.toml: 6 nodes"


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.svg", "<svg"), ("a.html", "<!doctype html>"), ("a.mmd", "flowchart"), ("a.gv", "// ourdl draw\ndigraph")],
)
def test_the_ending_says_the_format_and_a_drawing_may_be_written_over(model, name, begins):
    for _ in range(2):
        assert main(["draw", "m.toml", "--out", name]) == 0
        assert Path(name).read_text().startswith(begins)


def test_the_picture_of_the_documentation_is_that_of_today(tmp_path):
    assert main(["draw", str(DIGITS), "--out", str(tmp_path / "digits.svg")]) == 0
    stored = ROOT / "docs" / "pictures" / "digits.svg"
    assert stored.read_text() == (tmp_path / "digits.svg").read_text(), f"run: ourdl draw {DIGITS} --out {stored}"


def test_draw_prints(model, capsys):
    assert main(["draw", "m.toml", "--to", "mermaid", "--out", "-"]) == 0
    assert capsys.readouterr().out == mermaid(graph_diagram(load(model).graph))
    assert main(["draw", "m.toml", "--program", "--to", "dot", "--out", "-"]) == 0
    assert 'digraph "m.toml, program (inference)"' in capsys.readouterr().out
    assert [file.name for file in model.parent.iterdir()] == ["m.toml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "m.toml", "--to", "svg"], "m.toml is no drawing by 'ourdl draw'"),
        (["--out", "m.png"], "the ending of m.png is that of no format (.svg, .html, .mmd, .dot): give --to"),
        (["--out", ".", "--to", "svg"], "is a folder"),
        (["--program", "--depth", "1"], "goes without --depth"),
        (["--depth", "-1"], "expected"),
        (["--to", "pdf"], "invalid choice: 'pdf'"),
    ],
)
def test_draw_refuses(model, capsys, arguments, message):
    before = model.read_bytes()
    try:
        status = main(["draw", "m.toml", *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert model.read_bytes() == before


# ---- notebooks ------------------------------------------------------------------------------------------------------


def test_notebooks_show_graphs_and_programs():
    graph = load(DIGITS).graph
    for shown in (graph, Program(graph.inputs, graph.outputs)):
        bundle = shown._repr_mimebundle_()
        assert bundle["text/plain"] == repr(shown)
        assert ET.fromstring(bundle["image/svg+xml"]).tag == f"{SVG}svg"


def test_notebooks_show_a_sentence_for_what_is_too_large():
    with Graph() as graph:
        x = y = Variable(name="x", shape=(), dtype="float32")
        for _ in range(500):
            y = ops.Exp(y)
        graph.outputs["y"] = y
    for shown in (graph, Program([x], y)):
        bundle = shown._repr_mimebundle_()
        assert set(bundle) == {"text/plain"}
        assert "too large for a picture" in bundle["text/plain"]


@pytest.mark.parametrize("error", [RuntimeError("out of ink"), LookupError("no package draws")])
def test_a_notebook_shows_text_where_nothing_can_be_drawn(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(display.registry, "get", fail)
    assert Graph()._repr_mimebundle_() == {"text/plain": "<Graph of 0 nodes, outputs: none named>"}
