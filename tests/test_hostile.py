"""Files that mean harm, or come from a fuzzer: one clear error, in time, nothing run, imported or written.

``fuzz_files.py`` goes on without end, guided by coverage.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ourdl_files import ModelFileError, load

EXAMPLES = Path(__file__).parent.parent / "examples"
ENDINGS = (".toml", ".json", ".yaml")

FUZZ = settings(
    max_examples=int(os.environ.get("OURDL_TEST_EXAMPLES", "150")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def outcome(source):
    """The one error of loading, if any, told in both ways."""
    try:
        load(source)
    except ModelFileError as error:
        return str(error), json.dumps(error.records())
    return None


def refused_or_loaded(path, content):
    """Load what ``content`` makes of a file: a model, or the one error; nothing hangs (60,000 right nodes take seconds)."""
    path.write_bytes(content)
    began = time.process_time()
    outcome(path)
    assert time.process_time() - began < 2 + 2 * len(content) / 1e6


# ---- bytes and texts ------------------------------------------------------------------------------------------------

# What files are made of; put together at random, far more of it is read than of random bytes.
PIECES = [
    "ourdl", "=", " = 1", "\n", "[", "]", "[[", "]]", "{", "}", ",", ":", ": ", "- ", "'", '"', '"""', "'''", "#",
    ".", "\\", "\\u0000", "\\ud800", "\t", "inputs", "nodes", "outputs", "blocks", "functions", "constants",
    "parameters", "train", "data", "x", "h", "op", "in", "shape", "dtype", "float32", "Relu", "Dense", "units",
    "1e-3", "1e999", "-0", "0x_", "9" * 400, "nan", "inf", "NaN", "Infinity", "null", "~", "yes", "&a", "*a", "<<",
    "!!python/object/apply:os.system", "!!binary", "? ", "|", ">", "%TAG", "---", "...", "\u202e", "é", "😀", "\x00",
    "\x85", "\ufeff", "2024-01-01", "$units", "$$", "repeat", "block", "layer", "value", "init", "os.system", "::",
    "-v9",
]  # fmt: skip


@FUZZ
@given(st.sampled_from(ENDINGS), st.binary(max_size=300))
def test_any_bytes(tmp_path, ending, content):
    refused_or_loaded(tmp_path / f"m{ending}", content)


@FUZZ
@given(st.sampled_from(ENDINGS), st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40))
def test_any_text_of_pieces(tmp_path, ending, pieces):
    refused_or_loaded(tmp_path / f"m{ending}", "".join(pieces).encode("utf-8", "surrogatepass"))


# ---- trees ----------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(PIECES) | st.text(max_size=8) | st.just(10**30)
    | st.characters(categories=["Cs"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.sampled_from(PIECES), each, max_size=4),
    max_leaves=12,
)


def places(tree, path=()):
    """The path of every value in a tree."""
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(tree, path, value):
    """The tree with another value at a path."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = replaced(tree[path[0]], path[1:], value)
    return copy


def whole():
    """A tree that uses every section of a file."""
    return {
        "ourdl": 1,
        "inputs": {"x": {"shape": ["batch", 4], "dtype": "float32"}, "y": {"shape": ["batch"], "dtype": "int64"}},
        "parameters": {"w": {"shape": [4], "init": {"name": "Normal", "std": 0.1}}, "s": {"value": 1.5}},
        "constants": {"c": {"value": [1.0, 2.0], "dtype": "float32", "shape": [2]}},
        "functions": {
            "f": {
                "inputs": {"a": {"shape": [4], "dtype": "float32"}, "b": {"shape": [4], "dtype": "float32"}},
                "nodes": {"d": {"op": "Add", "in": ["a", "b"]}},
                "outputs": ["d", "d"],
            }
        },
        "blocks": {
            "layer": {
                "inputs": ["x"],
                "attributes": ["units"],
                "defaults": {"rate": 0.5},
                "outputs": "d",
                "nodes": {
                    "h": {"op": "Dense", "in": "x", "units": "$units"},
                    "d": {"op": "Dropout", "in": "h", "rate": "$rate"},
                },
            }
        },
        "nodes": {
            "m": {"op": "Mul", "in": ["x", "w"]},
            "k": {"op": "Mul", "in": ["m", "s"]},
            "body": {"block": "layer", "in": "k", "units": 4, "repeat": 2},
            "parts": {"op": "Split", "in": "body", "parts": 2, "axis": 1},
            "e": {"op": "Mul", "in": ["parts[0]", "c"]},
            "logits": {"op": "Dense", "in": "e", "units": 3, "bias": False},
            "loss": {"op": "SoftmaxCrossEntropy", "in": ["logits", "y"]},
        },
        "outputs": {"logits": "logits"},
        "train": {"loss": "loss", "optimizer": {"name": "Adam", "lr": 0.01}, "epochs": 1},
        "data": {"file": "a.csv", "x": {"columns": ["a", "b", "c", "d"]}, "y": {"columns": "c"}, "split": {"test": 0.2}},
    }


PLACES = list(places(whole()))


def test_the_whole_tree_is_right():
    tree = whole()
    del tree["functions"]
    assert load(tree).train.epochs == 1


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_any_value_at_any_place(changes):
    tree = whole()
    for path, value in changes:
        try:
            tree = replaced(tree, path, value)
        except (KeyError, IndexError, TypeError):  # an earlier change took this place away
            continue
    if isinstance(tree, dict):
        outcome(tree)


# ---- bombs ----------------------------------------------------------------------------------------------------------

NODES = "".join(f'n{i} = {{ op = "Relu", in = "n{i - 1}" }}\n' for i in range(1, 60_000))
HEAD = 'ourdl = 1\n[inputs]\nn0 = { shape = [4], dtype = "float32" }\n'


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".toml", HEAD + "[nodes]\n" + NODES + "[outputs]\ny = 'n1'\n"),
        (".toml", HEAD + "[nodes]\n" + NODES.replace("Relu", "Rellu") + "[outputs]\ny = 'n1'\n"),
        (".toml", HEAD + "[nodes]\n" + NODES.replace("n1", "q1") + "[outputs]\ny = 'n1'\n"),
        (".json", json.dumps({"ourdl": 1, "nodes": {f"n{i}": {"op": "Relu", "in": f"n{i + 1}"} for i in range(50_000)}})),
        (".json", json.dumps({"ourdl": 1, "nodes": {f"n{i}": {"op": "Add", "in": ["a"] * 3} for i in range(40_000)}})),
        (".json", "[" * 2_000_000),
        (".json", '{"a":' * 500_000),
        (".json", '{"ourdl": ' + "9" * 3_000_000 + "}"),
        (".toml", "ourdl = " + "9" * 3_000_000),
        (".toml", "a = [" + "[" * 63 + "]" * 63 + "]\n" + "b = 1\n" * 500_000),
        (".json", json.dumps({"a" * 1_000_000: 1})),
        (".toml", "x = '" + "\\" * 3_000_000 + "'"),
        (".yaml", "a: &a [" + "1," * 50_000 + "]\nb: [" + "*a," * 10_000 + "]"),
        (".yaml", "a: &a {b: *a}"),
        (".yaml", "".join(f"k{i}: &k{i} {{<<: [*k{i - 1}, *k{i - 1}]}}\n" if i else "k0: &k0 {a: 1}\n" for i in range(60))),
        (".yaml", "? " * 100_000),
        (".yaml", "'" + "x\n" * 500_000),
        (".json", json.dumps({"ourdl": 1, "constants": {"c": {"value": [0] * 190_000}}})),
        (".json", json.dumps({"ourdl": 1, "constants": {"c": {"value": 0, "shape": [10**12]}}, "nodes": {}})),
        (".toml", HEAD.replace("4", f"{10**18}, {10**18}") + "[nodes]\nh = { op = 'Relu', in = 'n0' }\n"),
    ],
    ids=range(20),
)
def test_bombs(tmp_path, ending, text):
    if ending == ".yaml":
        pytest.importorskip("yaml")
    refused_or_loaded(tmp_path / f"m{ending}", text.encode())


@pytest.mark.parametrize("op", ["Expand", "OneHot", "Pad", "Reshape"])
def test_a_shape_that_no_memory_holds_is_not_made(op):
    attributes = {
        "Expand": {"shape": [10**9, 10**9]},
        "OneHot": {"depth": 10**15},
        "Pad": {"widths": [[10**15, 0]]},
        "Reshape": {"shape": [10**9]},
    }[op]
    tree = {
        "ourdl": 1,
        "inputs": {"x": {"shape": [1], "dtype": "int64"}},
        "nodes": {"h": {"op": op, "in": "x", **attributes}},
        "outputs": {"y": "h"},
    }
    outcome(tree)


# ---- nothing is run, imported or written ----------------------------------------------------------------------------

AUDIT = """
import json, os, sys
names, texts = json.loads(sys.stdin.read())
from ourdl_files import ModelFileError, load
import ourdl_core.lower, ourdl_core.infer, importlib.metadata
load(names[0])  # the first use of each op imports it
seen = []
ours = ("ourdl_", "numpy", "encodings", "_", "json", "re", "yaml", "collections", "datetime", "tomllib", "base64")
ours += ("difflib", "heapq", "unicodedata")
def audit(event, arguments):
    if event == "import" and not str(arguments[0]).startswith(ours):
        seen.append(f"import {arguments[0]}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"write {arguments[0]}")
    if event.startswith(("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess", "socket", "os.re", "pickle")):
        seen.append(event)
sys.addaudithook(audit)
for name in names:
    try:
        load(name)
    except ModelFileError as error:
        str(error), error.records()
print(json.dumps(seen))
"""

EVIL = {
    "a.toml": 'ourdl = 1\nnodes.h = { op = "os.system", in = "echo" }\noutputs.h = "h"\n',
    "b.toml": 'ourdl = 1\nnodes.h = { op = "antigravity:geohash" }\noutputs.h = "h"\ntrain.optimizer = "turtle.forward"\n',
    "c.toml": 'ourdl = 1\n[parameters]\nw = { shape = [3], init = "this.s" }\n[nodes]\nh = { op = "Relu", in = "w" }\n',
    "d.yaml": "!!python/object/apply:os.system [touch pwned]\n",
    "e.yaml": "ourdl: 1\nnodes: !!python/module:antigravity {}\n",
    "f.json": '{"ourdl": 1, "nodes": {"h": {"op": "__import__(\'antigravity\')"}}}',
    "g.toml": 'ourdl = 1\ndata = { file = "/etc/passwd" }\nnodes.h = { op = "../../evil" }\n',
    "h.toml": 'ourdl = 1\nantigravity = { }\n[nodes]\nh = { op = "ourdl::antigravity-v1" }\n',
}


def test_loading_runs_imports_and_writes_nothing(tmp_path):
    """An audit hook watches imports, processes, sockets and files while files are loaded."""
    for name, text in EVIL.items():
        (tmp_path / name).write_text(text)
    names = [str(EXAMPLES / "digits.toml"), *(str(tmp_path / name) for name in EVIL)]
    task = json.dumps([names, []])
    command = [sys.executable, "-c", AUDIT]
    done = subprocess.run(command, input=task, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(EVIL)


def test_the_audit_sees(tmp_path):
    """The hook of the test above finds a module that is imported, and a file that is written."""
    planted = 'for name in names:\n    import antigravity\n    open("pwned", "w").close()\n'
    code = AUDIT.replace("for name in names:\n", planted, 1)
    task = json.dumps([[str(EXAMPLES / "digits.toml")], []])
    command = [sys.executable, "-c", "import webbrowser; webbrowser.open = print\n" + code]
    done = subprocess.run(command, input=task, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert {"import antigravity", "write pwned"} <= set(json.loads(done.stdout.splitlines()[-1]))
