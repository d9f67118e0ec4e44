"""Blocks: a file that uses them is the file written out, and what is wrong in one is told once, where it stands."""

import copy
import itertools
import os
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    try:
        load(tree_of(*parts, head=head))
    except ModelFileError as error:
        return {path_text(each.path): each.message for each in error.problems}
    return {}


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
    at_key = expanded.origins.of(("nodes", "body.3.t.2.h", "units"), at_key=True)
    assert at_key.path == ("blocks", "layer", "nodes", "h", "units")


def told(use, block=LAYER, *more, repeat=None):
    """What is told of a file with one use of a block; B stands for that in notes."""
    count = f", repeat = {repeat}" if repeat else ""
    found = mistakes(block, "[nodes]", f"body = {{ {use}{count} }}", *more)
    return {path: text.replace("'body' (block 'layer')", "B") for path, text in found.items()}


USE = 'block = "layer", in = "x", units = 8'


@pytest.mark.parametrize(
    ("old", "new", "repeat", "path", "message"),
    [
        ('"Relu"', '"Rellu"', 12, "a.op", "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\nin copies 1 to 12 of B"),
        ('"Relu"', '"Rellu"', None, "a.op", "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\nin B"),
        ('in = "h"', 'in = "hh"', 2, "a.in",
         "no input, parameter or node named 'hh' in the block 'layer'. Did you mean h?\nin copies 1 to 2 of B"),
        ('in = "h"', 'in = "h.wieght"', 2, "a.in",
         "no input, parameter or node named 'h.wieght'. Did you mean h.weight?\nin copy 1 of 2 of B"),
        ('in = "h"', 'in = "body"', None, "a.in",
         "no input, parameter or node named 'body' in the block 'layer': what stands outside must be given to a block by "
         "'in', as one of its inputs\nin B"),
        ('"Relu", in = "h"', '"Add", in = ["h", "x"]', 9, "a",
         "Add: shapes [?, 8] and [?, 4] do not broadcast\nin copy 1 of 9 of B"),
        ('"Relu", in = "h"', '"Relu", in = "d"', 2, "a",
         "'a' is computed from itself: a -> d -> a\nin copies 1 to 2 of B"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_block_is_told_once(old, new, repeat, path, message):
    assert told(USE, LAYER.replace(old, new), repeat=repeat) == {f"blocks.layer.nodes.{path}": message}


def test_a_mistake_in_what_is_given_is_told_where_it_is_given():
    found = told('block = "layer", in = "y", units = "a", rate = 2', repeat=3)
    assert found == {
        "nodes.body.in": "no input, parameter or node named 'y'. Known are: x, body.",
        "nodes.body.units": "Dense: attribute 'units' must be int at least 1, found str 'a'\nin copies 1 to 3 of B",
        "nodes.body.rate": "Dropout: attribute 'rate' must be at least 0 and less than 1, found 2.0\nin copies 1 to 3 of B",
    }
    assert told(USE, LAYER.replace("0.1", "2")) == {
        "blocks.layer.defaults.rate": "Dropout: attribute 'rate' must be at least 0 and less than 1, found 2.0\nin B"
    }
    split = 'parts = { op = "Split", in = "x", parts = 2, axis = 1 }'
    assert told(USE.replace('"x"', '"parts"'), LAYER, split, repeat=2) == {
        "nodes.body.in": "'parts' has 2 outputs: choose one, as \"parts[0]\"\nin copy 1 of 2 of B"
    }


def test_a_mistake_in_thousands_of_copies_is_still_one():
    block = LAYER.replace('"Relu"', '"Rellu"')
    more = 'more = { block = "layer", in = "x", units = 8 }'
    assert told(USE, block, more, repeat=5000) == {
        "blocks.layer.nodes.a.op": "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\nin copies 1 and others of B",
        "": "there may be more mistakes: they are told when these are mended",
    }
    assert told(USE, block, more, repeat=2) == {
        "blocks.layer.nodes.a.op": "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?\n"
        "in 3 copies of the block 'layer', first in 'body.1'"
    }


def test_a_circle_through_a_use_is_told_where_it_is_used():
    found = told(USE.replace('"x"', '"after"'), LAYER, 'after = { op = "Add", in = ["body", "x"] }')
    assert found == {"nodes.body": "'body.h' is computed from itself: body.h -> after -> body.d -> body.a -> body.h"}


# ---- each mistake ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ('block = "layr", in = "x"', {"block": "no block named 'layr'. Did you mean layer?"}),
        ('block = 3, in = "x"', {"block": "no block named 3. Known are: layer."}),
        ('block = "layer", op = "Relu", in = "x"', {"block": "a node has an op or a block, not both"}),
        ('in = "x"', {
            "": "a node is a table with an op, as { op = \"Relu\", in = \"x\" }, or with a block; found {'in': 'x'}"}),
        ('op = "Relu", in = "x", repeat = 2', {"repeat": "only a block is repeated: make this node one of a block"}),
        ('block = "layer", in = "x"', {"": "the block 'layer' needs the attribute 'units'"}),
        ('block = "layer", in = "x", unit = 3', {"unit": "the block 'layer' has no attribute 'unit'. Did you mean units?"}),
        ('block = "layer", in = "x", units = 3, repaet = 2', {
            "repaet": "the block 'layer' has no attribute 'repaet'. Did you mean repeat?"}),
        ('block = "layer", x = "x", units = 3', {
            "": "the block 'layer' takes 1 input (x), found 0",
            "x": "'x' is an input of the block 'layer': give it in 'in'"}),
        ('block = "layer", in = ["x", "x"], units = 3', {"in": "the block 'layer' takes 1 input (x), found 2"}),
        (USE + ", repeat = 0", {"repeat": "'repeat' must be a whole number, at least 1; found 0"}),
        (USE + ", repeat = 1.0", {"repeat": "'repeat' must be a whole number, at least 1; found 1.0"}),
        (USE + ", repeat = true", {"repeat": "'repeat' must be a whole number, at least 1; found True"}),
        (USE + ', repeat = "$n"', {"repeat": "'repeat' must be a whole number, at least 1; found '$n'"}),
        ('block = "layer", in = "x", unit = 3, rate = [1], repeat = -1', {
            "repeat": "'repeat' must be a whole number, at least 1; found -1",
            "unit": "the block 'layer' has no attribute 'unit'. Did you mean units?"}),
    ],
)  # fmt: skip
def test_a_mistake_where_a_block_is_used(use, found):
    paths = {f"nodes.body.{key}" if key else "nodes.body": message for key, message in found.items()}
    left = told(use)
    unused = "the block 'layer' is never used: use it, or take it away"
    assert {path: text for path, text in left.items() if text != unused} == paths
    assert (unused in left.values()) == ("layer" not in use and "layr" not in use)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("outputs =", "output =", {"output": "unknown key 'output'. Did you mean outputs?"}),
        ('inputs = ["x"]', 'inputs = "x"', {"inputs": "'inputs' must be a list of names, as [\"x\"]; found text: 'x'"}),
        ('inputs = ["x"]', 'inputs = ["x", "x"]', {
            "inputs[1]": "'x' is given twice"}),
        ('inputs = ["x"]', 'inputs = ["x", "z"]', {
            "inputs[1]": "the input 'z' is not used by any node of the block: use it, or take it away",
            "nodes.body.in": "the block 'layer' takes 2 inputs (x, z), found 1"}),
        ('["units"]', '["units", "in"]', {
            "attributes[1]": "no attribute can be called 'in': this word has a meaning of its own where a block is used"}),
        ('["units"]', '["units", "x"]', {"attributes[1]": "no attribute can be called 'x': this word is an input"}),
        ("{ rate = 0.1 }", "{ rate = 0.1, n = 1 }", {
            "defaults.n": "the attribute 'n' is not used: write \"$n\" where it belongs, or take it away"}),
        ("{ rate = 0.1 }", "{ rate = 0.1, units = 1 }", {
            "defaults.units": "'units' is one of the attributes, which must be given, and has a default: keep one of both"}),
        ("{ rate = 0.1 }", '{ rate = "$units" }', {
            "defaults.rate": "a default is a plain value, found '$units': the text that begins with one $ is written $$"}),
        ("{ rate = 0.1 }", "3", {"defaults": "'defaults' must be a table, as { rate = 0.1 }; found a whole number: 3"}),
        ('outputs = ["d"]', "", {"": "'outputs' is missing: the name of a node of the block, or a list of names"}),
        ('outputs = ["d"]', "outputs = []", {
            "outputs": "'outputs' must be the name of a node of the block, or a list of names; found []"}),
        ('outputs = ["d"]', 'outputs = ["dd"]', {"outputs[0]": "the block 'layer' has no node 'dd'. Did you mean d?"}),
        ('outputs = ["d"]', 'outputs = "x"', {"outputs": "the block 'layer' has no node 'x'. Known are: h, a, d."}),
        ('"$units"', '"$unit"', {"nodes.h.units": "the block 'layer' has no attribute 'unit'. Did you mean units?"}),
        ("a = {", 'x = { op = "Relu", in = "h" }\na = {', {
            "nodes.x": "the name 'x' is taken: it is an input of the block"}),
        ("a = {", "c = 3\na = {", {
            "nodes.c": 'a node is a table with an op, as { op = "Relu", in = "x" }, or with a block; found 3'}),
        ("a = {", 'c = { block = "$rate" }\na = {', {
            "nodes.c.block": "the name of a block is written out, it cannot be an attribute; found '$rate'"}),
    ],
)  # fmt: skip
def test_a_mistake_in_the_definition_of_a_block(old, new, found):
    paths = {key if key.startswith("nodes.body") else f"blocks.layer.{key}".rstrip("."): text for key, text in found.items()}
    assert told(USE, LAYER.replace(old, new)) == paths


def test_a_node_is_no_attribute():
    block = LAYER.replace("a = {", 'b = { op = "Add", in = ["h", "$n"] }\na = {').replace('["units"]', '["units", "n"]')
    assert told(USE + ", n = 2.0", block) == {}
    assert told(USE + ', n = "x"', block, repeat=2) == {
        "nodes.body.n": "a node is given to a block by 'in', not by an attribute; '$n' is 'x'\nin copies 1 to 2 of B"
    }


def test_blocks_that_nobody_uses_or_that_use_themselves():
    """A block in a circle is used, and only the circle is told."""
    a = '[blocks.a]\ninputs = ["x"]\noutputs = "n"\nnodes.n = { block = "b", in = "x" }'
    b = a.replace('"b"', '"a"').replace("blocks.a", "blocks.b")
    relu = 'body = { op = "Relu", in = "x" }'
    assert mistakes(LAYER, "[nodes]", relu) == {"blocks.layer": "the block 'layer' is never used: use it, or take it away"}
    assert mistakes(a, b, "[nodes]", relu) == {"blocks.a": "the block 'a' uses itself: a -> b -> a"}
    assert mistakes(b.replace('"a"', '"b"'), '[nodes]\nbody = { block = "b", in = "x" }') == {
        "blocks.b": "the block 'b' uses itself: b -> b"
    }
    assert mistakes('[nodes]\nbody = { block = "b", in = "x" }') == {
        "nodes.body.block": "no block named 'b': blocks are defined in [blocks]"
    }


def test_names_that_are_taken():
    found = told(USE, LAYER, '"body.h" = { op = "Relu", in = "x" }')
    assert found == {'nodes."body.h"': "the name 'body.h' is taken: B makes it"}
    assert told(USE, LAYER, "[parameters.body]\nvalue = 1.0") == {
        "nodes.body": "the name 'body' is taken: it stands in [parameters] too"
    }
    found = told(USE, LAYER, '"body.1" = { block = "layer", in = "x", units = 3 }', repeat=2)
    assert found == {'nodes."body.1"': "the name 'body.1' is taken: B makes it"}


def test_outputs_of_a_use_of_several():
    use = 'block = "two", in = ["x", "x"]'
    assert told(use, TWO, 'q = { op = "Add", in = ["body[2]", "body[0]", "body"] }') == {
        "outputs.y": "'body' has 2 outputs: choose one, as \"body[0]\"",
        "nodes.q.in[0]": "'body' has no such output: its last is body[1]",
        "nodes.q.in[2]": "'body' has 2 outputs: choose one, as \"body[0]\"",
    }
    one = TWO.replace('inputs = ["x", "y"]', 'inputs = ["x"]').replace(', "y"]', "]").replace(', "a"]', ', "a", "b[0]"]')
    assert told('block = "two", in = "x", repeat = 2', one)["nodes.body.repeat"] == (
        "the block 'two' cannot be repeated: the outputs of a copy are the first inputs of the next, and it has 3 outputs "
        "and 1 input"
    )


def test_what_a_use_lacks_is_no_reason_to_hide_other_mistakes():
    block = LAYER.replace('"Relu"', '"Rellu"').replace('in = "a"', 'in = "aa"')
    assert set(told('block = "layer", in = "zz"', block)) == {
        "nodes.body", "nodes.body.in", "blocks.layer.nodes.a.op", "blocks.layer.nodes.d.in",
    }  # fmt: skip


def test_a_block_in_a_function_is_refused():
    step = '[functions.step]\ninputs.x = {}\noutputs = ["h"]\nnodes.h = { block = "layer", in = "x", units = 4 }'
    assert told(USE, LAYER, step) == {
        "functions.step.nodes.h.block": "a block cannot be used in a function: write its nodes out there"
    }


# ---- too much, and nonsense -----------------------------------------------------------------------------------------


def nest(count, repeat, nodes=1):
    """Blocks, each a repeat of the one before."""
    blocks = {"b0": {"inputs": ["x"], "outputs": "n0", "nodes": {f"n{i}": {"op": "Relu", "in": "x"} for i in range(nodes)}}}
    for i in range(1, count):
        row = {"block": f"b{i - 1}", "in": "x", "repeat": repeat}
        blocks[f"b{i}"] = {"inputs": ["x"], "outputs": "n", "nodes": {"n": row}}
    return {**tree_of(), "blocks": blocks, "nodes": {"body": {"block": f"b{count - 1}", "in": "x"}}}


def wide(attribute, levels=25):
    """An attribute that doubles at each level: the laughs of XML."""
    tree = nest(levels, 1)
    for i, block in enumerate(tree["blocks"].values()):
        block["attributes"] = ["u"]
        block["nodes"][f"n{'' if i else 0}"]["u"] = ["$u", "$u"]
    tree["nodes"]["body"]["u"] = attribute
    return tree


NODES = "with this, the blocks make more than 100,000 nodes, which is more than a file may hold"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (nest(2, 10**12), NODES),
        (nest(20, 10**12), NODES),
        (nest(30, 2), NODES),
        (nest(2, 2000, nodes=60), NODES),
        (nest(40, 1), "with this, blocks are nested more than 32 deep"),
        (wide("a"), "with this, the blocks make more than 600,000 values, which is more than a file may hold"),
        (nest(1001, 1), "a file has at most 1,000 blocks, found 1,001"),
    ],
)
def test_too_much_is_refused_at_once(tree, message):
    began = time.process_time()
    with pytest.raises(ModelFileError) as error:
        load(tree)
    assert [each.message for each in error.value.problems] == [message]
    assert time.process_time() - began < 3


def test_long_names_do_not_fill_the_memory():
    tree = nest(2, 10_000)
    tree["nodes"] = {"a" * 100_000: tree["nodes"]["body"]}
    tree["outputs"] = {"y": "a" * 100_000}
    with pytest.raises(ModelFileError, match="more than 50,000,000 characters"):
        load(tree)


def test_nothing_is_lost_in_a_tree_that_holds_itself():
    tree = nest(2, 2)
    tree["blocks"]["b0"]["nodes"]["n0"]["axis"] = loop = []
    loop.append(loop)
    with pytest.raises(ModelFileError, match="nested more than 64 deep"):
        load(tree)


def test_thousands_of_copies_take_a_moment():
    began = time.process_time()
    rows = nodes_of(LAYER, '[nodes]\nbody = { block = "layer", in = "x", units = 8, repeat = 30_000 }')
    assert len(rows) == 90_000
    assert time.process_time() - began < 10


WORDS = st.sampled_from(["x", "h", "body", "b", "$u", "$$", "$", "body.1.h", "h[0]", "body[1]", "-", "", "a.b", "Relu"])
SCALARS = WORDS | st.none() | st.booleans() | st.integers(-1, 3) | st.floats(allow_nan=False) | st.text(max_size=3)
KEYS = WORDS | st.sampled_from(["block", "in", "op", "repeat", "u", "nodes", "inputs", "outputs"]) | SCALARS
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=3), max_leaves=8)


def mostly(strategy):
    return strategy | strategy | strategy | VALUES


ROWS = st.fixed_dictionaries(
    {}, optional={"block": mostly(WORDS), "op": mostly(WORDS), "in": mostly(WORDS | st.lists(WORDS, max_size=2)),
                  "repeat": mostly(st.integers(0, 3) | WORDS), "u": VALUES},
)  # fmt: skip
NODES_TABLE = mostly(st.dictionaries(WORDS | WORDS | KEYS, mostly(ROWS), max_size=4))
BLOCK = st.fixed_dictionaries(
    {"nodes": NODES_TABLE, "outputs": mostly(WORDS | st.lists(WORDS, max_size=2))},
    optional={"inputs": mostly(st.lists(WORDS, max_size=2)), "attributes": mostly(st.lists(WORDS, max_size=2)),
              "defaults": mostly(st.dictionaries(KEYS, VALUES, max_size=2)), "parameters": VALUES,
              "constants": VALUES, "y": VALUES},
)  # fmt: skip
TREES = st.fixed_dictionaries(
    {"blocks": mostly(st.dictionaries(WORDS | WORDS | KEYS, mostly(BLOCK), max_size=3)), "nodes": NODES_TABLE},
    optional={"outputs": VALUES, "train": VALUES, "inputs": VALUES, "parameters": VALUES, "functions": VALUES},
)


@settings(
    max_examples=int(os.environ.get("OURDL_TEST_EXAMPLES", "300")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(TREES)
def test_any_garbage_gives_problems_and_no_other_error(tree):
    expanded = expand(tree)
    found = told_once(expanded.problems, expanded)
    assert all(each.message and isinstance(each.message, str) for each in found)
    for section, name in itertools.product(("nodes", "parameters"), ("body.1.h", "x", "body")):
        expanded.origin((section, name, "in", 0))
    with pytest.raises(ModelFileError):
        load({"ourdl": 1, **tree, "none": 1})
