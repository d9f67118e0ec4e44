"""Model files: one tree in four spellings, every mistake told at once, nothing run."""

import copy
import itertools
import json
import os
import sys
import time
import tomllib
import types
from importlib.metadata import version
from pathlib import Path

import pytest

from ourdl_core.problems import path_text
from ourdl_files import ModelFileError, load
from ourdl_train import SGD, Adam, Columns

EXAMPLES = Path(__file__).parent.parent / "examples"
DIGITS = tomllib.loads((EXAMPLES / "digits.toml").read_text(encoding="utf-8"))


def changed(**sections):
    """The tree of the digits with some entries of its sections changed; None takes one away."""
    tree = copy.deepcopy(DIGITS)
    for name, entries in sections.items():
        if not isinstance(entries, dict):
            tree[name] = entries
            continue
        table = tree.setdefault(name, {})
        table.update(entries)
        for key in [key for key, value in entries.items() if value is None]:
            del table[key]
    return tree


def problems(tree):
    with pytest.raises(ModelFileError) as error:
        load(tree)
    return {path_text(problem.path): problem.message for problem in error.value.problems}


@pytest.mark.parametrize("name", ["digits", "adaline", "wine"])
def test_examples_load(name):
    model = load(EXAMPLES / f"{name}.toml")
    assert model.train.loss == "loss"
    assert set(model.data.columns) == set(model.graph.inputs)
    assert model.folder == EXAMPLES


def test_the_settings_are_records():
    model = load(DIGITS)
    assert model.train.optimizer == Adam(lr=1e-3)
    assert (model.train.epochs, model.train.batch, model.train.shuffle) == (30, 64, True)
    assert model.data.columns["x"] == Columns(columns="pixel_*", scale=0.0625)
    assert load(EXAMPLES / "adaline.toml").train.optimizer == SGD(lr={"w": 0.05, "b": 0.1})


def test_toml_json_and_yaml_hold_the_same_tree(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(DIGITS))
    files = [tmp_path / "m.json"]
    try:
        import yaml
    except ImportError:
        with pytest.raises(ModelFileError, match=r"pip install ourdl\[yaml\]"):
            load(_written(tmp_path / "m.yaml", "ourdl: 1"))
    else:
        files += [_written(tmp_path / name, yaml.safe_dump(DIGITS)) for name in ("m.yaml", "m.yml")]
    for file in files:
        model = load(file)
        assert model.graph.to_dict() == load(DIGITS).graph.to_dict()
        assert model.sections == load(DIGITS).sections


def _written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_mistake_is_told_at_once_with_its_path():
    tree = changed(
        nodes={"h": {"op": "Dnse", "in": "x", "units": 128}, "a": {"op": "Rellu", "in": "h"}},
        train={"epochs": "ten", "bacth": 3, "optimizer": {"name": "Adm"}},
        data={"file": None, "split": {"tset": 0.1}, "x": {"columns": 3}},
        trian={},
    )
    found = problems(tree)
    assert set(found) == {
        "nodes.h.op", "nodes.a.op", "train.epochs", "train.bacth", "train.optimizer.name", "data", "data.split.tset",
        "data.x.columns", "trian",
    }  # fmt: skip
    assert found["nodes.h.op"] == "no op named 'Dnse'. Did you mean Dense?"
    assert found["train.epochs"] == "[train]: attribute 'epochs' must be int at least 1, found str 'ten'"
    assert found["train.bacth"] == "[train] has no setting 'bacth'. Did you mean batch?"
    assert found["train.optimizer.name"] == "no optimizer named 'Adm'. Did you mean Adam or AdamW?"
    assert found["data"] == "'file' is missing: the name of a CSV, NPZ or NPY file"
    assert found["trian"] == "unknown section 'trian'. Did you mean train?"


@pytest.mark.parametrize(
    ("sections", "path", "message"),
    [
        ({"train": {"loss": "los"}}, "train.loss", "no node named 'los'. Did you mean loss"),
        ({"train": {"loss": None}}, "train", "'loss' is missing (str)"),
        ({"train": {"batch": 0}}, "train.batch", "must be at least 1, found 0"),
        ({"train": {"optimizer": {"name": "Adam", "lrr": 1}}}, "train.optimizer.lrr", "Did you mean lr?"),
        ({"train": {"optimizer": {"name": "SGD", "lr": {"w": "x"}}}}, "train.optimizer.lr", "a table of float at least 0"),
        ({"train": {"optimizer": "os.system"}}, "train.optimizer", "Import paths are not accepted."),
        ({"train": 3}, "train", "must be a table"),
        ({"data": {"y": None}}, "data", "the input 'y' has no data"),
        ({"data": {"z": {"columns": "a"}}}, "data.z", "'z' is no input of the graph and no setting of [data]"),
        ({"data": {"y": "label"}}, "data.y", "must be a table of settings, found text: 'label'"),
        ({"data": {"split": {"test": 0.7, "validation": 0.3}}}, "data.split", "leave nothing to train on"),
        ({"nodes": {"a": {"op": "os.system", "in": "h"}}}, "nodes.a.op", "Import paths are not accepted."),
        ({"inputs": {"x": {"shape": 3, "dtpye": "f4"}}}, "inputs.x.dtpye", "Did you mean dtype?"),
    ],
)
def test_a_mistake_is_told_where_it_is(sections, path, message):
    found = problems(changed(**sections))
    assert message in found[path]


def test_each_mistake_is_shown_with_its_place_and_several_are_counted(tmp_path):
    text = """ourdl = 1
inputs.x = { shape = ["batch", 4] }
nodes.h = { op = "Dense", in = "x", unit = 3 }
outputs.h = "hh"
"""
    file = _written(tmp_path / "m.toml", text)
    with pytest.raises(ModelFileError) as error:
        load(file)
    assert str(error.value).replace(str(tmp_path), "").splitlines() == [
        "/m.toml:3:37: Dense has no attribute or input 'unit'. Did you mean units?",
        '  3 | nodes.h = { op = "Dense", in = "x", unit = 3 }',
        "    |                                     ^^^^",
        f"    | from ourdl::Dense-v1 (ourdl {version('ourdl')})",
        "/m.toml:4:13: no input, parameter or node named 'hh'. Did you mean h?",
        '  4 | outputs.h = "hh"',
        "    |             ^^^^",
        "2 mistakes in /m.toml",
    ]
    with pytest.raises(ModelFileError) as error:
        load(changed(ourdl=2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.toml", b"", "m.toml: the file is empty"),
        ("m.toml", b"  \n\n", "the file is empty"),
        ("m.toml", b"ourdl = 1\n# \xff\n", r"m.toml:2:3: is not UTF-8 text: byte 0xff here"),
        ("m.toml", b"ourdl = \n", r"m.toml:1:9: "),
        ("m.toml", b"ourdl = 1\nourdl = 1\n", r"m.toml:2:1: the key 'ourdl' is given twice"),
        ("m.toml", b"a = " + b"[" * 5000 + b"]" * 5000, "nested more than 64 deep"),
        ("m.toml", b"a = [" + b"1," * 300_000 + b"]", "more than 200,000 values"),
        ("m.json", b"{'a': 1}", r"m.json:1:2: "),
        ("m.json", b'{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("m.json", b"[1]", "a table of sections, found a list"),
        ("m.ini", b"a", r"a model file is called \*.toml, \*.json, \*.yaml, \*.yml"),
    ],
)
def test_a_file_that_is_no_model_is_one_clear_message(tmp_path, name, content, message):
    with pytest.raises(ModelFileError, match=message):
        load(_written(tmp_path / name, content))


@pytest.mark.parametrize(
    "content",
    [
        "a." * 40_000 + "a = 1",
        "[" + '"a" . ' * 40_000 + "a]",
        "x = { y = 1, " + "'a'." * 40_000 + "a = 1}",
        's = """\\"""" # "' + "\n" + "a." * 40_000 + "a = 1",
        "s = '''a'''''\n" + "a." * 40_000 + "a = 1",
        "[" * 1_000_000,
        "a = " + "{a = " * 200_000,
        '"""' * 300_000,
        "".join(f"[a{i}." + "a." * 62 + "a]\n" for i in range(7500)),
        "a = '" + '"\\' * 400_000,
    ],
)
def test_hostile_toml_is_refused_within_a_second(tmp_path, content):
    began = time.process_time()
    with pytest.raises(ModelFileError):
        load(_written(tmp_path / "m.toml", content))
    assert time.process_time() - began < 1


@pytest.mark.parametrize("section", ["", "[train]\n", "[data]\n"])
def test_not_all_of_thousands_of_unknown_names_are_told(tmp_path, section):
    text = section + "".join(f"k{i} = {{columns = 'a'}}\n" for i in range(20_000))
    began = time.process_time()
    with pytest.raises(ModelFileError) as error:
        load(_written(tmp_path / "m.toml", text))
    assert time.process_time() - began < 3
    assert len(error.value.problems) <= 101
    assert "more than 100 mistakes" in str(error.value)


def test_dots_of_numbers_strings_and_comments_are_no_parts_of_keys(tmp_path):
    text = (
        f"ourdl = 1 # {'a.' * 99}\n[inputs]\nx.shape = [{'1.5, ' * 99}]\nx.name = '{'a.' * 99}'\n"
        f'x.dtype = """{"a." * 99}"""\n'
    )
    with pytest.raises(ModelFileError) as error:
        load(_written(tmp_path / "m.toml", text))
    assert "nested" not in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_no_model_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    for name in ("pipe.toml", "zero.toml"):
        with pytest.raises(ModelFileError, match=f"{name}: is not a regular file"):
            load(tmp_path / name)
    (tmp_path / "link.toml").symlink_to(EXAMPLES / "wine.toml")
    assert load(tmp_path / "link.toml").train.loss == "loss"


def test_a_file_that_is_not_there_or_a_directory_is_named(tmp_path):
    _written(tmp_path / "digits.toml", "")
    with pytest.raises(ModelFileError, match=r"digit.toml: no such file. Did you mean digits.toml\?"):
        load(tmp_path / "digit.toml")
    with pytest.raises(ModelFileError, match="is a directory"):
        load(tmp_path)


# Eight lists, each nine times the one before: 43 million values in 300 bytes.
LAUGHS = "a: &a [1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]\n" for before, name in itertools.pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train: {lr: 1e-3}", r"'1e-3' is text in YAML, not a number: write 0.001"),
        ("train: {lr: 1e-7}", r"write 1.0e-07"),
        ("train: {shuffle: no}", "'no' means false in YAML: write true or false"),
        ("train: {}\ntrain: {}", r"m.yaml:2:1: the key 'train' is given twice"),
        (LAUGHS, "more than 200,000 values"),
        ("[" * 1_000_000, "nested more than 64 deep"),
        ("- " * 100_000, "nested more than 64 deep"),
        ("? [a]\n: 1", "a key must be text"),
        ("!!python/object/apply:os.system [ls]", "the tag !!python/object/apply:os.system is not plain data"),
        ("a: [", r"did not find expected node content|expected the node content"),
    ],
)  # fmt: skip
def test_traps_of_yaml_are_errors_with_advice(tmp_path, content, message):
    pytest.importorskip("yaml")
    with pytest.raises(ModelFileError, match=message):
        load(_written(tmp_path / "m.yaml", content))


def test_long_yaml_needs_the_parser_in_c(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", types.SimpleNamespace(SafeLoader=object))
    with pytest.raises(ModelFileError, match="more than 256 kB needs PyYAML with its C parser"):
        load(_written(tmp_path / "m.yaml", "a: [" + "1, " * 100_000 + "]"))


@pytest.mark.parametrize(
    ("op", "packages"),
    [("Nope", "[]"), ("Tanh", "['ourdl_ops_basic']"), ("Relu", "['ourdl_activations']")],
)
def test_only_the_ops_that_a_file_names_are_imported(op, packages):
    import subprocess

    code = (
        "import sys; from ourdl_files import load, ModelFileError\n"
        "try: load({'ourdl': 1, 'inputs': {'x': {'shape': [3]}}, 'outputs': {'h': 'h'},"
        f" 'nodes': {{'h': {{'op': {op!r}, 'in': 'x'}}, 'a': {{'op': 'Nope', 'in': 'h'}}}}}})\n"
        "except ModelFileError as error: print(error)\n"
        "kinds = ('ourdl_nn', 'ourdl_ops_basic', 'ourdl_activations', 'ourdl_losses')\n"
        "print(sorted(name for name in sys.modules if name in kinds))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the model: nodes.a.op: no op named 'Nope'." in done.stdout
    assert done.stdout.splitlines()[-1] == packages


def test_a_trap_of_yaml_does_not_hide_the_other_mistakes(tmp_path):
    pytest.importorskip("yaml")
    text = """ourdl: 1
inputs:
  x: {shape: [batch, 4]}
nodes:
  a: {op: Rellu, in: x}
  b: {op: Dense, in: a, units: yes}
outputs:
  b: c
"""
    with pytest.raises(ModelFileError) as error:
        load(_written(tmp_path / "m.yaml", text))
    places = [(each.span.line, each.span.column, each.problem.code) for each in error.value.located]
    assert places == [(5, 11, "unknown-name"), (6, 32, "yaml-trap"), (8, 6, "undefined-name")]


@pytest.mark.parametrize("text", ["x[0][0]", "x[0]" + "[0]" * 5000, "x[" + "9" * 5000 + "]", "x[\u0660]"])
def test_an_output_of_an_output_is_no_name(text):
    tree = {"ourdl": 1, "inputs": {"x": {"shape": [4]}}, "nodes": {"h": {"op": "Relu", "in": text}}, "outputs": {"h": "h"}}
    assert set(problems(tree)) == {"nodes.h.in"}


@pytest.mark.parametrize("content", ["ourdl = 0x" + "f" * 500_000, f"ourdl = 1\nnodes.h = {{ op = 'Relu', in = {10**30} }}"])
def test_a_number_of_more_than_64_bits_is_refused_where_it_stands(tmp_path, content):
    with pytest.raises(ModelFileError, match=r"m.toml:[12]:\d+: this whole number needs more than 64 bits"):
        load(_written(tmp_path / "m.toml", content))
    with pytest.raises(ModelFileError, match="more than 64 bits"):
        load({"ourdl": 1 << 500_000})


def test_columns_and_rates_are_compared_with_the_graph():
    found = problems(changed(train={"optimizer": {"name": "Adam", "lr": {"*": 0.1, "h.wieght": 0.2}}}))
    assert found['train.optimizer.lr."h.wieght"'] == "no parameter is called 'h.wieght'. Did you mean h.weight?"
    found = problems(changed(data={"x": {"columns": ["a", "b"]}}))
    assert found == {"data.x.columns": "these columns give [2] a row, the input 'x' is [64] a row"}
    found = problems(changed(data={"x": {"columns": ["a"] * 64}}))
    assert found == {"data.x.columns": "the column 'a' is given twice"}


def test_a_split_into_more_parts_than_there_can_be_is_refused():
    tree = changed(nodes={"parts": {"op": "Split", "in": "x", "parts": 10**9}})
    assert "more outputs than a node may have" in problems(tree)["nodes.parts"]


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"value": [1.7, 2.9], "dtype": "int64"}, False),
        ({"value": [2**64 - 1, 0], "dtype": "uint64"}, True),
        ({"value": [1e300], "dtype": "float16"}, False),
        ({"value": [0.1], "dtype": "float32"}, True),
        ({"value": [2, 0], "dtype": "bool"}, False),
        ({"value": [float("inf")], "dtype": "float32"}, True),
    ],
)
def test_a_constant_is_never_changed_to_fit(row, right):
    nodes = {"h": {"op": "OnesLike", "in": "c"}}
    tree = {"ourdl": 1, "constants": {"c": row}, "nodes": nodes, "outputs": {"h": "h"}}
    if right:
        assert load(tree).graph["h"].spec.shape == (len(row["value"]),)
    else:
        assert "must be numbers" in problems(tree)["constants.c.value"]


# ---- inputs that are left out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [{"in": ["x", False]}, {"in": "x", "scale": False}])
def test_false_leaves_out_what_would_be_made_by_name_or_by_position(row):
    inputs = {"x": {"shape": ["batch", 3], "dtype": "float32"}}
    tree = {"ourdl": 1, "inputs": inputs, "nodes": {"n": {"op": "LayerNormalization", **row}}, "outputs": {"n": "n"}}
    assert list(load(tree).graph.named_parameters()) == ["n.bias"]


def test_false_is_a_number_where_an_input_is_required():
    inputs = {"x": {"shape": ["batch"], "dtype": "bool"}}
    tree = {"ourdl": 1, "inputs": inputs, "nodes": {"n": {"op": "Or", "in": ["x", False]}}, "outputs": {"n": "n"}}
    assert str(load(tree).graph["n"].parents[1]) == "False"
