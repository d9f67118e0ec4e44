"""``ourdl schema``: an independent validator and the loader agree on model files, as far as a schema can see."""

import json
import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.validators import extend

from ourdl_cli.main import main
from ourdl_core import DType, Function, Length, Range, registry
from ourdl_core.attributes import REQUIRED, convert, describe
from ourdl_core.initializers import registry as initializers
from ourdl_core.schemas import schema_of
from ourdl_files import ModelFileError, load
from ourdl_files.formats import huge_numbers, read_document
from ourdl_files.json_text import json_text
from ourdl_files.schema import model_schema
from ourdl_files.schema_values import in_block
from ourdl_train.optimizers import registry as optimizers
from ourdl_train.schedule import registry as schedules

ROOT = Path(__file__).parent.parent
MISTAKES = ROOT / "tests" / "mistakes"
SCHEMA = model_schema().tree


def validator(dialect, schema):
    """A validator to which 1.0 is no whole number, as it is none to OurDL; the standard says that it is."""
    kinds = dialect.TYPE_CHECKER.redefine("integer", lambda checker, value: type(value) is int)
    return extend(dialect, type_checker=kinds)(schema)


CHECK = validator(Draft202012Validator, SCHEMA)
THINGS = [(group, entry) for group in (registry, optimizers, schedules, initializers) for entry in group.entries()]
FIELDS = [(group, entry, field) for group, entry in THINGS for field in group.load(entry).fields().values()]
FIELD_IDS = [f"{entry.name}.{field.name}" for _, entry, field in FIELDS]


def paths(tree):
    """The places at which the validator finds mistakes."""
    return {tuple(error.absolute_path) for error in CHECK.iter_errors(tree)}


def problems(tree):
    """The mistakes that the loader finds."""
    try:
        load(tree)
    except ModelFileError as error:
        return error.problems
    return []


def model(node, **sections):
    """A model of one node ``n``; ``x`` is an input of shape [batch, 4]."""
    tree = {"ourdl": 1, "inputs": {"x": {"shape": ["batch", 4], "dtype": "float32"}}}
    return {**tree, "nodes": {"n": node}, "outputs": {"y": "n"}, **sections}


# ---- the schema itself ----------------------------------------------------------------------------------------------


def test_it_is_a_schema_of_2020_12_and_of_draft_7():
    """Editors check by either: the verdict must be the same."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)
    Draft7Validator.check_schema(SCHEMA)
    older = validator(Draft7Validator, {**SCHEMA, "$schema": "http://json-schema.org/draft-07/schema#"})
    for _, tree in [*VALID, *MISTAKEN]:
        assert older.is_valid(tree) == CHECK.is_valid(tree)


def test_it_is_small_and_plain_json():
    text = json_text(SCHEMA, ("$defs",))  # what ``ourdl schema`` writes
    assert len(text) < 1_000_000
    assert json.loads(text) == SCHEMA


def test_every_reference_leads_somewhere():
    found = set()
    stack = [SCHEMA]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            found.add(each.get("$ref"))
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)
    assert found - {None} <= {f"#/$defs/{word}" for word in SCHEMA["$defs"]}


def test_no_default_is_null():
    """TOML has no null, and Taplo fails at one."""
    assert '"default": null' not in json.dumps(SCHEMA)
    assert '"const": null' not in json.dumps(SCHEMA)


# ---- attributes -----------------------------------------------------------------------------------------------------

NOT_PLAIN = {"Scan.body": "a function, which a file names: its schema is that of a name"}


@pytest.mark.parametrize(("group", "entry", "field"), FIELDS, ids=FIELD_IDS)
def test_every_attribute_is_typed(group, entry, field):
    """By its annotation, so that building, messages, ``ourdl show`` and the schema say the same."""
    schema = schema_of(field.annotation)
    if f"{entry.name}.{field.name}" in NOT_PLAIN:
        assert schema == {"not": {}}
        assert field.annotation is Function
        return
    assert schema.keys() & {"type", "enum", "$ref", "anyOf"}
    refused = [value for value in (True, "no such text", [[[]]], {"a": []}) if not _accepts(schema, value)]
    assert len(refused) >= 3
    if field.default is not REQUIRED:
        assert _accepts(schema, _listed(field.default))


def _accepts(schema, value):
    return validator(Draft202012Validator, {**schema, "$defs": SCHEMA["$defs"]}).is_valid(value)


def _listed(value):
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


NUMBERS = st.integers(-5, 5) | st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 1e-9, 1e300, 2**70])
TEXTS = st.sampled_from(["", "mean", "none", "tanh", "float32", "int64", "f4", "float128", "object", "x", "$x", "$$x"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b.*", "name"]), inner, max_size=2),
    max_leaves=6,
)
OTHERS = [
    bool | int,
    int | float,
    Annotated[int, Range(low=1)] | None,
    Literal["a", "b"] | int,
    Literal["a", True] | None,
    tuple[int, float, str],
    tuple[()],
    tuple[Annotated[float, Range(low=0, high=1, open_low=True, open_high=True)], ...],
    Annotated[tuple[int, ...], Range(low=0), Length(2)],
    Annotated[int | tuple[int, ...], Range(high=2)],
    Annotated[Literal["a"] | int, Range(high=2)],
    Annotated[Mapping[str, int], Length(1)] | bool,
    Mapping[str, tuple[int, ...]],
    tuple[tuple[int, int], ...] | tuple[str, ...],
    DType | None,
]
ANNOTATIONS = {describe(each): each for each in [*(f.annotation for *_, f in FIELDS), *OTHERS] if each is not Function}
BARE = {word: each for word, each in ANNOTATIONS.items() if not word.startswith("the name of")}


CHECKS = {word: validator(Draft202012Validator, schema_of(each)) for word, each in BARE.items()}


@pytest.mark.parametrize("word", BARE)
@given(value=VALUES)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_schema_of_an_annotation_accepts_what_it_converts(word, value):
    try:
        convert(value, BARE[word])
        converts = True
    except (TypeError, ValueError, OverflowError):
        converts = False
    assert CHECKS[word].is_valid(value) == converts, (CHECKS[word].schema, value)


@pytest.mark.parametrize("word", BARE)
def test_in_a_block_an_attribute_may_stand_for_any_part_of_a_value(word):
    check = validator(Draft202012Validator, in_block(CHECKS[word].schema, set()))
    assert check.is_valid("$a")
    for value in ([[0, 1], [2, 3]], [1, 2], [1, 0.5, "x"], {"w": [1]}, {"w": 1}):
        if CHECKS[word].is_valid(value):
            assert all(map(check.is_valid, [value, *_with_a_part_replaced(value)])), value


def _with_a_part_replaced(value):
    """The same value with ``"$a"`` in place of each of its parts."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        for part in ("$a", *_with_a_part_replaced(each)):
            found = value.copy()
            found[key] = part
            yield found


def test_an_object_that_only_python_can_make_is_nothing_that_a_file_can_write():
    assert schema_of(Any) == {}
    assert schema_of(Path) == {"not": {}}


def test_a_bound_that_is_not_finite_is_left_out():
    assert schema_of(Annotated[float, Range(low=0, high=math.inf, open_high=True)]) == {"type": "number", "minimum": 0}


# ---- attributes in files --------------------------------------------------------------------------------------------

NEEDED = {"units": 3, "to": "float32", "equation": "ab->ba", "axis": 0, "axes": [0, 1], "depth": 2, "start": 0, "stop": 1}
NEEDED |= {"size": 7, "groups": 1, "std": 0.5}  # Embedding, GroupNormalization, GaussianNoise
NEEDED |= {"filters": 3, "kernel_size": [2], "pool_size": [2], "heads": 1, "sizes": [2, -1]}
OF_OP = {("OverlapAdd", "size"): [2], ("SlidingWindows", "size"): [2], ("Resize", "size"): [2]}
NEEDED |= {"shape": [4], "widths": [[0, 0], [0, 0]], "body": "f", "value": 1.0}
FUNCTIONS = {"f": {"inputs": {"a": {}, "b": {}}, "nodes": {"c": {"op": "Add", "in": ["a", "b"]}}, "outputs": ["c"]}}
OF_THE_WHOLE = {"wrong-attributes", "wrong-node", "shapes", "wrong-shape"}  # combinations, and what depends on shapes


def node_of(entry):
    """A node of an op, with all that is required."""
    op = registry.load(entry)
    needed = [name for name, field in op.fields().items() if field.default is REQUIRED]
    required = {name: OF_OP.get((entry.name, name)) or NEEDED[name] for name in needed}
    parents = [slot for slot in op.slots() if slot.kind == "required"] or [slot for slot in op.slots() if slot.made is None]
    return {"op": entry.id, "in": ["x"] * len(parents), **required}


OPS = [(entry, field) for group, entry, field in FIELDS if group is registry]


@given(which=st.sampled_from(OPS), value=VALUES)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_schema_and_loader_agree_on_the_attributes_of_ops(which, value):
    entry, field = which
    tree = model({**node_of(entry), field.name: value}, functions=FUNCTIONS)
    at = ("nodes", "n", field.name)
    assume(not huge_numbers(tree))  # no number of a file needs more than 64 bits
    told = [each for each in problems(tree) if each.path[:3] == at and each.code not in OF_THE_WHOLE]
    assume(field.annotation is not Function or not isinstance(value, str))  # which functions there are, no schema knows
    assert any(path[:3] == at for path in paths(tree)) == bool(told), (tree["nodes"], told)


PLUGINS = {"optimizer": optimizers, "schedule": schedules, "initializer": initializers}
OF_PLUGINS = [(noun, entry, field) for noun, group in PLUGINS.items() for g, entry, field in FIELDS if g is group]


@given(which=st.sampled_from(OF_PLUGINS), value=VALUES)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_schema_and_loader_agree_on_the_attributes_of_plugins(which, value):
    noun, entry, field = which
    table = {"name": entry.name, field.name: value}
    node, at = {"op": "Dense", "in": "x", "units": 3}, ("train", "optimizer")
    if noun == "initializer":
        tree, at = model({**node, "weight_init": table}), ("nodes", "n", "weight_init")
    else:
        if noun == "schedule":
            table = {"name": "SGD", noun: {"every": 3, **table} if entry.name == "Step" else table}
            at = (*at, noun)
        tree = model(node, train={"loss": "n", "epochs": 1, "optimizer": table})
    assume(not huge_numbers(tree))
    unseen = {*OF_THE_WHOLE, "undefined-name"}  # such as a rate for a parameter that the graph has not
    told = [p for p in problems(tree) if p.path[: len(at)] == at and p.code not in unseen]
    assert any(path[: len(at)] == at for path in paths(tree)) == bool(told), (table, told)


@pytest.mark.parametrize("noun", PLUGINS)
def test_a_plugin_is_a_name_or_a_table_with_one(noun):
    tables = [{}, {"name": "Nope"}, {"name": 3}, {"lr": 1}, {"name": "Adam"}]
    for value in ("Adam", "Zeros", "Nope", "Constant", 3, [], *tables):
        if noun != "initializer":
            rule = value if noun == "optimizer" else {"name": "SGD", "schedule": value}
            tree = model({"op": "Dense", "in": "x", "units": 3}, train={"loss": "n", "epochs": 1, "optimizer": rule})
            at = ("train", "optimizer") if noun == "optimizer" else ("train", "optimizer", "schedule")
        else:
            tree, at = model({"op": "Dense", "in": "x", "units": 3, "weight_init": value}), ("nodes", "n", "weight_init")
        told = any(each.path[: len(at)] == at for each in problems(tree))
        assert any(path[: len(at)] == at for path in paths(tree)) == told, value


# ---- names and inputs of nodes --------------------------------------------------------------------------------------


def test_every_spelling_of_an_op_is_known_and_leads_to_its_attributes():
    for word in ("Dense", "Dense-v1", "ourdl::Dense", "ourdl::Dense-v1"):
        assert not paths(model({"op": word, "in": "x", "units": 3}))
        assert paths(model({"op": word, "in": "x", "units": 0})) == {("nodes", "n", "units")}
    for word in ("Swish", "ourdl::Swish-v1", "Silu"):
        assert not paths(model({"op": word, "in": "x"}))
        assert paths(model({"op": word, "in": "x", "units": 3})) == {("nodes", "n")}
    for word in ("Dens", "dense", "Dense-v2", "acme::Dense", "ourdl_nn.dense:Dense", "", 3, None, ["Dense"]):
        assert paths(model({"op": word, "in": "x", "units": 3})) == {("nodes", "n", "op")}
    assert set(registry.spellings()) == {word for word in registry.spellings() if not paths(model({"op": word})) & OP}


OP = {("nodes", "n", "op")}


def kinds_of_slots(entry):
    return tuple(slot.kind for slot in registry.load(entry).slots())


# One op of each kind of signature: the others differ in names only.
SIGNATURES = {kinds_of_slots(entry): entry for entry in registry.entries()}


@pytest.mark.parametrize("entry", SIGNATURES.values(), ids=lambda entry: entry.name)
def test_the_number_of_parents(entry):
    """By position and by name: the schema refuses what the loader does, whatever is given how."""
    op = registry.load(entry)
    codes = {"missing-input", "too-many-inputs", "input-twice"}
    named = [slot.name for slot in op.slots() if slot.kind != "variadic"]
    node = {key: value for key, value in node_of(entry).items() if key != "in"}
    for count in range(len(op.slots()) + 2):
        for names in ([], named[:1], named[-1:], named[1:], named):
            for listed in ({"in": ["x"] * count}, *([{"in": "x"}] if count == 1 else [{}] if count == 0 else [])):
                tree = model({**node, **listed, **dict.fromkeys(names, "x")}, functions=FUNCTIONS)
                told = {each.code for each in problems(tree)} & codes
                assert bool(paths(tree)) == bool(told), (tree["nodes"], told, paths(tree))


def test_parents_that_are_made_within_a_composite_have_a_dot_in_their_name():
    for op, sound in (("Gelu", True), ("Relu", False)):
        tree = model({"op": op, "in": "x", "inner.weight": "x"})
        assert (not paths(tree)) == sound


STRUCTURE = [
    (model({"in": "x"}), ("nodes", "n")),
    (model({"op": "Relu", "in": "x", "block": "b"}), ("nodes", "n")),
    (model({"op": "Relu", "in": "x", "repeat": 2}), ("nodes", "n")),
    (model("Relu"), ("nodes", "n")),
    (model({"op": "Relu", "in": {"x": 1}}), ("nodes", "n", "in")),
    (model({"op": "Relu", "in": [["x"]]}), ("nodes", "n", "in", 0)),
    ({**model({"op": "Relu", "in": "x"}), "ourdl": 2}, ("ourdl",)),
    ({**model({"op": "Relu", "in": "x"}), "ourdl": True}, ("ourdl",)),
    ({**model({"op": "Relu", "in": "x"}), "outputs": {}}, ("outputs",)),
    ({**model({"op": "Relu", "in": "x"}), "outputs": {"y": 3}}, ("outputs", "y")),
    ({**model({"op": "Relu", "in": "x"}), "inputs": {"x": {"shape": 4}}}, ("inputs", "x", "shape")),
    ({**model({"op": "Relu", "in": "x"}), "inputs": {"x": {"shape": [-1]}}}, ("inputs", "x", "shape", 0)),
    ({**model({"op": "Relu", "in": "x"}), "inputs": {"x": {"dtype": "float33"}}}, ("inputs", "x", "dtype")),
    (model({"op": "Relu", "in": "x"}, parameters={"w": {"value": "1"}}), ("parameters", "w", "value")),
    (model({"op": "Relu", "in": "x"}, parameters={"w": {"init": "Nope"}}), ("parameters", "w", "init")),
    (model({"op": "Relu", "in": "x"}, parameters={"w": {"kind": "other"}}), ("parameters", "w", "kind")),
    (model({"op": "Relu", "in": "x"}, constants={"c": {"dtype": "float32"}}), ("constants", "c")),
    (model({"op": "Relu", "in": "x"}, functions={"f": {"outputs": []}}), ("functions", "f", "outputs")),
    (model({"op": "Relu", "in": "x"}, train={"loss": "n", "epochs": 0, "optimizer": "SGD"}), ("train", "epochs")),
    (model({"op": "Relu", "in": "x"}, data={"file": "a.csv", "x": 3}), ("data", "x")),
    (model({"op": "Relu", "in": "x"}, data={"x": {"columns": "a"}}), ("data",)),
    (model({"op": "Relu", "in": "x"}, data={"file": "a", "split": {"test": 1.0}}), ("data", "split", "test")),
]


@pytest.mark.parametrize(("tree", "path"), STRUCTURE)
def test_both_refuse_the_same_place(tree, path):
    assert path in paths(tree)
    assert any(each.path[: len(path)] == path for each in problems(tree))


def test_unknown_sections_and_odd_names():
    relu = {"op": "Relu", "in": "x"}
    assert paths(model(relu, trian={})) == {()}
    assert paths({**model(relu), "nodes": {"größe": relu, "名前": relu, "a-1.b_c": relu}}) == set()
    for name in ("a b", "", "a/b", "a[0]", "$a", "a\tb"):
        tree = {**model(relu), "nodes": {name: relu}}
        assert paths(tree)
        assert "bad-name" in {each.code for each in problems(tree)}


# ---- blocks ---------------------------------------------------------------------------------------------------------


def in_a_block(node, **block):
    """A model that uses a block of one node ``n``."""
    block = {"inputs": ["x"], "attributes": ["a"], "outputs": "n", "nodes": {"n": node}, **block}
    return model({"block": "b", "in": "x", "a": 1}, blocks={"b": block})


IN_BLOCK = ("blocks", "b", "nodes", "n")


@given(which=st.sampled_from([each for each in OPS if each[1].annotation is not Function]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_in_a_block_every_attribute_may_be_one_of_the_block(which):
    entry, field = which
    node = {**node_of(entry), field.name: "$a"}
    assert not paths(in_a_block(node))
    free = field.annotation is str  # outside, this is a text like any other
    assert (("nodes", "n", field.name) in paths(model(node))) != free


def test_in_a_block_other_values_are_checked_as_outside():
    for node, path in [
        ({"op": "Dense", "in": "x", "units": 0}, (*IN_BLOCK, "units")),
        ({"op": "Dense", "in": "x", "units": "a"}, (*IN_BLOCK, "units")),
        ({"op": "Dense", "in": "x", "units": "$$a"}, (*IN_BLOCK, "units")),
        ({"op": "Gelu", "in": "x", "approximate": "a"}, (*IN_BLOCK, "approximate")),
        ({"op": "Reshape", "in": "x", "shape": ["$a", -2]}, (*IN_BLOCK, "shape", 1)),
        ({"op": "Dense", "in": "x", "units": 1, "weight_init": {"name": "Normal", "sdt": "$a"}}, (*IN_BLOCK, "weight_init")),
        ({"op": "Dens", "in": "x"}, (*IN_BLOCK, "op")),
        ({"op": "Relu", "in": ["x", "x"]}, (*IN_BLOCK, "in")),
        ({"block": "c", "repeat": 0}, (*IN_BLOCK, "repeat")),
    ]:
        assert path in paths(in_a_block(node)), node
    for node in [
        {"op": "Reshape", "in": "x", "shape": ["$a", -1]},
        {"op": "Reshape", "in": "x", "shape": "$a"},
        {"op": "Pad", "in": "x", "widths": [["$a", 0], "$a"]},
        {"op": "Dense", "in": "x", "units": 1, "weight_init": {"name": "Normal", "std": "$a"}},
        {"op": "Dense", "in": "x", "units": 1, "weight_init": {"name": "$a", "gain": 3}},
        {"op": "Dense", "in": "x", "units": 1, "weight_init": "$a"},
        {"op": "$a", "in": "x", "alpha": 0.5},
        {"op": "Sum", "in": "x", "keepdims": "$a", "axis": ["$a"]},
        {"block": "c", "in": "x", "rate": ["$a"], "repeat": "$a"},
    ]:
        assert not paths(in_a_block(node)), node


def test_what_a_block_is_made_of():
    relu = {"op": "Relu", "in": "x"}
    assert not paths(in_a_block(relu, defaults={"rate": 0.5}, parameters={"w": {"shape": ["$a"], "value": "$a"}}))
    assert not paths(in_a_block(relu, outputs=["n"], constants={"c": {"value": [1, "$a"], "dtype": "$a"}}))
    names = [{"inputs": "x"}, {"outputs": []}, {"attributes": ["op"]}]
    for wrong in [*names, {"defaults": {"in": 1}}, {"nodes": {}}, {"extra": 1}]:
        tree = in_a_block(relu, **wrong)
        assert paths(tree)
        assert any(each.path[:1] == ("blocks",) for each in problems(tree)), wrong
    assert paths(model({"block": "b", "in": "x", "repeat": "$a"})) == {("nodes", "n", "repeat")}
    in_function = {"f": {"nodes": {"n": {"block": "b"}}, "outputs": ["n"]}}
    assert paths(model(relu, functions=in_function)) == {("functions", "f", "nodes", "n")}


# ---- whole files ----------------------------------------------------------------------------------------------------


def trees(*files):
    """The trees of files that are TOML, JSON or YAML at all."""
    found = []
    for file in files:
        try:
            found.append((file, read_document(file).tree))
        except ModelFileError:
            continue
    return found


CORPUS = [file for file in sorted((ROOT / "tests/corpus").glob("format-*/*")) if not file.name.endswith(".expected.json")]
VALID = trees(*sorted((ROOT / "examples").glob("*.toml")), *CORPUS)
MISTAKEN = trees(*(file for file in sorted(MISTAKES.iterdir()) if file.suffix in (".toml", ".json", ".yaml")))
# Mistakes of these kinds are seen without knowing which names stand for what, or what shape it has.
VISIBLE = {"unknown-attribute", "missing-attribute", "wrong-attribute", "unknown-section", "missing-section", "missing-op"}
VISIBLE |= {"unknown-key", "missing-key", "wrong-type", "wrong-format", "newer-format", "missing-format", "too-many-inputs"}
VISIBLE |= {"missing-input", "input-twice", "wrong-parent", "wrong-output", "bad-name", "missing-version", "op-and-block"}


@pytest.mark.parametrize(("file", "tree"), VALID, ids=lambda each: each.name if isinstance(each, Path) else "")
def test_valid_files_are_valid(file, tree):
    assert [error.message for error in CHECK.iter_errors(tree)] == []


def test_the_files_of_the_documentation_are_as_valid_as_they_are_right():
    from pages import blocks_of

    count = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in blocks_of(page.read_text(encoding="utf-8")):
            if block.language == "toml" and "ourdl = 1" in block.text:
                tree = tomllib.loads(block.text)
                codes = {each.code for each in problems(tree)}
                if not codes - {"unknown-name"}:  # which may be an op of a package that a reader is to write
                    count += 1
                    names = {error.absolute_path[-1] for error in CHECK.iter_errors(tree)}
                    assert names <= ({"op"} if codes else set()), page
                elif codes & VISIBLE:
                    assert not CHECK.is_valid(tree), page
    assert count >= 3


@pytest.mark.parametrize(("file", "tree"), MISTAKEN, ids=lambda each: each.name if isinstance(each, Path) else "")
def test_the_schema_sees_what_it_can_see(file, tree):
    nodes = tree.get("nodes")
    blocks = {("nodes", name) for name, row in nodes.items() if "block" in row} if isinstance(nodes, Mapping) else set()
    seen = [each for each in problems(tree) if each.code in VISIBLE and each.path[:2] not in blocks]
    if seen:  # what a block is given, only the file knows
        assert not CHECK.is_valid(tree), seen


def test_there_are_many_mistakes_that_it_sees():
    assert sum(not CHECK.is_valid(tree) for _, tree in MISTAKEN) >= 40
    assert not all(CHECK.is_valid(tree) == bool(problems(tree)) for _, tree in MISTAKEN)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_the_schema_or_writes_it(capsys, tmp_path):
    assert main(["schema"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (SCHEMA, "")
    file = tmp_path / "ourdl.schema.json"
    assert main(["schema", "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"wrote {file}\n"
    assert json.loads(file.read_text(encoding="utf-8")) == SCHEMA


def test_a_folder_that_is_not_there_is_told_of(capsys, tmp_path):
    assert main(["schema", "--out", str(tmp_path / "none" / "a.json")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ourdl: ")
    assert str(tmp_path / "none") in err


def test_ops_of_other_packages_are_in_it_and_a_broken_one_is_told_of():
    """In tests/mistakes/site: acme and beta, which both offer Wave, bad, which cannot be imported, and hidden."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OURDL_")}
    env |= {"PYTHONPATH": str(MISTAKES / "site"), "OURDL_BLOCK": "hidden"}
    command = [sys.executable, "-W", "error", "-m", "ourdl_cli", "schema"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    assert "bad::Boom-v1" in done.stderr
    assert "no_such_module" in done.stderr
    check = validator(Draft202012Validator, json.loads(done.stdout))
    for word in ("Snake", "Snake-v1", "acme::Snake", "acme::Snake-v2", "acme::Wave", "beta::Wave-v1"):
        assert check.is_valid(model({"op": word, "in": "x"})), word
    for word in ("Wave", "Boom", "bad::Boom", "Secret", "Snake-v3", "beta::Snake"):
        assert not check.is_valid(model({"op": word, "in": "x"})), word
