"""``ourdl new``: what it writes, what it refuses, and that what it writes installs and is proved as it is."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from environments import Environment, as_here, build_wheel, clean, ran

from ourdl_cli import new_command
from ourdl_cli.main import main
from ourdl_core import registry
from ourdl_core.names import parse

ROOT = Path(__file__).parent.parent
WRITTEN = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "my_ops/__init__.py",
    "my_ops/py.typed",
    "my_ops/wiggle.py",
    "pyproject.toml",
}
SHOWN = """\
wrote my-ops: a package with one op, my-ops::MyWiggle-v1

To change, when you make it yours
  my-ops/README.md:3:          what the ops are for, and a row for each
  my-ops/pyproject.toml:8:     say in a line what they are for
  my-ops/pyproject.toml:11:    your name
  my-ops/pyproject.toml:12:    put the text of a licence into the file LICENSE, and name it here,
                               as: license = "MIT"
  my-ops/pyproject.toml:20:    the name of your op, which is the name of its class
  my-ops/my_ops/wiggle.py:9:   the name of your op; this file may have another name too
  my-ops/my_ops/wiggle.py:17:  the formula, its source and an example in the docstring above; below,
                               the attributes
  my-ops/my_ops/wiggle.py:22:  calls to try, with and without attributes; mk makes arrays of random
                               numbers
  my-ops/my_ops/wiggle.py:24:  the same in NumPy, in float64, written independently of compute
  my-ops/my_ops/wiggle.py:26:  calls that must be refused, and with what message
  my-ops/my_ops/wiggle.py:38:  what it computes of an array of any library: namespace(x) stands for
                               NumPy
  my-ops/my_ops/wiggle.py:42:  g times the derivative, in operators and ops, so that it can be
                               differentiated again

To install and prove it as it is
  cd my-ops
  python -m pip install --editable ".[test]"
  python -m pytest --ourdl=my-ops
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def new(here, capsys):
    """Exit status, stdout and stderr of ``ourdl new`` with these arguments."""

    def run(*arguments):
        return main(["new", *map(str, arguments)]), *capsys.readouterr()

    return run


def files_in(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


# ---- what is written ------------------------------------------------------------------------------------------------


def test_what_a_person_sees(new, here):
    assert new("my-ops") == (0, SHOWN, "")
    assert [path.name for path in here.iterdir()] == ["my-ops"]
    assert files_in(here / "my-ops") == WRITTEN


def test_every_place_to_change_is_listed_with_its_line(new, here):
    listed = re.findall(r"^  (my-ops/\S+):(\d+):", new("my-ops")[1], re.MULTILINE)
    marked = [
        (f"my-ops/{file}", str(number))
        for file in WRITTEN
        for number, line in enumerate((here / "my-ops" / file).read_text(encoding="utf-8").splitlines(), 1)
        if "TODO(author)" in line
    ]
    assert sorted(listed) == sorted(marked)


@pytest.mark.parametrize("columns", [40, 60])
def test_the_list_keeps_to_a_narrow_terminal(new, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    below = new("my-ops")[1].partition("To change")[2].partition("\nTo install")[0]
    assert max(map(len, below.splitlines())) <= columns


def test_the_templates_are_all_used_and_filled(new, here):
    new("My_Ops")
    texts = {file: (here / "my-ops" / file).read_text(encoding="utf-8") for file in WRITTEN}
    assert [file for file, text in texts.items() if re.search(r"\$(?!\{\{)|My_Ops", text)] == []
    assert "${{ matrix.python }}" in texts[".github/workflows/ci.yml"]
    templates = {path.name for path in (ROOT / "ourdl_cli" / "template").iterdir()}
    assert templates == {f"{Path(file).name}.txt" for file in WRITTEN}


def test_the_metadata_are_those_of_ourdl(new, here):
    """So that they are not forgotten when OurDL moves on."""
    new("my-ops")
    made = tomllib.loads((here / "my-ops" / "pyproject.toml").read_text(encoding="utf-8"))
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert made["build-system"] == ours["build-system"]
    assert made["project"]["requires-python"] == ours["project"]["requires-python"]
    assert made["project"]["entry-points"] == {"ourdl.ops": {"MyWiggle": "my_ops.wiggle:MyWiggle"}}
    assert made["project"]["optional-dependencies"] == {"test": ["ourdl[contract]"]}
    pythons = re.findall(r":: (3\.\d+)", "\n".join(ours["project"]["classifiers"]))
    ci = (here / "my-ops" / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', ci) == pythons


def test_the_code_is_as_linters_want_it(new, here):
    new("my-ops")
    for command in ("check", "format --check"):
        ran([sys.executable, "-m", "ruff", *command.split(), "--isolated", "--line-length", "125", "my-ops"])


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("my-ops", "MyWiggle"),
        ("ops", "Wiggle"),
        ("loops", "LoopsWiggle"),
        ("ops-2d", "Ops2dWiggle"),
        ("acme-activations", "AcmeActivationsWiggle"),
    ],
)
def test_the_op_has_a_name_that_nobody_has(name, op):
    assert new_command.op_for(name) == op
    assert op not in {entry.name for entry in registry.entries()}


def test_names_are_normalised_and_a_folder_can_be_named(new, here):
    (here / "my work").mkdir()
    status, out, _ = new("Acme__Wave.ops", "--into", "my work")
    assert status == 0
    assert out.startswith("wrote my work/acme-wave-ops: a package with one op, acme-wave-ops::AcmeWaveWiggle-v1\n")
    assert '\n  cd "my work/acme-wave-ops"\n' in out
    assert "acme_wave_ops/wiggle.py" in files_in(here / "my work" / "acme-wave-ops")


def test_the_longest_name_is_one_that_python_and_ourdl_take(new, here):
    name = "a" * new_command.LONGEST
    assert new(name)[0] == 0
    ast.parse((here / name / name / "wiggle.py").read_text(encoding="utf-8"))
    assert parse(f"{name}::{new_command.op_for(name)}-v1").domain == name


def test_an_empty_folder_is_filled(new, here):
    (here / "my-ops").mkdir()
    assert new("my-ops")[0] == 0
    assert files_in(here / "my-ops") == WRITTEN


# ---- what is refused ------------------------------------------------------------------------------------------------

NO_NAME = "cannot be the name of a distribution: write letters, digits and single hyphens, as my-ops"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", f"'' {NO_NAME}"),
        ("my ops", f"'my ops' {NO_NAME}"),
        ("my-ops-", f"'my-ops-' {NO_NAME}"),
        ("../ops", f"'../ops' {NO_NAME}"),
        ("my-ops\n", f"'my-ops\\n' {NO_NAME}"),
        ("möps", f"'m\\xf6ps' {NO_NAME}"),
        ("a" * 61, f"'{'a' * 61}' is 61 characters long: the name of a package of ops has at most 60"),
        ("2d-ops", "'2d-ops' would make a module '2d_ops', which Python cannot import: begin with a letter"),
        ("Class", "'Class' would make a module 'class', a keyword of Python, which it cannot import: choose another name"),
        ("json", "'json' would make a module 'json', which hides the one of Python's library: choose another name"),
        ("numpy", "'numpy' would make a module 'numpy', which hides one that OurDL needs: choose another name"),
        ("OurDL-x", "'OurDL-x' begins with 'ourdl', as only OurDL's own packages do: choose another name"),
        ("local", "'local' is the domain of ops that no package offers: choose another name"),
    ],
)
def test_a_name_that_will_not_do(new, here, name, message):
    assert new(name) == (2, "", f"ourdl: new: {message}\n")
    assert list(here.iterdir()) == []


def test_a_folder_with_something_in_it(new, here):
    (here / "my-ops").mkdir()
    (here / "my-ops" / "mine.txt").write_text("mine")
    message = "ourdl: new: the folder my-ops exists already, and is not empty. Nothing was written\n"
    assert new("my-ops") == (2, "", message)
    assert files_in(here) == {"my-ops/mine.txt"}


def test_a_file_of_the_name(new, here):
    (here / "my-ops").write_text("mine")
    assert new("my-ops") == (2, "", "ourdl: new: my-ops exists already, and is not a folder. Nothing was written\n")
    assert (here / "my-ops").read_text() == "mine"


def test_a_place_that_is_not_there(new, here):
    assert new("my-ops", "--into", "nowhere") == (2, "", "ourdl: --into nowhere: there is no directory nowhere\n")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_what_was_half_written(new, here, monkeypatch, error):
    write, done = Path.write_text, []

    def fail_at_the_third(path, *arguments, **options):
        done.append(path)
        if len(done) == 3:
            raise error
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", fail_at_the_third)
    status, out, err = new("my-ops")
    assert (status, out) == ((2, "") if isinstance(error, OSError) else (130, ""))
    assert err.startswith("ourdl: ")
    assert len(done) == 3
    assert list(here.iterdir()) == []


# ---- for real -------------------------------------------------------------------------------------------------------

NEEDS = ("numpy", "pluggy", "typing-extensions", "pytest", "array-api-strict", "hypothesis")
VJP = "return g * (1.0 + self.height * ops.Cos(x))"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An environment in which a person has installed OurDL, typed ``ourdl new my-ops``, and then what it said."""
    folder = tmp_path_factory.mktemp("new")
    place = Environment(folder)
    place.install(f"{build_wheel(ROOT, folder / 'wheel')}[contract]", *as_here(*NEEDS))
    said = ran([place.scripts / "ourdl", "new", "my-ops"], cwd=folder, env=clean())
    assert said.splitlines()[-2:] == ['  python -m pip install --editable ".[test]"', "  python -m pytest --ourdl=my-ops"]
    place.install("--editable", ".[test]", cwd=folder / "my-ops")
    return place


def proved(place, *arguments):
    """``pytest`` there, in the folder of the package: exit status, output, and the results."""
    report = place.folder / "report.json"
    command = [place.scripts / "pytest", *arguments, f"--ourdl-report={report}"]
    done = subprocess.run(command, cwd=place.folder / "my-ops", env=clean(), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, json.loads(report.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.xdist_group("new")
@pytest.mark.parametrize("more", [(), ("--ourdl-strict", "--ourdl-seed", "7", "--strict-markers")], ids=["once", "strict"])
def test_it_is_proved_as_it_is(place, more):
    status, text, report = proved(place, "--ourdl=my-ops", *more)
    assert status == 0, text
    (line,) = (line for line in text.splitlines() if line.startswith("1 op"))
    assert re.fullmatch(r"1 ops?, (\d+) checks on \d+ cases: \1 passed, 0 failed; \d+ do not apply, 0 were not run", line)
    assert not re.search(r"^(not proved|reported|waived)|warning", text, re.MULTILINE)
    checks = report["ops"]["my-ops::MyWiggle-v1"]
    # It is no loss, has no input without a gradient and no file of an earlier release, and nothing is waived.
    assert {id for id, row in checks.items() if row["outcome"] != "passed"} == {"G08", "G10", "K01", "P02"}


@pytest.mark.slow
@pytest.mark.xdist_group("new")
def test_a_bug_that_is_planted_is_found_and_its_line_runs_it_again(place):
    file = place.folder / "my-ops" / "my_ops" / "wiggle.py"
    right = file.read_text(encoding="utf-8")
    assert right.count(VJP) == 1
    file.write_text(right.replace(VJP, VJP.replace("return", "return 1.0005 *")), encoding="utf-8")
    try:
        status, text, report = proved(place, "--ourdl=my-ops")
        failed = {id for id, row in report["ops"]["my-ops::MyWiggle-v1"].items() if row["outcome"] == "failed"}
        assert (status, failed) == (1, {"G01", "G02"}), text  # G02 is about the gradient too, in the tails
        (line,) = set(re.findall(r"again: pytest (.*and G01.*)", text))
        assert line == '--ourdl=my-ops -k "my-ops::MyWiggle-v1 and G01" --ourdl-seed 0'
        status, again, report = proved(place, *shlex.split(line))
        assert (status, list(report["ops"]["my-ops::MyWiggle-v1"])) == (1, ["G01"]), again
        assert message_of(again) == message_of(text)
    finally:
        file.write_text(right, encoding="utf-8")


def message_of(text):
    """What a run says of G01, down to the line that runs it again."""
    return re.search(r"^my-ops::MyWiggle-v1 fails G01.*?again: [^\n]*", text, re.DOTALL | re.MULTILINE)[0]


@pytest.mark.slow
@pytest.mark.xdist_group("new")
def test_its_wheel_holds_the_package_and_its_readme_runs(place):
    folder = place.folder / "my-ops"
    with zipfile.ZipFile(build_wheel(folder, place.folder / "wheels")) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {"my_ops/__init__.py", "my_ops/py.typed", "my_ops/wiggle.py"}
    (example,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert place.run(example) == "1.4207354924039484"
