"""``ourdl migrate``: the mechanism, by a pretended next format, since the first format is the newest."""

import json
import tomllib

import pytest

from ourdl_cli.main import main
from ourdl_core.reading import FORMAT
from ourdl_files import ModelFileError, load
from ourdl_files.migrations import STEPS, Put, Rename, migrate

TOML = """\
# A small net.
ourdl = 1            # the format

[inputs]
x = { shape = ["batch", 4] }

[nodes]
h   = { op = "Dense", units = 3, in = "x" }  # hidden
# the next one is spelt otherwise
[nodes.y]
in = [ "h" ]
op = 'Relu'

[outputs]
y = "y"
"""
JSON = """{"ourdl":  1, "inputs": {"x": {"shape": ["batch", 4]}},
    "nodes": {"h": {"units": 3, "op": "Dense", "in": "x"}, "y": {"in": ["h"],   "op": "Relu"}},
  "outputs": {"y": "y"}}
"""
YAML = """\
# A small net.
ourdl: 1   # the format
inputs:
  x: {shape: [batch, 4]}
nodes:
  h: {op: Dense, in: x, units: 3}   # hidden
  y:
    in:
    - h
    # and
    op: Relu
outputs: {y: y}
"""


def renamed(tree):
    """The pretended step: 'in' of a node is called 'of it', and Relu is Rectified Linear."""
    for name, row in tree["nodes"].items():
        yield Rename(("nodes", name, "in"), "of it")
        if row["op"] == "Relu":
            yield Put(("nodes", name, "op"), "no")


def doubled(tree):
    yield Put(("nodes", "h", "units"), 1e-7)


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        (
            "m.toml",
            TOML,
            {"= 1 ": "= 2 ", 'in = "x"': '"of it" = "x"', 'in = [ "h" ]': '"of it" = [ "h" ]', "'Relu'": '"no"'},
        ),
        ("m.json", JSON, {'":  1': '":  2', '"in"': '"of it"', '"Relu"': '"no"'}),
        ("m.yaml", YAML, {": 1 ": ": 2 ", "in: x": '"of it": x', "in:\n": '"of it":\n', "Relu": "'no'"}),
    ],
)
def test_a_step_changes_what_it_says_and_no_comment(tmp_path, name, text, changes):
    path = tmp_path / name
    path.write_text(text)
    assert migrate(path, check=True, steps={1: renamed}, newest=2) == 1
    assert path.read_text() == text
    assert migrate(path, steps={1: renamed}, newest=2) == 1
    expected = text
    for old, new in changes.items():
        expected = expected.replace(old, new)
    assert path.read_text() == expected
    assert migrate(path, steps={1: renamed}, newest=2) == 2
    assert path.read_text() == expected
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "text"), [("m.toml", TOML), ("m.json", JSON), ("m.yaml", YAML)])
def test_steps_follow_one_another(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert migrate(path, steps={1: renamed, 2: doubled}, newest=3) == 1
    written = path.read_text()
    assert written.count("#") == text.count("#")
    assert "1e-07" in written or "1.0e-07" in written
    with pytest.raises(
        ModelFileError, match=r"is of format 3, this OurDL \(.*\) reads up to 1: upgrade OurDL: python -m pip"
    ):
        migrate(path)


def test_line_ends_and_the_mark_at_the_beginning_stay(tmp_path):
    path = tmp_path / "m.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode())
    migrate(path, steps={1: renamed}, newest=2)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf# A small net.\r\nourdl = 2 ")
    assert content.count(b"\r\n") == content.count(b"\n") == TOML.count("\n")
    path.chmod(0o600)
    before = path.stat().st_mode
    path.write_text(TOML)
    migrate(path, steps={1: renamed}, newest=2)
    assert path.stat().st_mode == before


@pytest.mark.parametrize(
    ("name", "text", "change", "message"),
    [
        (
            "m.toml",
            "ourdl = 1\nnodes.h.op = 'Dense'\nnodes.h.in = 'x'\n",
            Rename(("nodes", "h"), "g"),
            r"places: nodes\.h\. Write",
        ),
        ("m.yaml", "ourdl: 1\na: &a {k: 1}\nb: *a\n", Put(("a", "k"), 2), r"several places: a\.k\. Write each in one place"),
        ("m.json", '{"ourdl": 1}', Put(("a",), 2), "it is not found in the text"),
        ("m.json", '{"ourdl": 1}', Rename(("a",), "b"), "it is not found in the text"),
        ("m.json", '{"ourdl": 1, "a": 1, "b": 2}', Rename(("a",), "b"), "cannot be migrated"),
    ],
)
def test_what_cannot_be_edited_to_mean_just_that_is_refused(tmp_path, name, text, change, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ModelFileError, match=message):
        migrate(path, steps={1: lambda tree: [change]}, newest=2)
    assert path.read_text() == text


def test_every_older_format_has_a_step():
    assert sorted(STEPS) == list(range(1, FORMAT))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\n", "the version of the format is missing: begin the file with ourdl = 1"),
        ("ourdl = true\n", "the version of a format is a whole number, found True"),
        ("ourdl = 0\n", "the version of a format is a whole number, found 0"),
        ("ourdl = \n", r"m\.toml:1:\d+: "),
        ("ourdl = 9\n", r"m\.toml:1:9: is of format 9, this OurDL \(.*\) reads up to 1: upgrade OurDL"),
    ],
)
def test_a_file_of_no_known_format_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=message):
        migrate(path)
    assert path.read_text() == text


def test_the_command(tmp_path, capsys, monkeypatch):
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(TOML)
    new.write_text(TOML.replace("ourdl = 1", "ourdl = 2"))
    assert main(["migrate", str(old)]) == 0
    assert capsys.readouterr().out == f"{old}: is of format 1, the newest: nothing to do\n"
    assert main(["migrate", "--check", str(old)]) == 0
    assert main(["migrate", str(new), str(old), str(tmp_path / "none.toml")]) == 2
    found = capsys.readouterr()
    assert "new.toml:2:9: is of format 2" in found.err
    assert "none.toml: no such file" in found.err
    assert found.out.endswith(f"{old}: is of format 1, the newest: nothing to do\n")

    from ourdl_cli import file_commands
    from ourdl_files import migrations

    def pretended(path, check):
        return migrations.migrate(path, check=check, steps={1: renamed}, newest=2)

    monkeypatch.setattr(file_commands, "FORMAT", 2)
    monkeypatch.setattr(file_commands, "migrate", pretended, raising=False)
    assert main(["migrate", "--check", str(old), str(new)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{old}: is of format 1: ourdl migrate brings it to format 2",
        f"{new}: is of format 2, the newest: nothing to do",
    ]
    assert main(["migrate", str(old)]) == 0
    assert capsys.readouterr().out == f"{old}: was of format 1, is now of format 2\n"
    assert tomllib.loads(old.read_text())["ourdl"] == 2


def test_what_is_migrated_means_what_json_would(tmp_path):
    for name, text in (("m.toml", TOML), ("m.json", JSON), ("m.yaml", YAML)):
        (tmp_path / name).write_text(text)
    trees = [load(tmp_path / name).graph.to_dict() for name in ("m.toml", "m.json", "m.yaml")]
    assert trees[0] == trees[1] == trees[2]
    assert json.loads(JSON)["nodes"]["h"]["units"] == 3
