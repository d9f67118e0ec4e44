"""Trees written as TOML, JSON and YAML: every reader gets back exactly the tree."""

import json
import math
import tomllib

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from ourdl_files.formats import read_json, read_yaml
from ourdl_files.json_text import json_text
from ourdl_files.plain import same
from ourdl_files.toml_text import toml_text
from ourdl_files.yaml_text import yaml_text

TRAPS = [
    "no",
    "1e-3",
    "null",
    "~",
    "",
    " ",
    "0o7",
    "012",
    "1:30",
    "2020-01-01",
    "#",
    "- a",
    "a: b",
    "<<",
    "=",
    "'",
    '"""',
    "\\",
]
TRAPS += [
    "\r\n",
    "\x00\x7f\x85",
    "\u202e\u200b\u2028\ufeff",
    "\U000e0041",
    "😀",
    "é",
    "e\u0301",
    "[",
    "{",
    "NaN",
    "true",
    "y",
    "inf",
]
text = st.sampled_from(TRAPS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
whole = st.integers(-(2**63), 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
ODD = [math.inf, -math.inf, math.nan, -0.0, 1e300, 5e-324, 1e-7, 1e16, 1e22]


def trees(number):
    scalars = st.booleans() | whole | number | text
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=8
    )
    rows = st.dictionaries(text, values, max_size=4)
    return st.dictionaries(text, values | rows | st.dictionaries(text, rows, max_size=3), max_size=5)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(trees(finite | st.sampled_from(ODD)), st.data())
def test_toml_is_read_back_to_the_same_tree(tree, data):
    opened = data.draw(st.lists(st.sampled_from(sorted(tree)), max_size=2)) if tree else []
    comments = {(key,): data.draw(text) for key in tree}
    written = toml_text(tree, opened, comments)
    assert same(tomllib.loads(written), tree)
    assert same(plain(tomlkit.parse(written).unwrap()), tree)
    assert not any(character in written for character in "\u202e\u200b\u2028\x85\r\x00")


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(trees(finite))
def test_json_is_read_back_to_the_same_tree(tree):
    written = json_text(tree, sorted(tree)[:1])
    assert same(read_json(written), tree)
    assert same(json.loads(written), tree)
    assert not any(character in written for character in "\u202e\u200b\u2028\x85\r\x00")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(trees(finite | st.sampled_from(ODD)))
def test_yaml_is_read_back_to_the_same_tree_without_a_trap(tree):
    pytest.importorskip("yaml")
    written = yaml_text(tree)
    assert same(read_yaml(written), tree)
    assert not any(character in written for character in "\u202e\u200b\u2028\x85\r\x00")


def test_toml_as_a_person_writes_it():
    tree = {
        "ourdl": 1,
        "nodes": {"h": {"op": "Dense", "in": "x"}, "längster": {"op": "Relu", "in": ["h", 1e-3]}, "e": {}},
        "train": {"loss": "l", "long": list(range(60)), "epochs": 3},
        "functions": {"f": {"nodes": {"a": {"op": "Neg"}}, "outputs": ["a"]}},
        "nothing": {},
    }
    comments = {("nodes", "h"): "ourdl 1.0\nnodes = {}", ("functions", "f", "nodes", "a"): "here"}
    assert (
        toml_text(tree, ["functions"], comments)
        == """\
ourdl = 1

[nodes]
h          = { op = "Dense", in = "x" }  # ourdl 1.0 nodes = {}
"längster" = { op = "Relu", in = ["h", 0.001] }
e          = {}

[train]
loss = "l"
long = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54,
    55, 56, 57, 58, 59,
]
epochs = 3

[functions.f]
outputs = ["a"]

[functions.f.nodes]
a = { op = "Neg" }  # here

[nothing]
"""
    )


def test_matrices_are_wrapped_by_rows():
    tree = {"a": {"m": {"dtype": "int8", "value": [list(range(20)), list(range(20, 40))]}}}
    written = toml_text(tree)
    assert max(map(len, written.splitlines())) <= 110
    assert "\n    [20, 21, " in written
    assert tomllib.loads(written) == tree


@pytest.mark.parametrize(
    ("write", "tree", "message"),
    [
        (toml_text, {"a": {"b": [1, None]}}, r"a\.b\[1\]: TOML has no value for None: leave it out, or save as JSON"),
        (toml_text, {"a": 2**63}, "a: 9223372036854775808 needs more than 64 bits"),
        (toml_text, {"a": "\ud800"}, "a: .* holds half a character"),
        (yaml_text, {"\udfff": 1}, "half a character"),
        (json_text, {"a": [math.nan]}, r"a\[0\]: JSON has no nan: save as TOML, which has inf and nan"),
        (json_text, {"a": -math.inf}, "JSON has no -inf"),
        (toml_text, {"a": 1j}, r"a: 1j is no plain data \(complex\)"),
    ],
)
def test_what_a_file_cannot_hold_is_named(write, tree, message):
    with pytest.raises(ValueError, match=message):
        write(tree)


def test_keys_are_text():
    with pytest.raises(TypeError, match="a: a key is text, found int 1"):
        toml_text({"a": {1: 2}})


def test_yaml_has_no_anchors():
    pytest.importorskip("yaml")
    shape = ["batch", 4]
    assert yaml_text({"x": {"shape": shape}, "y": {"shape": shape}}).count("[batch, 4]") == 2
