"""Locks: made and checked from metadata and bytes alone; each disagreement says what mends it."""

import base64
import hashlib
import shutil
import sys
import tomllib

import pytest
from environments import Environment, build_wheel

from ourdl_cli.main import main
from ourdl_core import registry
from ourdl_files import ModelFileError, load
from ourdl_files.lock import known_to_lock, make_lock, used_names

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


def publish(site, version="1.2", source=SNAKE, entry="Snake = acme_ops.snake:Snake", record=True):
    """What pip leaves of a wheel of ``acme-ops`` in a folder on the path."""
    shutil.rmtree(site, ignore_errors=True)
    (site / "acme_ops").mkdir(parents=True)
    (site / "acme_ops" / "__init__.py").write_text("")
    (site / "acme_ops" / "snake.py").write_text(source)
    info = site / f"acme_ops-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-ops\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[ourdl.ops]\n{entry}\n")
    names = ["acme_ops/__init__.py", "acme_ops/snake.py"]
    if record:
        (info / "RECORD").write_text("".join(f"{name},sha256={recorded(site / name)},9\n" for name in names))
    registry.refresh()


def recorded(file):
    return base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(str(folder))
    publish(folder)
    yield folder
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.startswith("acme_ops")]:
        del sys.modules[name]
    registry.refresh()


@pytest.fixture
def model(tmp_path, site, capsys):
    file = tmp_path / "m.toml"
    file.write_text(MODEL)
    assert main(["lock", str(file)]) == 0
    capsys.readouterr()
    return file


def refusal(file):
    with pytest.raises(ModelFileError) as error:
        load(file, locked=True)
    return str(error.value).replace(str(file), "m.toml")


def test_what_a_lock_says(model, site):
    lock = tomllib.loads(model.with_name("m.toml.lock").read_text())
    assert lock["ops"]["acme-ops::Snake-v1"] == {
        "package": "acme-ops",
        "target": "acme_ops.snake:Snake",
        "file": "acme_ops/snake.py",
        "sha256": hashlib.sha256((site / "acme_ops" / "snake.py").read_bytes()).hexdigest(),
    }
    assert lock["packages"]["acme-ops"]["version"] == "1.2"
    assert set(lock["packages"]) == {"acme-ops", "ourdl"}
    assert set(lock["initializers"]) == {"ourdl::HeNormal-v1"}
    assert load(model, locked=True).graph["s"].kind == "Snake"


def test_another_version_is_refused_with_the_command_that_mends_it(model, site):
    publish(site, "1.3")
    assert refusal(model) == (
        "m.toml:8:12: acme-ops::Snake-v1 is locked to acme-ops 1.2, here is 1.3: python -m pip install acme-ops==1.2\n"
        '  8 | s = { op = "Snake", in = "h" }\n'
        "    |            ^^^^^^^\n"
        "    | from acme-ops::Snake-v1 (acme-ops 1.3)"
    )
    assert load(model).graph["s"].kind == "Snake"  # nobody insisted


@pytest.mark.parametrize("where", ["the file", "the package"])
def test_another_file_of_the_same_version_is_refused(model, site, where):
    if where == "the file":  # edited after it was installed
        (site / "acme_ops" / "snake.py").write_text(SNAKE + "# evil\n")
    else:  # another wheel of the same name
        publish(site, source=SNAKE.replace("x + 1", "x + 2"))
    assert (
        "acme_ops/snake.py of acme-ops 1.2 is not the file that was locked: "
        "python -m pip install --force-reinstall acme-ops==1.2"
    ) in refusal(model)


def test_another_module_of_the_package_is_seen_too(model, site):
    (site / "acme_ops" / "__init__.py").write_text("evil = 1\n")
    info = site / "acme_ops-1.2.dist-info"
    names = ["acme_ops/__init__.py", "acme_ops/snake.py"]
    (info / "RECORD").write_text("".join(f"{name},sha256={recorded(site / name)},9\n" for name in names))
    assert "acme-ops 1.2 has other files than the one that was locked" in refusal(model)


def test_nothing_is_imported_before_the_lock_is_checked(model, site):
    publish(site, source='raise SystemExit("imported")\n')
    for name in [name for name in sys.modules if name.startswith("acme_ops")]:
        del sys.modules[name]
    assert "is not the file that was locked" in refusal(model)
    assert not [name for name in sys.modules if name.startswith("acme_ops")]


def test_a_package_that_is_gone_is_told_by_its_lock(model, site):
    publish(site, entry="Other = acme_ops.snake:Snake")
    sentence = "m.toml.lock has it from acme-ops 1.2: python -m pip install acme-ops==1.2"
    assert sentence in refusal(model)
    with pytest.raises(ModelFileError, match="no op named 'Snake'") as error:
        load(model)
    assert sentence in str(error.value)


def test_a_name_that_stands_for_something_else_now(model, site):
    publish(site, entry="Snake-v2 = acme_ops.snake:Snake")
    assert "'Snake' stands for acme-ops::Snake-v2 now, m.toml.lock has acme-ops::Snake-v1: write that, or" in refusal(model)
    publish(site, entry="Snake = acme_ops.snake:Other")
    text = "acme-ops::Snake-v1 is acme_ops.snake:Other here, m.toml.lock has acme_ops.snake:Snake"
    assert text in refusal(model)


def test_what_is_not_in_the_lock(model):
    model.write_text(MODEL.replace('"HeNormal"', '"Ones"') + '[parameters]\nw = { shape = [3], init = "Zeros" }\n')
    text = refusal(model)
    assert "m.toml:7:56: ourdl::Ones-v1 is not in m.toml.lock: run: ourdl lock m.toml" in text
    assert "m.toml:13:27: ourdl::Zeros-v1 is not in m.toml.lock" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no m.toml.lock: run: ourdl lock m.toml"),
        (b"lock = ", "m.toml.lock is damaged (Invalid value (at end of document)): run: ourdl lock m.toml"),
        (b"\xff\xfe", "m.toml.lock is damaged"),
        (b"a = 1", "m.toml.lock is no lock of a model file: run: ourdl lock m.toml"),
        (b"lock = 2", "m.toml.lock is of form 2, and this OurDL reads 1: install a newer one"),
        (b"lock = 1\nops = 3", "is no lock of a model file"),
        (b"lock = 1\n[ops]\na = { b = 3 }", "is no lock of a model file"),
        (b"lock = 1", "acme-ops::Snake-v1 is not in m.toml.lock"),
    ],
)
def test_a_lock_that_cannot_be_read(model, content, message):
    lock = model.with_name("m.toml.lock")
    lock.unlink()
    if content is not None:
        lock.write_bytes(content)
    assert message in refusal(model)


def test_the_command_tells_what_changed(model, site, capsys):
    assert main(["lock", "--check", str(model)]) == 0
    assert capsys.readouterr().out == f"{model}.lock fits what is installed\n"
    publish(site, "1.3", SNAKE + "# better\n")
    assert main(["lock", "--check", str(model)]) == 1
    assert "here is 1.3" in capsys.readouterr().out
    assert main(["lock", str(model)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["acme-ops: 1.2 -> 1.3", "acme-ops::Snake-v1: changed"]
    assert main(["check", "--locked", str(model)]) == 0


def test_a_file_with_mistakes_is_not_locked(tmp_path, site, capsys):
    (tmp_path / "m.toml").write_text(MODEL.replace("Dense", "Dnse"))
    assert main(["lock", str(tmp_path / "m.toml")]) == 2
    assert "no op named 'Dnse'" in capsys.readouterr().err
    assert not (tmp_path / "m.toml.lock").exists()


def test_what_cannot_be_locked_is_said(site):
    publish(site, record=False)
    lock, unlocked = make_lock(tomllib.loads(MODEL))
    assert "acme-ops 1.2 has no RECORD with hashes: only its version and the files named here are locked" in unlocked
    assert lock["ops"]["acme-ops::Snake-v1"]["sha256"]  # of the file as it is
    (site / "acme_ops-1.2.dist-info" / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "file:///x"}')
    lock, unlocked = make_lock(tomllib.loads(MODEL))
    assert [text for text in unlocked if text.startswith("acme-ops 1.2 is installed editable")]
    assert lock["packages"]["acme-ops"] == {"version": "1.2", "editable": True}


def test_a_local_op_cannot_be_locked(tmp_path, site):
    publish(site, entry="Other = acme_ops.snake:Snake")
    with registry.scope(Snake=object()):
        assert make_lock(tomllib.loads(MODEL))[1][0].startswith("local::Snake-v1 was registered in this process")


def test_names_are_found_everywhere_and_garbage_is_passed_over():
    tree = {
        "nodes": {"a": {"op": "A", "init": {"name": "Ones"}}, "b": 3, "c": {"op": 4}, "d": {"op": "D", "word": "Nothing"}},
        "functions": {"f": {"nodes": {"e": {"op": "E"}}}, "g": 1},
        "blocks": {"k": {"nodes": {"h": {"op": "H"}}, "parameters": {"p": {"init": "Zeros"}}}},
        "parameters": {"w": {"init": {"name": "Normal", "std": 1}}, "v": []},
        "train": {"optimizer": {"name": "Adam"}},
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
        ("ops", "H", ("blocks", "k", "nodes", "h", "op")),
        ("initializers", "Zeros", ("blocks", "k", "parameters", "p", "init")),
        ("initializers", "Normal", ("parameters", "w", "init", "name")),
        ("optimizers", "Adam", ("train", "optimizer", "name")),
    }
    for garbage in ({}, {"nodes": 3}, {"nodes": {1: {"op": "A"}}}, {"train": []}):
        used_names(garbage)
    assert known_to_lock("nowhere.toml", tree) == {}


@pytest.mark.slow
def test_with_real_wheels(tmp_path):
    """OurDL and a plugin installed by pip: locked, changed on disk, refused, and mended by the command that is named."""
    from pathlib import Path

    root = Path(__file__).parent.parent
    here = Environment(tmp_path)
    wheels = [build_wheel(root, tmp_path / "ours"), build_wheel(root / "examples" / "acme-ops", tmp_path / "theirs")]
    here.install(*wheels)
    (tmp_path / "m.toml").write_text(MODEL)
    script = """
        import sys
        from ourdl_cli.main import main
        print(main(sys.argv[1:]))
    """
    assert here.run(script, "lock", "m.toml").splitlines()[-2:] == [
        "wrote m.toml.lock: 2 ops, 1 initializer of 2 packages",
        "0",
    ]
    lock = tomllib.loads((tmp_path / "m.toml.lock").read_text())
    assert all("sha256" in row and "editable" not in row for row in lock["packages"].values())
    assert here.run(script, "check", "--locked", "m.toml").splitlines()[-1] == "0"
    (row,) = (row for name, row in lock["ops"].items() if "Snake" in name)
    (file,) = here.folder.glob(f"venv/**/{row['file']}")
    file.write_text(file.read_text() + "\n# changed\n")
    out = here.run(script, "check", "--locked", "m.toml")
    assert out.endswith("1")
    assert f"{row['file']} of acme-ops " in out
    assert "is not the file that was locked: python -m pip install --force-reinstall acme-ops==" in out
    here.install("--force-reinstall", "--no-deps", wheels[1])
    assert here.run(script, "check", "--locked", "m.toml").splitlines()[-1] == "0"
