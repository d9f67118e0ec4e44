"""Model files: one tree in four spellings, every mistake told at once, nothing run."""

import copy
import itertools
import json
import os
import sys
import time
import tomllib
import types
from pathlib import Path

import pytest

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
    return dict(error.value.problems)


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
        "nodes.h.op", "nodes.a.op", "train.epochs", "train.bacth", "train.optimizer", "data.file", "data.split.tset",
        "data.x.columns", "trian",
    }  # fmt: skip
    assert found["nodes.h.op"] == "no op named 'Dnse'. Did you mean Dense?"
    assert found["train.epochs"] == "must be int at least 1, found str 'ten'"
    assert found["train.bacth"] == "unknown key. Did you mean batch?"
    assert found["train.optimizer"] == "no optimizer named 'Adm'. Did you mean Adam?"
    assert found["data.file"] == "is missing"
    assert found["trian"] == "unknown section. Did you mean train?"


@pytest.mark.parametrize(
    ("sections", "path", "message"),
    [
        ({"train": {"loss": "los"}}, "train.loss", "no node named 'los'. Did you mean loss"),
        ({"train": {"loss": None}}, "train.loss", "is missing"),
        ({"train": {"batch": 0}}, "train.batch", "must be at least 1, found 0"),
        ({"train": {"optimizer": {"name": "Adam", "lrr": 1}}}, "train.optimizer", "Did you mean lr?"),
        ({"train": {"optimizer": {"name": "SGD", "lr": {"w": "x"}}}}, "train.optimizer", "a table of such numbers"),
        ({"train": {"optimizer": "os.system"}}, "train.optimizer", "Import paths are not accepted."),
        ({"train": 3}, "train", "must be a table"),
        ({"data": {"y": None}}, "data.y", "the input 'y' has no data"),
        ({"data": {"z": {"columns": "a"}}}, "data.z", "no input named 'z'"),
        ({"data": {"y": "label"}}, "data.y", "must be a table of settings, found str 'label'"),
        ({"data": {"split": {"test": 0.7, "validation": 0.3}}}, "data.split", "leave nothing to train on"),
        ({"nodes": {"a": {"op": "os.system", "in": "h"}}}, "nodes.a.op", "Import paths are not accepted."),
        ({"inputs": {"x": {"shape": 3, "dtpye": "f4"}}}, "inputs.x.dtpye", "Did you mean dtype?"),
    ],
)
def test_a_mistake_is_told_where_it_is(sections, path, message):
    found = problems(changed(**sections))
    assert message in found[path]


def test_the_message_of_one_mistake_is_one_line_and_of_several_a_list(tmp_path):
    file = _written(tmp_path / "m.toml", "ourdl = 1\n[nodes]\nh = 3\n[outputs]\nh = 'h'\n[train]\n")
    with pytest.raises(ModelFileError) as error:
        load(file)
    first, *rest = str(error.value).splitlines()
    assert first == f"{file}: {len(rest)} mistakes"
    with pytest.raises(ModelFileError) as error:
        load(changed(ourdl=2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.toml", b"", "m.toml: the file is empty"),
        ("m.toml", b"  \n\n", "the file is empty"),
        ("m.toml", b"ourdl = 1\n# \xff\n", r"is not UTF-8 text \(line 2\)"),
        ("m.toml", b"ourdl = \n", r"Invalid value \(at line 1, column 9\)"),
        ("m.toml", b"ourdl = 1\nourdl = 1\n", r"Cannot overwrite a value \(at line 2"),
        ("m.toml", b"a = " + b"[" * 5000 + b"]" * 5000, "nested more than 64 deep"),
        ("m.toml", b"a = [" + b"1," * 300_000 + b"]", "more than 200,000 values"),
        ("m.json", b"{'a': 1}", r"Expecting property name .* \(at line 1, column 2\)"),
        ("m.json", b'{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("m.json", b"[1]", "a table of sections, found list"),
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
def test_thousands_of_unknown_names_are_told_by_their_number(tmp_path, section):
    text = section + "".join(f"k{i} = {{columns = 'a'}}\n" for i in range(20_000))
    began = time.process_time()
    with pytest.raises(ModelFileError) as error:
        load(_written(tmp_path / "m.toml", text))
    assert time.process_time() - began < 3
    assert section == "[data]\n" or any("20,000" in message for _, message in error.value.problems)
    assert len(error.value.problems) < 50


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
        ("train: {lr: 1e-3}", r"'1e-3' is text in YAML, not a number: write 0.001 \(at line 1, column 13\)"),
        ("train: {lr: 1e-7}", r"write 1.0e-07"),
        ("train: {shuffle: no}", "'no' means a truth value in YAML: write true or false"),
        ("train: {}\ntrain: {}", r"the key 'train' is given twice \(at line 2, column 1\)"),
        (LAUGHS, "more than 200,000 values"),
        ("[" * 1_000_000, "nested more than 64 deep"),
        ("- " * 100_000, "nested more than 64 deep"),
        ("? [a]\n: 1", "a key must be text"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
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


def test_nothing_is_imported_for_a_file_that_is_wrong():
    import subprocess

    code = (
        "import sys; from ourdl_files import load, ModelFileError\n"
        "try: load({'ourdl': 1, 'inputs': {'x': {'shape': [3]}}, 'outputs': {'h': 'h'},"
        " 'nodes': {'h': {'op': 'Dense', 'in': 'x', 'units': 3}, 'a': {'op': 'Nope', 'in': 'h'}}})\n"
        "except ModelFileError as error: print(error)\n"
        "print([name for name in sys.modules if name.startswith(('ourdl_nn', 'ourdl_ops'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("the model: nodes.a.op: no op named 'Nope'.")
    assert done.stdout.splitlines()[1] == "[]"
