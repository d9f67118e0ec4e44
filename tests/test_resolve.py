"""``ourdl resolve``: everything is said, and it means the same."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from graphs import assert_equal_graphs

from ourdl_cli.main import main
from ourdl_core import Composite, Function, Graph, Op, Variable, ops, registry
from ourdl_files import Model, load
from ourdl_files.plain import same
from ourdl_files.resolving import resolve
from ourdl_files.writing import tree_of

ROOT = Path(__file__).parent.parent
CORPUS = [path for path in (ROOT / "tests" / "corpus").glob("format-*/*") if not path.name.endswith(".expected.json")]
FILES = sorted([*(ROOT / "examples").glob("*.toml"), *CORPUS])


@pytest.mark.parametrize("ending", [".toml", ".json"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_printed_means_the_same_and_resolves_to_itself(path, ending, tmp_path):
    model = load(path)
    if ending == ".json" and "nan" in path.read_text():
        with pytest.raises(ValueError, match="save as TOML"):
            resolve(model, ending)
        return
    text = resolve(model, ending)
    again = tmp_path / f"again{ending}"
    again.write_text(text, encoding="utf-8")
    assert resolve(load(again), ending) == text
    assert_equal_graphs(model.graph, load(again).graph)
    assert load(again).sections == model.sections
    assert same(tree_of(load(again)), tree_of(model))


def test_every_attribute_is_written_out():
    model = load(ROOT / "examples" / "wine.toml")
    tree = tomllib.loads(resolve(model))
    for name, row in tree["nodes"].items():
        op: Op = model.graph[name].op
        assert row["op"] == registry.id_of(type(op))
        assert set(row) - {"op", "in"} == {key for key, value in op.attributes().items() if value is not None}
    assert set(tree["train"]) == {key for key, value in model.train.attributes().items() if value is not None}
    given = model.train.optimizer.attributes()
    assert set(tree["train"]["optimizer"]) == {"name", *(key for key, value in given.items() if value is not None)}
    assert tree["train"]["optimizer"]["schedule"] == {"name": "ourdl::Constant-v1", "warmup": 0}
    assert tree["data"]["split"] == {"test": 0.2, "validation": 0.0, "seed": 0}


class Inner(Composite):
    units: int = 2
    note: str | None = None

    def body(self, x):
        return ops.Dense(x, units=self.units) + ops.Dense(x, units=self.units)


def test_providers_and_what_a_node_makes_are_comments():
    with registry.scope(Inner=Inner):
        with Graph() as graph:
            x = Variable(shape=("n", 3), dtype="float64", name="x")
            graph.outputs["y"] = ops.Relu(Inner(x, name="h"), name="y")
            element = Variable(shape=(3,), dtype="float64")
            graph.outputs["z"] = ops.Scan(x, body=Function([element], [-element]), carries=0, name="z").outputs[0]
        text = resolve(Model(graph))
        lines = text.splitlines()
    made = ", ".join(f"h.dense_{i}.weight float64[3, 2], h.dense_{i}.bias float64[2]" for i in (1, 2))
    above = [line.lstrip("# ") for line in lines[: lines.index('h = { op = "local::Inner-v1", in = "x", units = 2 }')]]
    assert " ".join(above).endswith(f"local scope; makes {made}")
    assert any(line.startswith('y = { op = "ourdl::Relu-v1", in = "h" }  # ourdl ') for line in lines)
    assert any(line.startswith('node_1 = { op = "ourdl::Neg-v1", in = "input_1" }  # ourdl ') for line in lines)


def test_the_command(capsys, tmp_path):
    path = tmp_path / "m.toml"
    path.write_text('ourdl = 1\ninputs.x = { shape = ["n"] }\nnodes.y = { op = "Softmax", in = "x" }\noutputs.y = "y"\n')
    assert main(["resolve", str(path)]) == 0
    printed = capsys.readouterr().out
    assert 'y = { op = "ourdl::Softmax-v1", in = "x", axis = -1 }  # ourdl ' in printed
    assert main(["resolve", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"] == {"y": {"op": "ourdl::Softmax-v1", "in": "x", "axis": -1}}
    path.write_text("ourdl = 1\n")
    assert main(["resolve", str(path)]) == 2
    assert "[nodes] must have at least one entry" in capsys.readouterr().err


def test_what_hides_in_a_name_of_a_size_is_seen():
    with Graph() as graph:
        graph.outputs["\u202ey\n"] = -Variable(shape=("a\u200bb", "\x1b[31m"), name="x")
    text = resolve(Model(graph))
    assert text.isascii()
    assert tomllib.loads(text)["inputs"]["x"]["shape"] == ["a\u200bb", "\x1b[31m"]
    assert np.all([line.isprintable() for line in text.splitlines()])
