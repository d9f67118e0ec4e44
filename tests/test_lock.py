"""Locks: made and checked from metadata and bytes alone; each disagreement says what mends it."""

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from environments import Environment, as_here, build_wheel
from hypothesis import given, settings
from hypothesis import strategies as st

from ourdl_cli.main import main
from ourdl_core import registry
from ourdl_core.errors import OpWarning
from ourdl_files import ModelFileError, load
from ourdl_files.lock import LockError, check_lock, known_to_lock, make_lock, read_lock, used_names, write_lock
from ourdl_files.lock_text import lock_of, lock_text
from ourdl_files.lock_words import lock_command, pip_command
from ourdl_files.sources import source_of
from ourdl_files.toml_text import toml_text

ROOT = Path(__file__).parent.parent
MODEL = """ourdl = 1

[inputs]
x = { shape = ["batch", 4], dtype = "float32" }

[nodes]
h = { op = "Dense", in = "x", units = 3, weight_init = "HeNormal" }
s = { op = "Snake", in = "h" }

[outputs]
s = "s"
"""
SNAKE = '''"""An op of a made-up package."""

from ourdl_core import Elementwise


class Snake(Elementwise):
    """x + 1."""

    def compute(self, x):
        return x + 1
'''
FILES = {"acme_ops/__init__.py": "", "acme_ops/help.py": "one = 1\n", "acme_ops/snake.py": SNAKE}
AGAIN = "python -m pip install --force-reinstall acme-ops==1.2"


def publish(site, version="1.2", entry="Snake = acme_ops.snake:Snake", name="acme-ops", files=None, **changes):
    """What pip leaves of a wheel in a folder on the path: ``files``, but for those that are other ones in ``changes``."""
    files = (FILES if files is None else files) | {f"acme_ops/{key}.py": text for key, text in changes.items()}
    stem = name.replace("-", "_")
    for old in [*site.glob(f"{stem}-*"), *site.glob("acme_ops" if name == "acme-ops" else stem)]:
        shutil.rmtree(old)
    info = site / f"{stem}-{version}.dist-info"
    info.mkdir(parents=True)
    for file, text in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if entry:
        (info / "entry_points.txt").write_text(f"[ourdl.ops]\n{entry}\n" if "[" not in entry else entry)
    record(site, info, files)
    forget()


def record(site, info, files):
    """Write RECORD, as pip does."""
    rows = [f"{file},sha256={hashed(site / file)},9" for file in files]
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,", "../../bin/acme,sha256=x,1"]) + "\n")


def hashed(file):
    return base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")


def forget():
    for name in [name for name in sys.modules if name.startswith("acme")]:
        del sys.modules[name]
    registry.refresh()


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    publish(folder)
    yield folder
    monkeypatch.undo()
    forget()


@pytest.fixture
def model(tmp_path, site, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(MODEL)
    assert main(["lock", "m.toml"]) == 0
    capsys.readouterr()
    return Path("m.toml")


def refusal(file):
    with pytest.raises(ModelFileError) as error:
        load(file, locked=True)
    return str(error.value)


# ---- what a lock says -----------------------------------------------------------------------------------------------


def test_what_a_lock_says(model, site):
    text = Path("m.toml.lock").read_text()
    lock = tomllib.loads(text)
    assert lock["ops"]["acme-ops::Snake-v1"] == {
        "package": "acme-ops",
        "target": "acme_ops.snake:Snake",
        "names": ["Snake"],
        "file": "acme_ops/snake.py",
        "sha256": hashlib.sha256((site / "acme_ops" / "snake.py").read_bytes()).hexdigest(),
    }
    assert set(lock["packages"]) == {"acme-ops", "ourdl"}
    assert lock["packages"]["acme-ops"].keys() == {"version", "sha256"}
    assert set(lock["initializers"]) == {"ourdl::HeNormal-v1"}
    assert (lock["lock"], lock["format"]) == (1, 1)
    assert text.startswith("# Which packages m.toml was made with.")
    assert "under version control" in text
    assert text.endswith('"\n')
    headers = [line for line in text.splitlines() if line.startswith("[")]
    assert [line.partition(".")[0] for line in headers] == 2 * ["[packages"] + ["[initializers"] + 2 * ["[ops"]
    assert load(model, locked=True).graph["s"].kind == "Snake"


def test_the_same_names_give_the_same_text_and_are_read_back(model):
    lock, problems, _ = make_lock(tomllib.loads(MODEL))
    assert problems == []
    text = lock_text(lock, model)
    assert Path("m.toml.lock").read_text() == text
    assert lock_of(text.encode()) == lock == read_lock(model)
    before = os.stat("m.toml.lock").st_mtime_ns
    assert main(["lock", "m.toml"]) == 0
    assert os.stat("m.toml.lock").st_mtime_ns == before


def test_odd_names_of_files_are_no_danger_to_the_text(tmp_path, site):
    for name in ("a\nb = 3\n.toml", "it's.toml", "\N{SNOWMAN} x.toml"):
        model = tmp_path / name
        model.write_text(MODEL)
        lock = make_lock(tomllib.loads(MODEL))[0]
        write_lock(lock, model)
        assert read_lock(model) == lock


NOTHING_RUNS = """
import sys, tomllib
from pathlib import Path

ran = []
def hook(event, arguments):
    if event == "import" and arguments[0].startswith(("acme", "ourdl_nn", "ourdl_ops", "ourdl_activations", "ourdl_train")):
        ran.append(arguments[0])
    if event == "exec" and "acme" in str(getattr(arguments[0], "co_filename", "")):
        ran.append(arguments[0].co_filename)
sys.addaudithook(hook)
from ourdl_files.lock import check_lock, known_to_lock, make_lock, unused_in_lock, used_names, write_lock

tree = tomllib.loads(Path("m.toml").read_text())
lock, problems, notes = make_lock(tree)
write_lock(lock, "m.toml")
assert lock.names["ops"].keys() == {"acme-ops::Snake-v1", "ourdl::Dense-v1"}, lock
assert problems + check_lock("m.toml", tree) + unused_in_lock("m.toml", tree) == []
assert ("nodes", "s", "op") in known_to_lock("m.toml", tree)
assert ran == [], ran
import acme_ops.help
assert len(ran) > 2, ran
"""


def test_nothing_of_a_plugin_is_imported_or_run(model, site):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    done = subprocess.run([sys.executable, "-c", NOTHING_RUNS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_imports_no_op_either(model, site):
    forget()
    assert main(["lock", "m.toml"]) == main(["lock", "--check", "m.toml"]) == 0
    publish(site, snake='raise SystemExit("imported")\n')
    assert "is not the file that is locked" in refusal(model)
    assert not [name for name in sys.modules if name.startswith("acme")]


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_another_version_is_refused_with_the_command_that_mends_it(model, site):
    publish(site, "1.3")
    assert refusal(model) == (
        "m.toml:8:12: acme-ops 1.2 is locked, 1.3 is installed: python -m pip install acme-ops==1.2\n"
        '  8 | s = { op = "Snake", in = "h" }\n'
        "    |            ^^^^^^^"
    )
    assert load(model).graph["s"].kind == "Snake"  # nobody insisted


def edit(info):
    """Make the package one that is installed editable."""
    (info / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "file:///x"}')


def change(name, content):
    def changing(site):
        (site / "acme_ops" / name).write_text(content)

    return changing


@pytest.mark.parametrize(
    ("changing", "message"),
    [
        (change("snake.py", SNAKE + "#"), f"acme_ops/snake.py of acme-ops 1.2 was changed after it was installed: {AGAIN}"),
        (change("help.py", "one = 2"), f"acme_ops/help.py of acme-ops 1.2 was changed after it was installed: {AGAIN}"),
        (
            lambda site: (site / "acme_ops" / "help.py").unlink(),
            f"acme_ops/help.py of acme-ops 1.2 was changed after it was installed: {AGAIN}",
        ),
        (
            lambda site: publish(site, snake=SNAKE.replace("x + 1", "x + 2")),
            f"acme_ops/snake.py of acme-ops 1.2 is not the file that is locked: {AGAIN}; "
            "if another build is meant, run: ourdl lock m.toml",
        ),
        (
            lambda site: publish(site, help="one = 2"),
            f"acme-ops 1.2 has other files than the one that is locked: {AGAIN}; "
            "if another build is meant, run: ourdl lock m.toml",
        ),
        (
            lambda site: publish(site, entry="Snake = acme_ops.snake:Other"),
            f"acme-ops::Snake-v1 is acme_ops.snake:Other here, and acme_ops.snake:Snake in m.toml.lock: {AGAIN}",
        ),
        (
            lambda site: publish(site, entry="Other = acme_ops.snake:Snake"),
            f"acme-ops 1.2 has no acme-ops::Snake-v1 here, as it has in m.toml.lock: {AGAIN}",
        ),
        (
            lambda site: publish(site, entry="Snake-v2 = acme_ops.snake:Snake\nSnake = acme_ops.snake:Snake"),
            "'Snake' stands for acme-ops::Snake-v2 (acme-ops 1.2), m.toml.lock has acme-ops::Snake-v1: "
            "write that, or run: ourdl lock m.toml",
        ),
        (
            lambda site: (shutil.rmtree(site / "acme_ops-1.2.dist-info"), forget()),
            "acme-ops 1.2 is locked, it is not installed: python -m pip install acme-ops==1.2",
        ),
        (
            lambda site: (site / "acme_ops-1.2.dist-info" / "direct_url.json").write_text(
                '{"dir_info": {"editable": true}}'
            ),
            "acme-ops 1.2 is locked as it is published, here it is installed editable: "
            f"its files may change without a new version: {AGAIN}",
        ),
    ],
)
def test_what_is_not_as_it_was_locked_is_refused(model, site, changing, message):
    changing(site)
    assert refusal(model) == f"m.toml:8:12: {message}\n" + '  8 | s = { op = "Snake", in = "h" }\n    |            ^^^^^^^'


def test_each_package_and_each_file_is_told_once_where_it_is_first_used(model, site):
    entries = "Snake = acme_ops.snake:Snake\nCobra = acme_ops.snake:Snake\nAdder = acme_ops.help:Adder"
    more = MODEL + '[functions.f.nodes]\nc = { op = "Cobra" }\nd = { op = "Adder" }\ne = { op = "Adder" }\n'
    model.write_text(more)
    publish(site, entry=entries)
    assert main(["lock", "m.toml"]) == 0
    publish(site, entry=entries, snake=SNAKE + "#", help="#")
    found = [(each.path, each.message.partition(" of ")[0]) for each in check_lock(model, tomllib.loads(more))]
    assert found == [
        (("nodes", "s", "op"), "acme_ops/snake.py"),
        (("functions", "f", "nodes", "d", "op"), "acme_ops/help.py"),
    ]
    publish(site, "1.3", entry=entries)
    assert [each.path for each in check_lock(model, tomllib.loads(more))] == [("nodes", "s", "op")]


def test_a_file_that_would_be_imported_instead_is_refused(model, tmp_path, monkeypatch):
    other = tmp_path / "other" / "acme_ops"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    (other / "snake.py").write_text(SNAKE)
    monkeypatch.syspath_prepend(str(other.parent))
    forget()
    text = f"acme_ops.snake would be imported from {other / 'snake.py'}, which hides that of acme-ops 1.2, "
    assert text in refusal(model)
    assert main(["lock", "m.toml"]) == 2


def test_the_core_is_compared_whatever_is_used(model):
    lock = Path("m.toml.lock").read_text()
    version = tomllib.loads(lock)["packages"]["ourdl"]["version"]
    Path("m.toml.lock").write_text(lock.replace(f'version = "{version}"', 'version = "0.0.1"'))
    text = f"ourdl 0.0.1 is locked, {version} is installed: python -m pip install ourdl==0.0.1"
    for tree, path in (({"ourdl": 1}, ()), ({"ourdl": 1, "nodes": {"a": {"op": "Dense"}}}, ("nodes", "a", "op"))):
        assert [(each.path, each.message) for each in check_lock(model, tree)] == [(path, text)]


def test_a_name_means_what_it_meant(model, site, monkeypatch):
    """Of two packages that are both locked, a preference would let a bare name stand for the other one."""
    model.write_text(MODEL + '[functions.f.nodes]\nb = { op = "beta::Snake" }\n')
    beta = {"beta/__init__.py": "", "beta/snake.py": SNAKE}
    publish(site, name="beta", files=beta, entry="Snake = beta.snake:Snake")
    assert "'Snake' is provided by 2 packages" in refusal(model)
    assert "\n    m.toml.lock has acme-ops::Snake-v1" in refusal(model)
    tree = tomllib.loads(model.read_text())
    monkeypatch.setattr(registry, "_environment", type(registry._environment)({"OURDL_PREFER": "acme-ops"}, "ourdl"))
    registry.refresh()
    write_lock(make_lock(tree)[0], model)
    assert check_lock(model, tree) == []
    monkeypatch.setattr(registry, "_environment", type(registry._environment)({"OURDL_PREFER": "beta"}, "ourdl"))
    registry.refresh()
    (problem,) = check_lock(model, tree)
    assert problem.message.startswith("'Snake' stands for beta::Snake-v1 (beta 1.2), m.toml.lock has acme-ops::Snake-v1")


def test_another_spelling_of_what_is_locked_is_no_mistake(model):
    model.write_text(MODEL.replace('"Snake"', '"Acme_Ops::Snake-v1"'))
    assert load(model, locked=True).graph["s"].kind == "Snake"


def test_what_is_not_in_the_lock(model):
    model.write_text(MODEL.replace('"HeNormal"', '"Ones"') + '[parameters]\nw = { shape = [3], init = "Zeros" }\n')
    text = refusal(model)
    assert "m.toml:7:56: 'Ones' is not locked: run: ourdl lock m.toml" in text
    assert "m.toml:13:27: 'Zeros' is not locked: run: ourdl lock m.toml" in text


def test_a_name_that_nobody_knows_is_told_as_ever(model):
    model.write_text(MODEL.replace("Dense", "Dnse"))
    assert "m.toml:7:12: no op named 'Dnse'. Did you mean Dense?" in refusal(model)


def test_a_hidden_package_is_told_as_such(model, monkeypatch):
    monkeypatch.setattr(registry, "_environment", type(registry._environment)({"OURDL_BLOCK": "acme-ops"}, "ourdl"))
    registry.refresh()
    assert "acme-ops::Snake-v1 is hidden by OURDL_BLOCK=acme-ops. Take acme-ops off OURDL_BLOCK" in refusal(model)


def test_an_alias_that_is_gone(model, site):
    publish(site, entry="[ourdl.aliases]\nShine = Relu\n[ourdl.ops]\nSnake = acme_ops.snake:Snake\n")
    model.write_text(MODEL.replace("Dense", "Shine"))
    assert main(["lock", "m.toml"]) == 0
    publish(site)
    assert "'Shine' stands for nothing here, m.toml.lock has ourdl::Relu-v1: write that" in refusal(model)


def test_a_file_of_another_format(model):
    tree = tomllib.loads(MODEL) | {"ourdl": 2}
    (problem,) = check_lock(model, tree)
    assert (problem.path, problem.message) == (
        ("ourdl",),
        "m.toml.lock is that of a file of format 1: run: ourdl lock m.toml",
    )


# ---- locks that cannot be read --------------------------------------------------------------------------------------

PACKAGE = '[packages.acme-ops]\nversion = "1.2"\n'
ROW = '[ops."acme-ops::Snake-v1"]\npackage = "acme-ops"\ntarget = "a:b"\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no m.toml.lock"),
        ("lock = ", "m.toml.lock is no TOML (a value is missing here)"),
        ("\n<<<<<<< HEAD\nlock = 1", "m.toml.lock is no TOML (two versions of it were merged)"),
        (b"\xff\xfe", "m.toml.lock is no TOML ("),
        ("a = 1", "m.toml.lock is no lock of a model file: it has no 'lock = 1'"),
        ("lock = true", "m.toml.lock is no lock of a model file"),
        ("lock = 1\nops = 3", "m.toml.lock is damaged (a section that is no table of tables)"),
        ("lock = 1\n[ops]\na = { b = 3 }", "m.toml.lock is damaged (wrong is 'a.b')"),
        ("lock = 1\n" + ROW, "m.toml.lock is damaged (wrong is 'acme-ops::Snake-v1')"),
        ("lock = 1\n" + PACKAGE + ROW.replace("-v1", ""), "m.toml.lock is damaged (wrong is 'acme-ops::Snake')"),
        ("lock = 1\n" + PACKAGE + ROW.replace("acme-ops::", "beta::"), "m.toml.lock is damaged (wrong is 'beta::Snake-v1')"),
        ("lock = 1\n" + PACKAGE + ROW.replace("::", ":"), "m.toml.lock is damaged ('acme-ops:Snake-v1' is not an op name"),
        ("lock = 1\n" + PACKAGE + ROW.replace('target = "a:b"', ""), "wrong is 'acme-ops::Snake-v1, without target'"),
        ("lock = 1\n" + PACKAGE + ROW + 'sha256 = "../x"', "m.toml.lock is damaged (wrong is 'acme-ops::Snake-v1')"),
        (
            "lock = 1\n" + PACKAGE + ROW + 'file = "\\u001b[2J"',
            "m.toml.lock is damaged (wrong is 'acme-ops::Snake-v1.file')",
        ),
        ("lock = 1\n" + PACKAGE.replace("1.2", "1.2; rm -rf ~"), "m.toml.lock is damaged (wrong is 'acme-ops')"),
        ("lock = 1\n" + PACKAGE.replace("1.2", "--index-url=x"), "m.toml.lock is damaged (wrong is 'acme-ops')"),
        ("lock = 1\n" + PACKAGE.replace("acme-ops", '"a b"'), "m.toml.lock is damaged (wrong is 'a b')"),
        ("lock = 1\na" + 100 * ".a" + " = 1", "m.toml.lock is no TOML (a key has more than 16 parts)"),
        ("#" * 4_000_001, "m.toml.lock is larger than a lock may be"),
    ],
)
def test_a_lock_that_cannot_be_read(model, content, message):
    lock = Path("m.toml.lock")
    lock.unlink()
    if content is not None:
        lock.write_bytes(content if isinstance(content, bytes) else content.encode())
    text = refusal(model)
    assert text.startswith("m.toml: ")
    assert message in text
    assert text.endswith(": run: ourdl lock m.toml")
    assert known_to_lock(model, tomllib.loads(MODEL)) == {}
    assert main(["lock", "m.toml"]) == 0  # it is made anew
    assert load(model, locked=True).graph.outputs


def test_the_lock_of_a_newer_ourdl_is_kept(model, capsys):
    Path("m.toml.lock").write_text("lock = 2\n")
    text = "m.toml.lock is of form 2, and this OurDL reads up to 1: python -m pip install --upgrade ourdl"
    assert refusal(model) == f"m.toml: {text}"
    assert main(["lock", "m.toml"]) == 2
    assert text in capsys.readouterr().err
    assert Path("m.toml.lock").read_text() == "lock = 2\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in the file system")
def test_a_pipe_is_no_lock(model):
    Path("m.toml.lock").unlink()
    os.mkfifo("m.toml.lock")
    assert refusal(model) == "m.toml: m.toml.lock cannot be read: it is not a regular file"


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["Relu", "$k", "acme::A-v1", "k", "1.2"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nodes", "blocks", "functions", "op", "block", "k", "init", "name", "defaults", "parameters", "train"]
            )
            | st.sampled_from(["lock", "packages", "ops", "version", "package", "target", "names", "acme::A-v1", "acme"])
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["nodes", "blocks", "functions", "parameters", "train", "k", 3]), GARBAGE))
def test_garbage_in_a_model_is_passed_over(tree):
    for use in used_names(tree):
        place = tree
        for part in use.path:
            place = place[part] if part in place or isinstance(place, list) else place[int(part)]
        assert use.reference in (place, use.path[-1])
    make_lock(tree)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GARBAGE)
def test_garbage_in_a_lock_is_one_error(tree):
    try:
        text = toml_text({"lock": 1} | tree if isinstance(tree, dict) else {"lock": tree})
    except (TypeError, ValueError):  # not to be written as TOML
        return
    with contextlib.suppress(LockError):
        lock_of(text.encode())


def test_commands_are_safe_to_paste():
    assert pip_command("acme-ops", "1.2+cu118") == "python -m pip install acme-ops==1.2+cu118"
    assert pip_command("acme-ops", "1!2.0") == "python -m pip install 'acme-ops==1!2.0'"
    assert lock_command("my models/m.toml") == "ourdl lock 'my models/m.toml'"


# ---- packages of all kinds ------------------------------------------------------------------------------------------


def locked_row(name="Snake", **rest):
    lock, problems, notes = make_lock({"nodes": {"s": {"op": name}}} | rest)
    assert problems == []
    rows = lock.names["ops"]
    return lock, rows[registry.resolve(name).id], [note for note in notes if not note.startswith("ourdl ")]


def test_an_editable_package(model, site):
    edit(site / "acme_ops-1.2.dist-info")
    record(site, site / "acme_ops-1.2.dist-info", [])
    lock, row, notes = locked_row()
    assert notes == [
        "acme-ops 1.2 is installed editable: its files may change without a new version, "
        "and only those that the lock names are compared"
    ]
    assert (lock.packages["acme-ops"].editable, lock.packages["acme-ops"].sha256) == (True, "")
    assert row.file == "acme_ops/snake.py"
    write_lock(make_lock(tomllib.loads(MODEL))[0], model)
    assert load(model, locked=True)
    (site / "acme_ops" / "snake.py").write_text(SNAKE + "# edited\n")
    assert (
        "acme_ops/snake.py of acme-ops 1.2 is not the file that is locked. acme-ops is installed editable: "
        "its files may change without a new version. If this is meant, run: ourdl lock m.toml"
    ) in refusal(model)
    publish(site)  # a wheel with the same bytes does as well
    assert load(model, locked=True)


@pytest.mark.parametrize("text", [None, "", "acme_ops/snake.py,,\n", "acme_ops/snake.py,md5=abc,9\n", '"\n', "x\n"])
def test_a_package_that_nobody_vouches_for(site, text):
    file = site / "acme_ops-1.2.dist-info" / "RECORD"
    file.unlink() if text is None else file.write_text(text)
    lock, row, notes = locked_row()
    assert notes == ["acme_ops/snake.py of acme-ops 1.2 has no hash in a RECORD: it is locked as it is now"]
    assert row.sha256 == hashlib.sha256(SNAKE.encode()).hexdigest()
    assert lock.packages["acme-ops"].sha256 == ""


def test_a_file_that_was_changed_after_the_installation_is_not_locked(model, site, capsys):
    before = Path("m.toml.lock").read_text()
    (site / "acme_ops" / "snake.py").write_text(SNAKE + "#")
    assert main(["lock", "m.toml"]) == 2
    assert f"acme_ops/snake.py of acme-ops 1.2 was changed after it was installed: {AGAIN}" in capsys.readouterr().err
    assert Path("m.toml.lock").read_text() == before


def test_a_file_that_is_not_there(site):
    publish(site, entry="Snake = acme_ops.none:Snake\nBuiltin = sys:Snake")
    for op, module in (("Snake", "acme_ops.none"), ("Builtin", "sys")):
        _, problems, _ = make_lock({"nodes": {"s": {"op": op}}})
        text = f"{module}, where acme-ops 1.2 has acme-ops::{op}-v1, is not found: {AGAIN}"
        assert [(each.path, each.message) for each in problems] == [(("nodes", "s", "op"), text)]


@pytest.mark.parametrize("file", ["acme_ops/__init__.py", f"acme_ops/fast{EXTENSION_SUFFIXES[0]}", "acme_ns/a/b.py"])
def test_modules_of_all_kinds(site, file):
    module = file.partition(".")[0].removesuffix("/__init__").replace("/", ".")
    publish(site, entry=f"Snake = {module}:Snake", files=FILES | {file: "what = 1\n"})
    lock, row, notes = locked_row()
    assert (row.file, row.sha256) == (file, hashlib.sha256(b"what = 1\n").hexdigest())
    assert (notes, len(lock.packages["acme-ops"].sha256)) == ([], 64)


def test_a_namespace_package_is_looked_into_without_its_parent(site):
    publish(site, files={"acme_ns/a/b.py": SNAKE})
    assert source_of("acme_ns.a.b") == site / "acme_ns" / "a" / "b.py"
    assert source_of("acme_ns.a") is source_of("acme_ns.none.b") is source_of("acme_ns.a.b.c") is None
    assert "acme_ns" not in sys.modules


def test_a_file_of_another_package(model, site):
    publish(site, entry="Snake = acme_impl.snake:Snake", files={"acme_ops/__init__.py": ""})
    publish(site, "2.0", name="acme-impl", entry="", files={"acme_impl/__init__.py": "", "acme_impl/snake.py": SNAKE})
    lock, row, notes = locked_row()
    assert (row.package, row.file_package, row.file, notes) == ("acme-ops", "acme-impl", "acme_impl/snake.py", [])
    assert lock.packages["acme-impl"].version == "2.0"
    assert main(["lock", "m.toml"]) == 0
    assert load(model, locked=True)
    other = {"acme_impl/__init__.py": "", "acme_impl/snake.py": SNAKE + "#"}
    publish(site, "2.0", name="acme-impl", entry="", files=other)
    assert "acme_impl/snake.py of acme-impl 2.0 is not the file that is locked: python -m pip install" in refusal(model)
    publish(site, "2.1", name="acme-impl", entry="", files=other)
    assert "acme-impl 2.0 is locked, 2.1 is installed: python -m pip install acme-impl==2.0" in refusal(model)


def test_a_package_in_a_zip_archive(site, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "acme.zip", "w") as archive:
        for file in [file for file in site.rglob("*") if file.is_file()]:
            archive.write(file, file.relative_to(site))
    shutil.rmtree(site)
    monkeypatch.syspath_prepend(str(tmp_path / "acme.zip"))
    forget()
    _, row, notes = locked_row()
    assert (row.file, row.sha256) == ("acme_ops/snake.py", hashlib.sha256(SNAKE.encode()).hexdigest())
    assert notes == []


def test_a_local_op_cannot_be_locked(model):
    text = "'Snake' is registered in this process, and comes from no package: it cannot be locked"
    with registry.scope(Snake=object()):
        assert [each.message for each in make_lock(tomllib.loads(MODEL))[1]] == [text]
        assert text in refusal(model)


# ---- names in a file ------------------------------------------------------------------------------------------------


def test_names_are_found_everywhere():
    tree = {
        "nodes": {"a": {"op": "A", "init": {"name": "Ones"}}, "b": 3, "c": {"op": 4}, "d": {"op": "D", "word": "Nothing"}},
        "functions": {"f": {"nodes": {"e": {"op": "E", "inits": ["x", {"deep": "ourdl::Zeros-v1"}]}}}, "g": 1},
        "blocks": {"k": {"nodes": {"h": {"op": "H"}}, "parameters": {"p": {"init": "Zeros"}}}},
        "parameters": {"w": {"init": {"name": "Normal", "std": 1}}, "v": []},
        "train": {"optimizer": {"name": "Lion", "schedule": {"name": "Cosine"}}, "schedule": {"first": "Adam"}},
        "data": 3,
    }
    found = {(use.group, use.reference, use.path) for use in used_names(tree)}
    assert found == {
        ("sections", "train", ("train",)),
        ("sections", "data", ("data",)),
        ("ops", "A", ("nodes", "a", "op")),
        ("initializers", "Ones", ("nodes", "a", "init", "name")),
        ("ops", "D", ("nodes", "d", "op")),
        ("ops", "E", ("functions", "f", "nodes", "e", "op")),
        ("initializers", "ourdl::Zeros-v1", ("functions", "f", "nodes", "e", "inits", 1, "deep")),
        ("ops", "H", ("blocks", "k", "nodes", "h", "op")),
        ("initializers", "Zeros", ("blocks", "k", "parameters", "p", "init")),
        ("initializers", "Normal", ("parameters", "w", "init", "name")),
        ("optimizers", "Lion", ("train", "optimizer", "name")),
        ("schedules", "Cosine", ("train", "optimizer", "schedule", "name")),
        ("optimizers", "Adam", ("train", "schedule", "first")),
    }


def test_names_that_are_given_to_blocks():
    inner = {"defaults": {"kind": "Relu"}, "nodes": {"a": {"op": "$kind"}}, "parameters": {"p": {"init": {"name": "$init"}}}}
    tree = {
        "blocks": {"inner": inner, "outer": {"nodes": {"b": {"block": "inner", "kind": "$kind", "init": "Ones"}}}},
        "nodes": {"c": {"block": "outer", "kind": "Tanh"}, "d": {"block": "inner", "init": "$kind"}, "e": {"op": "$kind"}},
    }
    found = {(use.group, use.reference, use.path) for use in used_names(tree) if use.certain}
    assert found == {
        ("ops", "Relu", ("blocks", "inner", "defaults", "kind")),
        ("ops", "Tanh", ("nodes", "c", "kind")),
        ("ops", "$kind", ("nodes", "e", "op")),  # outside of blocks it is plain text, and wrong
        ("initializers", "Ones", ("blocks", "outer", "nodes", "b", "init")),
        ("initializers", "$kind", ("nodes", "d", "init")),
    }


def test_a_kind_of_plugin_that_somebody_else_brought(model, site):
    """Its names are looked for in attributes; when it is gone, the lock knows it."""
    entry = "[ourdl.ops]\nSnake = acme_ops.snake:Snake\n[ourdl.pruners]\nCosine = acme_ops.help:Cosine\n"
    publish(site, entry=entry)
    tree = tomllib.loads(MODEL) | {"train": {"pruner": {"name": "Cosine"}}}
    write_lock(make_lock(tree)[0], model)
    assert read_lock(model).names["pruners"]["acme-ops::Cosine-v1"].file == "acme_ops/help.py"
    assert check_lock(model, tree) == []
    publish(site)
    messages = {each.path: each.message for each in check_lock(model, tree)}
    assert messages[("train", "pruner", "name")].startswith("acme-ops 1.2 has no acme-ops::Cosine-v1 here")


def test_a_package_that_is_gone_is_told_by_its_lock(model, site):
    shutil.rmtree(site / "acme_ops-1.2.dist-info")
    forget()
    with pytest.raises(ModelFileError, match="no op named 'Snake'") as error:
        load(model)
    assert "    m.toml.lock has it from acme-ops 1.2: python -m pip install acme-ops==1.2\n" in str(error.value)
    assert known_to_lock(model, tomllib.loads(MODEL))[("nodes", "s", "op")].endswith("pip install acme-ops==1.2")
    publish(site, entry="Other = acme_ops.snake:Snake")
    with pytest.raises(ModelFileError, match=f"m.toml.lock has it from acme-ops 1.2: {AGAIN}"):
        load(model)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_tells_what_changed(model, site, capsys):
    assert main(["lock", "--check", "m.toml"]) == 0
    assert capsys.readouterr().out == "m.toml.lock fits what is installed\n"
    publish(site, "1.3", snake=SNAKE + "# better\n")
    assert main(["lock", "--check", "m.toml"]) == 1
    assert "1.3 is installed" in capsys.readouterr().out
    assert main(["lock", "m.toml"]) == 0
    written = "wrote m.toml.lock: 1 initializer, 2 ops of acme-ops 1.3, ourdl "
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "acme-ops: 1.2 -> 1.3"
    assert out[1].startswith(written)
    publish(site, "1.3", snake=SNAKE + "# other\n")
    model.write_text(MODEL.replace("Dense", "Relu").replace(', units = 3, weight_init = "HeNormal"', ""))
    assert main(["lock", "m.toml"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "ourdl::HeNormal-v1: no longer used",
        "acme-ops::Snake-v1: acme_ops/snake.py changed",
        "ourdl::Dense-v1: no longer used",
        "ourdl::Relu-v1: new",
    ]
    assert main(["check", "--locked", "m.toml"]) == main(["lock", "m.toml"]) == 0
    assert capsys.readouterr().out.endswith("m.toml.lock: nothing to do, it fits what is installed\n")


def test_a_lock_with_more_than_is_used_fits_but_is_not_up_to_date(model, capsys):
    model.write_text(MODEL.replace(', weight_init = "HeNormal"', ""))
    assert load(model, locked=True)
    assert main(["lock", "--check", "m.toml"]) == 1
    text = "m.toml.lock has 'HeNormal' (ourdl::HeNormal-v1), which is not used: run: ourdl lock m.toml"
    assert text in capsys.readouterr().out


def test_several_files_and_mistakes_in_them(model, capsys):
    Path("wrong.toml").write_text(MODEL.replace("Dense", "Dnse").replace('"Snake"', '"Snke"'))
    assert main(["lock", "wrong.toml", "none.toml", "m.toml"]) == 2
    shown = capsys.readouterr()
    assert "wrong.toml:7:12: no op named 'Dnse'. Did you mean Dense?" in shown.err
    assert "wrong.toml:8:12: no op named 'Snke'" in shown.err
    assert "2 mistakes in wrong.toml\nnone.toml: no such file" in shown.err
    assert shown.out == "m.toml.lock: nothing to do, it fits what is installed\n"
    assert not Path("wrong.toml.lock").exists()
    assert main(["lock", "--check", "wrong.toml"]) == 1
    assert "there is no wrong.toml.lock: run: ourdl lock wrong.toml" in capsys.readouterr().out


def test_a_tree_has_no_lock():
    with pytest.raises(ValueError, match="has no lock beside it"):
        load(tomllib.loads(MODEL), locked=True)


def test_a_setting_that_names_nothing_is_told_once(model, recwarn, monkeypatch):
    monkeypatch.setenv("OURDL_BLOCK", "nobody")
    with pytest.warns(OpWarning, match="OURDL_BLOCK names 'nobody'"):
        check_lock(model, tomllib.loads(MODEL))


@pytest.mark.slow
def test_with_real_wheels(tmp_path):
    """OurDL and a plugin installed by pip: locked, changed on disk, refused, and mended by the command that is named."""
    here = Environment(tmp_path)
    wheels = [build_wheel(ROOT, tmp_path / "ours"), build_wheel(ROOT / "examples" / "acme-ops", tmp_path / "theirs")]
    here.install(*wheels, *as_here("numpy", "pluggy", "typing-extensions"))
    (tmp_path / "m.toml").write_text(MODEL)

    def ourdl(*words):
        script = "import sys\nfrom ourdl_cli.main import main\nprint(main(sys.argv[1:]))"
        return here.run(script, *words)

    version = wheels[0].name.split("-")[1]
    assert ourdl("lock", "m.toml") == f"wrote m.toml.lock: 1 initializer, 2 ops of acme-ops 1.0, ourdl {version}\n0"
    lock = tomllib.loads((tmp_path / "m.toml.lock").read_text())
    assert all(row.keys() == {"version", "sha256"} for row in lock["packages"].values())
    assert ourdl("check", "--locked", "m.toml").endswith("no mistakes\n0")
    with zipfile.ZipFile(wheels[1]) as archive:
        for row in (row for row in lock["ops"].values() if row["package"] == "acme-ops"):
            assert hashlib.sha256(archive.read(row["file"])).hexdigest() == row["sha256"]
    (file,) = here.folder.glob("venv/**/acme_ops/snake.py")
    file.write_text(file.read_text() + "\n# changed\n")
    found = ourdl("check", "--locked", "m.toml")
    mend = "python -m pip install --force-reinstall acme-ops==1.0"
    assert f"m.toml:8:12: acme_ops/snake.py of acme-ops 1.0 was changed after it was installed: {mend}" in found
    here.install("--force-reinstall", "--no-deps", wheels[1])
    assert ourdl("check", "--locked", "m.toml").endswith("no mistakes\n0")
    here.uninstall("acme-ops")
    assert "acme-ops 1.0 is locked, it is not installed: python -m pip install acme-ops==1.0" in ourdl(
        "check", "--locked", "m.toml"
    )
    assert "m.toml.lock has it from acme-ops 1.0: python -m pip install acme-ops==1.0" in ourdl("check", "m.toml")
