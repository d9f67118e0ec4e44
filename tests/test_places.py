"""Where the parts of model files stand, and what is told of files that are no TOML or JSON.

The parsers are the reference: the places of a text cover exactly the tree that they read, and each place, read alone, is
that part of the tree.
"""

import json
import os
import re
import time
import tomllib

import pytest
import tomlkit
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ourdl_files.json_places import duplicate_key, json_error
from ourdl_files.places import line_and_column, places_of
from ourdl_files.spelling import MAX_VALUES
from ourdl_files.toml_mistakes import toml_error

FUZZ = settings(max_examples=int(os.environ.get("OURDL_TEST_EXAMPLES", "150")), deadline=None, derandomize=True)
WORDS = st.text("abAZ09_- .\"'\\#=[]{},:ü😀\u2028\t\n", max_size=6)
NUMBERS = st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))
LEAVES = st.one_of(st.booleans(), NUMBERS, WORDS, st.text(max_size=5))
TREES = st.dictionaries(
    WORDS,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
    ),
    max_size=4,
)


def parts_of(tree, path=()):
    """Every part of a tree by its path."""
    yield path, tree
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in entries:
        yield from parts_of(value, (*path, name))


def follow(text, ending, tree, key, value):
    """The laws of places; ``key`` and ``value`` read a piece of the text."""
    places = places_of(text, ending)
    parts = dict(parts_of(tree))
    assert set(places) == set(parts)
    assert places[()].value == (0, len(text))
    for path, place in places.items():
        if path and place.key is not None:
            assert key(text[slice(*place.key)]) == path[-1]
        assert (place.key is None) == (not path or isinstance(path[-1], int))
        if path and value is not None:
            piece = text[slice(*place.value)]
            if isinstance(parts[path], dict) and not piece.startswith("{"):
                continue  # a table of TOML that has no value: its header or its name
            if isinstance(parts[path], list) and piece.startswith("[["):
                continue
            assert value(piece) == parts[path]


def toml_key(text):
    return next(iter(tomllib.loads(f"{text} = 0")))


def toml_value(text):
    return tomllib.loads(f"x = {text}")["x"]


@FUZZ
@given(TREES)
def test_places_of_toml(tree):
    text = tomlkit.dumps(tree)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # the writer has faults of its own
        assume(False)
    follow(text, ".toml", tree, toml_key, toml_value)


@FUZZ
@given(TREES, st.sampled_from([None, 0, 1, 3, "\t"]), st.booleans())
def test_places_of_json(tree, indent, ascii_only):
    follow(json.dumps(tree, indent=indent, ensure_ascii=ascii_only), ".json", tree, json.loads, json.loads)


@FUZZ
@given(TREES, st.sampled_from([True, False, None]), st.booleans())
def test_places_of_yaml(tree, flow, unicode):
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=unicode, width=10**6)
    assume(yaml.safe_load(text) == tree)
    follow(text, ".yaml", tree, yaml.safe_load, yaml.safe_load if flow else None)


HARD = '''# [no.header] x = "1"
"top" = 1 # "
a . "b.c" . 'd"' = [ # [
  "]", # ]
  [1, { x.y = 2, 'z' = "}" }],
  1979-05-27 07:32:00Z, 07:32:00, ]
3.14 = +inf
s = """
a "" [x] \\""" b\\
"""""
t = \'\'\'
'' ' # \'\'\'\'\'
[ q . 'h i' ]
u = 0x_F
"ü\\u0041😀" = {}
[[l]]
n = 1e-3
[l.m]
[[l.k]]
[[l.k]]
[[l]]
[l.m]
o = true
[q]
'''.replace("0x_F", "0xF_F")

SHOWN = {
    ("top",): ('"top"', "1"),
    ("a",): ("a", "a"),
    ("a", "b.c"): ('"b.c"', '"b.c"'),
    ("a", "b.c", 'd"', 0): (None, '"]"'),
    ("a", "b.c", 'd"', 1): (None, "[1, { x.y = 2, 'z' = \"}\" }]"),
    ("a", "b.c", 'd"', 1, 1, "x"): ("x", "x"),
    ("a", "b.c", 'd"', 1, 1, "x", "y"): ("y", "2"),
    ("a", "b.c", 'd"', 1, 1, "z"): ("'z'", '"}"'),
    ("a", "b.c", 'd"', 2): (None, "1979-05-27 07:32:00Z"),
    ("a", "b.c", 'd"', 3): (None, "07:32:00"),
    ("3", "14"): ("14", "+inf"),
    ("s",): ("s", '"""\na "" [x] \\""" b\\\n"""""'),
    ("t",): ("t", "'''\n'' ' # '''''"),
    ("q",): ("q", "[q]"),
    ("q", "h i"): ("'h i'", "[ q . 'h i' ]"),
    ("q", "h i", "u"): ("u", "0xF_F"),
    ("q", "h i", "üA😀"): ('"ü\\u0041😀"', "{}"),
    ("l",): ("l", "[[l]]"),
    ("l", 0): (None, "[[l]]"),
    ("l", 0, "n"): ("n", "1e-3"),
    ("l", 0, "m"): ("m", "[l.m]"),
    ("l", 0, "k", 1): (None, "[[l.k]]"),
    ("l", 1, "m", "o"): ("o", "true"),
}


def test_places_of_hard_toml():
    places = places_of(HARD, ".toml")
    assert set(places) == set(dict(parts_of(tomllib.loads(HARD))))
    for path, (key, value) in SHOWN.items():
        place = places[path]
        assert HARD[slice(*place.value)] == value
        assert (place.key and HARD[slice(*place.key)]) == key
    lines = {path: line_and_column(HARD, places[path].value[0])[0] for path in places}
    assert (lines["l",], lines["l", 0], lines["l", 1], lines["q",]) == (16, 16, 21, 24)
    assert (lines["l", 0, "k", 0], lines["l", 0, "k", 1], lines["l", 1, "m", "o"]) == (19, 20, 23)


def test_lines_and_columns_count_characters():
    text = "ü😀x\n\ny"
    assert [line_and_column(text, at) for at in range(len(text) + 1)] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (2, 1),
        (3, 1),
        (3, 2),
    ]


def test_escapes_of_json_keys():
    text = '{"\\uD83D\\uDE00": {"a\\"b": [1, "\\\\"]}}'
    follow(text, ".json", {"😀": {'a"b': [1, "\\"]}}, json.loads, json.loads)


def test_yaml_aliases_stand_where_their_anchors_are():
    text = "ü: &x {q: 1, r: [2]}\nb: *x\nc:\n  <<: *x\n  q: 3\nd: |\n  é\n\ne:\n- <<: [{s: 5}, *x, {s: 6}]\n"
    places = places_of(text, ".yaml")
    assert set(places) == set(dict(parts_of(yaml.safe_load(text))))
    shown = {path: text[slice(*place.value)] for path, place in places.items()}
    assert shown["b", "q"] == "1"
    assert shown["c", "q"] == "3"
    assert shown["c", "r", 0] == "2"
    assert shown["d",] == "|\n  é"
    assert shown["e", 0, "s"] == "5"


# ---- what is no TOML or JSON ----------------------------------------------------------------------------------------

ESCAPE = "write \\\\ for a backslash, or put the text in single quotes"
TOML = [
    ("x = hello world # c", "1:5", 'a text needs quotes: write "hello world"'),
    ('x = [a, "b"]', "1:6", 'a text needs quotes: write "a"'),
    ("x = truee", "1:5", 'a text needs quotes: write "truee"'),
    ("x = True", "1:5", "true and false are written in small letters: true"),
    ("x = no", "1:5", 'TOML has no no: write true or false, or "no" for the text'),
    ("x = null", "1:5", "TOML has no null: leave the key out"),
    ("x = ", "1:5", "a value is missing here"),
    ("x = [1,,2]", "1:8", "a value is missing here"),
    ("x == 1", "1:4", "one = is enough"),
    ("x: 1", "1:2", "TOML writes = where YAML and JSON write :"),
    ('x = {"a": 1}', "1:9", "TOML writes = where YAML and JSON write :"),
    ('x = ["a": 1]', "1:9", "a list holds values only: for keys write { key = value }"),
    ("a.x 1", "1:5", "expected = after the key 'x'"),
    ("größe = 1", "1:3", "a key with 'ö' in it stands in quotes"),
    ("a..b = 1", "1:3", "a key is missing here"),
    ("x = 01", "1:5", "01: a number has no 0 in front"),
    ("x = [1.5.2]", "1:6", '1.5.2 is no number: write digits on both sides of the point, or "1.5.2" for a text'),
    ("x = .5", "1:5", ".5 is no number as TOML writes it: digits on both sides of the point, no 0 in front"),
    ("x = Infinity", "1:5", "not a number and infinity are written nan and inf"),
    ("x = 2024-02-30", "1:5", "there is no such date or time"),
    ("x = 2024-13-01", "1:5", "there is no such date or time"),
    ("x = 1,", "1:6", "no , here: each entry stands in a line of its own"),
    ("x = 1 // c", "1:7", "a comment begins with #"),
    ("x = 1 y = 2", "1:7", "expected the end of the line: each entry stands in a line of its own"),
    ("x = [1]]", "1:8", "this ] has no beginning"),
    ('x = [1, "abc\ny = "d"', "1:9", "this text has no closing quote"),
    ("'x = 1\n", "1:1", "this text has no closing quote"),
    ('x = 1\ny = """abc"\nz = 1', "2:5", "this text has no closing quote"),
    ("x = 'it's'", "1:8", "the text ends here: put a text with single quotes in it between double quotes"),
    (
        'x = "C:\\Users"',
        "1:8",
        "this escape stands for no character: write \\\\ for a backslash, or put the text in single quotes",
    ),
    ('x = "a\\qb"', "1:7", f"a backslash begins an escape: {ESCAPE}"),
    ("x = “hello”", "1:5", 'a text stands in straight quotes: "..."'),
    ("x = (1, 2)", "1:5", "a list stands between [ and ]"),
    ("x = [[1]", "1:5", "this list is not closed: the file ends before its ]"),
    ("x = {a = 1", "1:5", "this table is not closed: the file ends before its }"),
    ("x = [\n1 2]", "2:3", "a comma is missing before this, in the list that begins in line 1, column 5"),
    ("x = [1, 2}", "1:10", "the list that begins in line 1, column 5 ends with ], not with }"),
    ("x = [1,\n2\n[nodes]\n", "1:5", "this list is not closed: write ] before line 3"),
    ("x = [1,\n2,\n[nodes.h]\n", "1:5", "this list is not closed: write ] before line 3"),
    ("x = [1,\n  y = 2\n", "1:5", "this list is not closed: write ] before line 2"),
    ("x = {a = 1, }", "1:11", "TOML allows no comma after the last entry of a table in braces"),
    ("x = {a = 1,\nb = 2}", "1:5", "a table in braces stands in one line"),
    ("[nodes.h\nx = 1", "1:9", "this header is not closed: write ]"),
    ("[my h]", "1:5", "a name that is more than letters, digits, - and _ stands in quotes, found 'h'"),
    ("[]", "1:2", "a key is missing here"),
    ("# a\x01", "1:4", "the character '\\x01' cannot stand here: take it away, or in double quotes write it as an escape"),
    ("\n[a]\nx = 1\n[a]", "4:2", "the key 'a' is given twice (first in line 2)"),
    ("a.b = 1\na.b = 2", "2:3", "the key 'b' is given twice (first in line 1)"),
    ("a.b = 1\n[a]", "2:2", "the key 'a' is given twice (first in line 1)"),
    ("[[a]]\n[a]", "2:2", "the key 'a' is given twice (first in line 1)"),
    ("x = [1, {a = 1, a = 2}]", "1:17", "the key 'a' is given twice (first in line 1)"),
    ("x = 1\nx = {a = 2}", "2:1", "the key 'x' is given twice (first in line 1)"),
    ("a = 1\na.b = 2", "2:1", "'a' in line 1 is not a table: there is no 'b' in it"),
    ("a = 1\n[a.b]", "2:2", "'a' in line 1 is not a table: there is no 'b' in it"),
    ("a = {b = 1}\n[a.c]", "2:2", "'a' is closed in line 1: write 'c' between its braces"),
    ("[a.b]\n[a]\nb.c = 1", "3:1", "'b' has a header of its own in line 1: write this entry below it"),
]


@pytest.mark.parametrize(("text", "place", "sentence"), TOML)
def test_what_is_told_of_toml(text, place, sentence):
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    at, said = toml_error(text, caught.value)
    line, column = line_and_column(text, at)
    assert (f"{line}:{column}", said) == (place, sentence)


JSON = [
    ('{"a": [1,]}', "1:9", "JSON allows no comma after the last entry"),
    ('{"a": 1,\n}', "1:8", "JSON allows no comma after the last entry"),
    ('{"a": 1\n "b": 2}', "2:2", "a comma is missing before this"),
    ("{'a': 1}", "1:2", 'JSON writes text and keys in double quotes: "..."'),
    ("{a: 1}", "1:2", 'a key stands in double quotes: "a"'),
    ('{"a" = 1}', "1:6", "expected : after the key"),
    ('{"a": True}', "1:7", "JSON writes true, false and null, in small letters"),
    ('{"a": hello}', "1:7", 'a text needs quotes: write "hello"'),
    ('{"a": }', "1:7", "a value is missing here"),
    ('{"a": 01}', "1:8", "this is no number as JSON writes it: digits on both sides of the point, no 0 in front"),
    ('{"a": 1, // c\n "b": 2}', "1:10", "JSON has no comments: write the model as TOML to have them"),
    ('{"a": 1} {}', "1:10", "the file should end here: a model file is one table"),
    ('{"a": "x', "1:7", "this text has no closing quote"),
    ('{"a": "x\ny"}', "1:9", "a text cannot hold a line end or another control character: write it as an escape, \\n"),
    ('{"a": "say "hi""}', "1:12", 'the text ends here: a quote in a text is written \\"'),
    ('{"a": [1, 2}', "1:12", "a list ends with ], not with }"),
    ('{"a": [1, 2', "1:7", "this list is not closed: the file ends before its ]"),
    ('{"a": [1, 2],\n', "1:1", "this table is not closed: the file ends before its }"),
]


@pytest.mark.parametrize(("text", "place", "sentence"), JSON)
def test_what_is_told_of_json(text, place, sentence):
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    at, said = json_error(text, caught.value)
    line, column = line_and_column(text, at)
    assert (f"{line}:{column}", said) == (place, sentence)


def test_the_key_that_json_has_twice():
    text = '{"a": {"b": 1},\n "b": [{"a": 0}],\n "a": 2}'
    assert duplicate_key(text) == (text.rindex('"a"'), "the key 'a' is given twice (first in line 1)")


def test_a_message_that_is_not_known_is_told_as_it_is():
    assert toml_error("x = 1\ny", tomllib.TOMLDecodeError("News of TOML 2 (at line 2, column 1)")) == (6, "News of TOML 2")
    assert json_error("[1]", json.JSONDecodeError("News", "[1]", 1)) == (1, "News")


STATEMENTS = ["a = 1", "b = {a = 1}", "a.b = 1", "b.a.c = 1", "[a]", "[b]", "[a.b]", "[b.a]", "[[a]]", "[[a.b]]"]
STATEMENTS += ["c = {a = 1, a.b = 2}", "c = {a = {b = 1}, a.c = 2}"]


def mistake(reads, text):
    """What a parser says of a text, None where it reads it."""
    try:
        reads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        return error
    return None


@FUZZ
@given(st.lists(st.sampled_from(STATEMENTS), max_size=6))
def test_of_names_that_clash_the_first_is_told(lines):
    text = "\n".join(lines)
    error = mistake(tomllib.loads, text)
    if error is None:
        follow(text, ".toml", tomllib.loads(text), toml_key, toml_value)
        return
    at, said = toml_error(text, error)
    found = re.match(r".*?'(\w)'.* line (\d+)\b", said)
    second, _ = line_and_column(text, at)
    name, first = found[1], int(found[2])
    assert text[at:].startswith(name)
    assert name in lines[first - 1]
    assert mistake(tomllib.loads, "\n".join(lines[: second - 1])) is None  # the first line that is wrong
    assert mistake(tomllib.loads, "\n".join(lines[:second])) is not None
    assert first < second or lines[second - 1].startswith("c")


# ---- any text -------------------------------------------------------------------------------------------------------

LETTERS = [*"abé😀=.,:[]{}\"'#\n\t \\\x00-+019", '"""', "'''", "[[", "]]", "\\u", "true", "a = ", "\n[a]\n", '"a": ']
PIECES = st.sampled_from([*LETTERS, "&a ", "*a", "<<: ", "- ", "a: "])
TEXTS = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=30))
GOOD = [HARD, json.dumps({"a": [1, {"b": "c"}], "d": None}, indent=1), "a: &x [1, {b: c}]\nb: *x\n"]


@st.composite
def mutations(draw):
    """A good text with a piece taken out and another put in."""
    text = draw(st.sampled_from(GOOD))
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(TEXTS) + text[start + draw(st.integers(0, 5)) :]


@FUZZ
@given(TEXTS | mutations())
def test_any_text_can_be_looked_at(text):
    for ending in (".toml", ".json", ".yaml"):
        for place in places_of(text, ending).values():
            for start, end in filter(None, (place.key, place.value)):
                assert 0 <= start <= end <= len(text)
    for reads, tells in ((tomllib.loads, toml_error), (json.loads, json_error)):
        error = mistake(reads, text)
        if error is not None:
            at, said = tells(text, error)
            assert 0 <= at <= len(text)
            assert said


@FUZZ
@given(TEXTS | mutations())
def test_all_of_any_toml_is_found(text):
    if mistake(tomllib.loads, text) is None:
        assert set(places_of(text, ".toml")) == set(dict(parts_of(tomllib.loads(text))))


MANY = 100_000
MERGED = "k0: &k0 {a: 1}\n" + "".join(f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}]}}\n" for n in range(1, 60))
ENDLESS = [
    "x = " + "[" * MANY,
    "x = " + "{a=" * MANY,
    "x = [" + "1," * 3 * MANY,
    "[" + "1," * 3 * MANY,
    "a." * 4 * MANY + "a = 1",
    "[" + "a . " * MANY,
    '"' * MANY,
    "'" * MANY,
    'x = """' + '""a' * MANY,
    'x = "' + "\\n" * MANY,
    "x = " + "# a\n" * MANY,
    "\n" * MANY + "?",
    " " * MANY + "?",
    "[a]\n" * MANY,
    "[[a]]\n" * MANY + "?",
    "a=" * MANY,
    "x = [\n" + "[a],[\n" * MANY,
    "x = 1" + " ]" * MANY,
    "1" * MANY + "?",
    "[" * MANY,
    '{"a":' * MANY,
    "[" + '"\\n",' * MANY,
    '{"a": ' + "\\" * MANY,
    "a: |\n" + "\n" * MANY + "b: [" + "*a," * 1000,
    "- " * MANY,
    "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]\n" for n in range(1, 12)),
    MERGED,
]


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_the_time_does_not_explode(text):
    start = time.monotonic()
    for ending in (".toml", ".json", ".yaml"):
        assert len(places_of(text, ending)) <= MAX_VALUES + 1
    toml_error(text, tomllib.TOMLDecodeError("Invalid value (at end of document)"))
    toml_error(text, tomllib.TOMLDecodeError("Unclosed array (at line 1, column 5)"))
    json_error(text, json.JSONDecodeError("Expecting value", text, len(text)))
    assert time.monotonic() - start < 20  # without a bound, hours


def test_what_is_merged_many_times_is_found_once():
    assert set(places_of(MERGED, ".yaml")) == {(), *[(f"k{n}",) for n in range(60)], *[(f"k{n}", "a") for n in range(60)]}
