"""Blocks: a file that uses them is the file written out, and what is wrong in one is told once, where it stands."""

import copy
import tomllib
from pathlib import Path

import pytest

from ourdl import Graph, Program, ops, registry
from ourdl_core.problems import path_text
from ourdl_files import ModelFileError, load
from ourdl_files.blocks import expand, told_once
from ourdl_train import fit

EXAMPLES = Path(__file__).parent.parent / "examples"

LAYER = """
[blocks.layer]
inputs = ["x"]
attributes = ["units"]
defaults = { rate = 0.1 }
outputs = ["d"]
[blocks.layer.nodes]
h = { op = "Dense", in = "x", units = "$units" }
a = { op = "Relu", in = "h" }
d = { op = "Dropout", in = "a", rate = "$rate" }
"""
TWO = """
[blocks.two]
inputs = ["x", "y"]
outputs = ["b", "a"]
[blocks.two.nodes]
a = { op = "Mul", in = ["x", "y"] }
b = { op = "Add", in = ["x", "y"] }
"""
HEAD = 'ourdl = 1\ninputs.x = { shape = ["batch", 4], dtype = "float32" }\noutputs.y = "body"\n'


def tree_of(*parts, head=HEAD):
    return tomllib.loads("\n".join([head, *parts]))


def nodes_of(*parts, head=HEAD):
    """The nodes of a file without mistakes, expanded."""
    expanded = expand(tree_of(*parts, head=head))
    assert told_once(expanded.problems, expanded) == []
    assert "blocks" not in expanded.tree
    return expanded.tree["nodes"]


def mistakes(*parts, head=HEAD):
    with pytest.raises(ModelFileError) as error:
        load(tree_of(*parts, head=head))
    return {path_text(each.path): each.message for each in error.value.problems}


def graph_of(*nodes, out="body", more=""):
    return tree_of("[nodes]", *nodes, more, head=HEAD.replace("body", out))


# ---- what is made ---------------------------------------------------------------------------------------------------


def test_a_use_makes_the_nodes_of_the_block_under_its_name():
    assert nodes_of(LAYER, '[nodes]\nbody = { block = "layer", in = "x", units = 8 }') == {
        "body.h": {"op": "Dense", "in": "x", "units": 8},
        "body.a": {"op": "Relu", "in": "body.h"},
        "body.d": {"op": "Dropout", "in": "body.a", "rate": 0.1},
    }


def test_a_file_with_blocks_is_the_file_written_out():
    short = tree_of(LAYER, '[nodes]\nbody = { block = "layer", in = "x", units = 8, rate = 0.5, repeat = 3 }')
    rows = {}
    for number, below in ((1, "x"), (2, "body.1.d"), (3, "body.2.d")):
        rows[f"body.{number}.h"] = {"op": "Dense", "in": below, "units": 8}
        rows[f"body.{number}.a"] = {"op": "Relu", "in": f"body.{number}.h"}
        rows[f"body.{number}.d"] = {"op": "Dropout", "in": f"body.{number}.a", "rate": 0.5}
    long = {key: value for key, value in short.items() if key != "blocks"} | {"nodes": rows, "outputs": {"y": "body.3.d"}}
    assert expand(short).tree == long
    assert list(expand(short).tree["nodes"]) == list(rows)
    graph, expected = load(short).graph, Graph.from_dict(long)
    assert graph.to_dict() == expected.to_dict()
    assert list(graph.named_parameters()) == [f"body.{n}.h.{slot}" for n in (1, 2, 3) for slot in ("weight", "bias")]
    programs = [str(Program([each["x"]], each.outputs["y"])) for each in (graph, expected)]
    assert programs[0] == programs[1]


def test_the_example_is_trained_as_what_is_written_out():
    text = (EXAMPLES / "deep.toml").read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    data = {**tree["data"], "file": str(EXAMPLES / tree["data"]["file"])}
    written_out = {**expand(tree).tree, "data": data}
    results = [fit(load(each), epochs=1) for each in ({**tree, "data": data}, written_out)]
    assert [each.history for each in results[:1]] == [each.history for each in results[1:]]
    assert len(load(tree).graph.named_parameters()) == 12 * 4 + 2


def test_the_outputs_of_a_copy_are_the_first_inputs_of_the_next():
    assert nodes_of(
        TWO, '[nodes]\nbody = { block = "two", in = ["x", 2.0], repeat = 2 }', head=HEAD.replace('"body"', '"body[1]"')
    ) == {
        "body.1.a": {"op": "Mul", "in": ["x", 2.0]},
        "body.1.b": {"op": "Add", "in": ["x", 2.0]},
        "body.2.a": {"op": "Mul", "in": ["body.1.b", "body.1.a"]},
        "body.2.b": {"op": "Add", "in": ["body.1.b", "body.1.a"]},
    }
    one = TWO.replace('["b", "a"]', '"b"')
    rows = nodes_of(one, '[nodes]\nbody = { block = "two", in = ["x", "x"], repeat = 3 }')
    assert rows["body.3.a"]["in"] == ["body.2.b", "x"]  # further inputs are the same for every copy


def test_what_a_name_of_a_use_stands_for():
    uses = 'body = { block = "two", in = ["x", "x"], repeat = 2 }'
    meant = {"body[0]": "body.2.b", "body[1]": "body.2.a", "body.1[1]": "body.1.a", "body.1.a": "body.1.a"}
    for name, found in meant.items():
        tree = tree_of(TWO, f'[nodes]\nbefore = {{ op = "Relu", in = "{name}" }}\n{uses}', head=HEAD.replace("body", name))
        expanded = expand(tree)
        assert expanded.problems == []
        assert expanded.tree["nodes"]["before"]["in"] == found
        assert expanded.tree["outputs"] == {"y": found}


def test_slots_by_name_and_the_loss_are_names_of_uses_too():
    rows = 'body = { block = "layer", in = "x", units = 4, repeat = 2 }\ntied = { op = "Dense", in = "body", units = 4, '
    tree = tree_of(LAYER, f'[nodes]\n{rows} weight = "body.1.h.weight", bias = false }}', '[train]\nloss = "body"')
    expanded = expand(tree)
    assert expanded.tree["nodes"]["tied"]["weight"] == "body.1.h.weight"
    assert expanded.tree["train"] == {"loss": "body.2.d"}
    graph = load({key: value for key, value in tree.items() if key != "train"}).graph
    assert graph["tied.weight"] if "tied.weight" in graph else graph["tied"].parents[1] is graph["body.1.h.weight"]


def test_attributes_are_put_in_everywhere_and_two_dollars_are_one():
    block = """
    [blocks.b]
    inputs = ["x"]
    attributes = ["op", "n", "list"]
    outputs = "h"
    parameters.w = { shape = ["$n"], init = "$init" }
    constants.c = { value = ["$n", [1]] }
    nodes.h = { op = "$kind", in = ["x", "$n", "c"], a = "$list", b = ["$n", { c = "$$n", "$n" = "a$n" }], d = "$list" }
    """.replace('"op", ', '"kind", "init", ')
    tree = tree_of(
        block, '[nodes]\nbody = { block = "b", in = "x", kind = "Nothing", n = 3, list = ["$n"], init = "Zeros" }'
    )
    expanded = expand(tree)
    assert expanded.problems == []
    assert expanded.tree["parameters"] == {"body.w": {"shape": [3], "init": "Zeros"}}
    assert expanded.tree["constants"] == {"body.c": {"value": [3, [1]]}}
    assert expanded.tree["nodes"]["body.h"] == {
        "op": "Nothing", "in": ["x", 3, "body.c"], "a": ["$n"], "b": [3, {"c": "$n", "$n": "a$n"}], "d": ["$n"],
    }  # fmt: skip


def test_blocks_use_blocks():
    outer = """
    [blocks.tower]
    inputs = ["z"]
    attributes = ["depth", "width"]
    defaults = { drop = 0.2 }
    outputs = "t"
    nodes.t = { block = "layer", in = "z", units = "$width", rate = "$drop", repeat = "$depth" }
    """
    rows = nodes_of(LAYER, outer, '[nodes]\nbody = { block = "tower", in = "x", depth = 2, width = 5, repeat = 2 }')
    assert list(rows) == [f"body.{i}.t.{j}.{name}" for i in (1, 2) for j in (1, 2) for name in "had"]
    assert rows["body.2.t.1.h"] == {"op": "Dense", "in": "body.1.t.2.d", "units": 5}
    assert rows["body.2.t.2.d"] == {"op": "Dropout", "in": "body.2.t.2.a", "rate": 0.2}


def test_an_op_may_have_attributes_that_are_called_block_and_repeat():
    class Tiles(ops.Relu.op):
        block: int = 1
        repeat: int = 2

    with registry.scope(Tiles=Tiles):
        tree = graph_of('body = { op = "Tiles", in = "x", block = 3, repeat = 4 }')
        assert expand(tree).tree is tree
        load(tree)


def test_a_file_without_blocks_is_itself():
    tree = graph_of('body = { op = "Relu", in = "x" }')
    expanded = expand(tree)
    assert expanded.tree is tree
    assert expanded.origin(("nodes", "body")) == (("nodes", "body"), None, None)
    assert nodes_of("[blocks]", '[nodes]\nbody = { op = "Relu", in = "x" }') == tree["nodes"]


def test_the_file_is_left_as_it_was():
    tree = tree_of(LAYER, '[nodes]\nbody = { block = "layer", in = "x", units = 8, repeat = 2 }')
    before = copy.deepcopy(tree)
    expand(tree)
    assert tree == before


# ---- where it stands ------------------------------------------------------------------------------------------------


def test_every_place_has_an_origin():
    outer = """
    [blocks.tower]
    inputs = ["z"]
    attributes = ["width"]
    outputs = "t"
    nodes.t = { block = "layer", in = "z", units = "$width", repeat = 2 }
    """
    rows = 'last = { op = "Relu", in = "body" }\nbody = { block = "tower", in = "x", width = 5, repeat = 3 }'
    expanded = expand(tree_of(LAYER, outer, f"[nodes]\n{rows}"))
    note = "in copy 2 of 2 of 'body.3.t' (block 'layer')"
    origins = {
        ("nodes", "body.3.t.2.h"): (("blocks", "layer", "nodes", "h"), note),
        ("nodes", "body.3.t.2.h", "units"): (("nodes", "body", "width"), note),
        ("nodes", "body.3.t.2.d", "rate"): (("blocks", "layer", "defaults", "rate"), note),
        ("nodes", "body.3.t.2.h", "in"): (("blocks", "layer", "nodes", "h", "in"), note),
        ("nodes", "body.1.t.1.h", "in"): (("nodes", "body", "in"), "in copy 1 of 2 of 'body.1.t' (block 'layer')"),
        ("nodes", "last", "in"): (("nodes", "last", "in"), None),
        ("nodes", "body", "width"): (("nodes", "body", "width"), None),
        ("train", "loss"): (("train", "loss"), None),
        (): ((), None),
    }
    assert {path: expanded.origin(path)[:2] for path in origins} == origins
    assert expanded.origins.of(("nodes", "body.3.t.2.h", "units"), at_key=True).path == ("blocks", "layer", "nodes", "h", "units")


def use(text="", block=LAYER, *more):
    return (block, f'[nodes]\nbody = {{ block = "layer", in = "x", units = 8{text} }}', *more)


@pytest.mark.parametrize(
    ("change", "repeat", "path", "message"),
    [
        ('"Relu" -> "Rellu"', 12, "a.op", "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\nin copies 1 to 12 of B"),
        ('"Relu" -> "Rellu"', None, "a.op", "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\nin B"),
        ('in = "h" -> in = "hh"', 2, "a.in",
         "no input, parameter or node named 'hh' in the block 'layer'. Did you mean h?\nin copies 1 to 2 of B"),
        ('in = "h" -> in = "h.wieght"', 2, "a.in",
         "no input, parameter or node named 'h.wieght'. Did you mean h.weight?\nin copy 1 of 2 of B"),
        ('in = "h" -> in = "body"', None, "a.in",
         "no input, parameter or node named 'body' in the block 'layer': what stands outside must be given to a block by 'in', "
         "as one of its inputs\nin B"),
        ('in = "h" -> in = "$units"', None, None, None),
        ('in = "a" -> in = ["a", "h"]', 3, "d.in",
         "Dropout takes 2 inputs, found 3"),
        ('"Relu", in = "h" -> "Add", in = ["h", "x"]', 9, "a",
         "Add: shapes [?, 8] and [?, 4] do not broadcast\nin copy 1 of 9 of B"),
        ('"Relu", in = "h" -> "Relu", in = "d"', 2, "a",
         "'a' is computed from itself: a -> d -> a\nin copies 1 to 2 of B"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_block_is_told_once(change, repeat, path, message):
    old, new = change.split(" -> ")
    print(mistakes(*use(f", repeat = {repeat}" if repeat else "", LAYER.replace(old, new))))
