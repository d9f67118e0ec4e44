"""The command: what a person sees, also when something is wrong, and on a terminal of any width."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pluggy
import pytest
from commands import run

from ourdl_cli.machine import THREADS
from ourdl_core import registry
from ourdl_core.hooks import hooks
from ourdl_core.index import Entry
from ourdl_core.registry import Registry

EXAMPLES = Path(__file__).parent.parent / "examples"
COMMAND = [sys.executable, "-m", "ourdl_cli"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Runs are kept in the folder where one is."""
    monkeypatch.chdir(tmp_path)


# ---- train and predict ----------------------------------------------------------------------------------------------


def test_train_ends_with_the_accuracy_and_the_time(capsys):
    status, out, err = run(capsys, "train", EXAMPLES / "wine.toml", "--epochs", 30, "--seed", 1)
    assert (status, err) == (0, f"saved in {Path('runs', 'wine-1')}\n")
    found = re.fullmatch(r"test accuracy (\d+\.\d) % \((\d+) of 36\), 30 epochs in \d+\.\d s\n", out)
    assert found
    assert float(found[1]) == round(100 * int(found[2]) / 36, 1)


def test_train_without_a_test_part_ends_with_the_loss(capsys):
    assert run(capsys, "train", EXAMPLES / "adaline.toml")[1].startswith("training loss 5.208, 1 epoch in ")


def test_weights_that_train_saves_are_those_that_predict_uses(capsys, tmp_path):
    weights = tmp_path / "wine.safetensors"
    status, out, err = run(capsys, "train", EXAMPLES / "wine.toml", "--save", weights)
    assert (status, err) == (0, f"saved {weights} (8 arrays)\nsaved in {Path('runs', 'wine-1')}\n")
    assert run(capsys, "predict", "runs/wine-1") == run(capsys, "predict", EXAMPLES / "wine.toml", "--weights", weights)
    status, out, err = run(capsys, "predict", EXAMPLES / "wine.toml", "--weights", weights)
    header, *rows = out.splitlines()
    assert (status, err, header, len(rows)) == (0, "", "logits_0,logits_1,logits_2", 178)
    predicted = [max(range(3), key=[float(v) for v in row.split(",")].__getitem__) for row in rows]
    labels = [int(line.split(",")[-1]) for line in (EXAMPLES / "data" / "wine.csv").read_text().splitlines()[1:]]
    assert sum(p == q for p, q in zip(predicted, labels, strict=True)) > 170
    assert max(len(cell) for row in rows for cell in row.split(",")) <= 12


def test_predict_needs_no_label_and_takes_another_file(capsys, tmp_path):
    run(capsys, "train", EXAMPLES / "adaline.toml", "--save", tmp_path / "a.safetensors")
    (tmp_path / "new.csv").write_text("x\n0\n1\n")
    arguments = ["--weights", tmp_path / "a.safetensors", "--data", tmp_path / "new.csv"]
    assert run(capsys, "predict", EXAMPLES / "adaline.toml", *arguments)[:2] == (0, "prediction\n0.4\n2.27\n")


# ---- mistakes -------------------------------------------------------------------------------------------------------

WINE = EXAMPLES / "wine.toml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "ourdl: unknown command 'trian'. Did you mean train?"),
        (["xyzzy"], "ourdl: unknown command 'xyzzy'. Commands are: train, predict, check, "),
        (["train"], "ourdl: train needs a model file, as in 'ourdl train model.toml', or --resume and the directory of a"),
        (["train", WINE, "--sede", "3"], "ourdl: unknown option '--sede'. Did you mean --seed"),
        (["train", WINE, WINE], "ourdl: one argument too many"),
        (["train", WINE, "--epochs", "0"], "argument --epochs: expected a whole number of at least 1, found '0'"),
        (["train", EXAMPLES / "wien.toml"], "wien.toml: no such file. Did you mean wine.toml"),
        (["train", WINE, "--save", "/no/such/place/w.safetensors"], "there is no directory"),
        (["predict", WINE, "--weights", "none.safetensors"], "ourdl: none.safetensors: No such file or directory"),
        (["predict", WINE, "--weights", WINE], "wine.toml: is not a safetensors file"),
        (["predict", WINE], "predict needs --weights, what 'ourdl train' wrote for "),
        (["predict", EXAMPLES], "examples: is no directory of a run, since there is no model.toml in it"),
        (["train", "--resume", "runs/wine-7"], "runs/wine-7: there is no such run: a directory that 'ourdl train' made"),
        (["train", WINE, "--resume", "runs/wine-7"], "the model and settings of the run: leave out the model file "),
        (["train", "--resume", "runs/wine-7", "--seed", "1"], "the model and settings of the run: leave out --seed"),
        (["train", WINE, "--checkpoint", "-1"], "--checkpoint: expected a number of seconds of at least 0, found '-1'"),
        (["train", WINE, "--save", "w.npz"], "w.npz: weights are written in the format safetensors: call it w.safetensors"),
        (["show", "Dnse"], "ourdl: no op named 'Dnse'. Did you mean Dense?"),
        (["show", "os.system"], "Import paths are not accepted."),
    ],
)
def test_a_mistake_is_one_message_and_status_2(capsys, arguments, message):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


def test_every_mistake_of_a_model_file_is_told(capsys, tmp_path):
    text = WINE.read_text().replace('"Relu"', '"Rellu"').replace("epochs = 40", "epoch = 40")
    (tmp_path / "m.toml").write_text(text)
    status, out, err = run(capsys, "train", tmp_path / "m.toml")
    assert (status, out) == (2, "")
    *_, last = err.splitlines()
    assert last == f"2 mistakes in {tmp_path / 'm.toml'}"
    assert f"{tmp_path / 'm.toml'}:12:17: no op named 'Rellu'. Did you mean Relu, PRelu or Elu?" in err
    assert f"{tmp_path / 'm.toml'}:22:1: [train] has no setting 'epoch'. Did you mean epochs?" in err


def test_check_tells_of_every_file(capsys, tmp_path):
    (tmp_path / "wrong.toml").write_text(WINE.read_text().replace('"Relu"', '"Rellu"'))
    status, out, err = run(capsys, "check", WINE, tmp_path / "wrong.toml", tmp_path / "q.toml")
    assert (status, err) == (1, "")
    first, *rest = out.splitlines()
    assert first == f"{WINE}: 5 nodes, no mistakes"
    assert rest[0].startswith(f"{tmp_path / 'wrong.toml'}:12:17: no op named 'Rellu'.")
    assert rest[-1] == f"{tmp_path / 'q.toml'}: no such file."


def test_check_writes_json_for_tools(capsys, tmp_path):
    (tmp_path / "wrong.toml").write_text(WINE.read_text().replace('"Relu"', '"Rellu"'))
    status, out, _ = run(capsys, "check", "--format", "json", WINE, tmp_path / "wrong.toml")
    (record,) = json.loads(out)
    assert status == 1
    assert record == {
        "file": str(tmp_path / "wrong.toml"),
        "line": 12,
        "column": 17,
        "end_line": 12,
        "end_column": 24,
        "path": "nodes.a.op",
        "code": "unknown-name",
        "message": "no op named 'Rellu'. Did you mean Relu, PRelu or Elu?",
        "suggestions": ["Relu", "PRelu", "Elu"],
        "provider": None,
        "related": [],
    }
    assert run(capsys, "check", "--format", "json", WINE)[:2] == (0, "[]\n")


def test_debug_shows_the_traceback(capsys):
    status, _, err = run(capsys, "show", "Dnse", "--debug")
    assert status == 2
    assert "Traceback" in err


def test_a_fault_is_told_from_a_mistake(capsys, monkeypatch):
    def broken(options):
        raise AttributeError("no attribute 'x'")

    monkeypatch.setattr("ourdl_cli.registry_commands.why_name", broken)
    status, _, err = run(capsys, "why", "Add")
    assert (status, err) == (1, "ourdl: unexpected AttributeError: no attribute 'x'. --debug shows where\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MemoryError(), 2, "not enough memory: ask for less"),
        (MemoryError("Unable to allocate 745. GiB"), 2, "not enough memory: Unable to allocate 745. GiB, ask for less"),
        (RecursionError("Foo is nested 100 deep: does its body contain itself?"), 2, "Foo is nested 100 deep: does its"),
        (RecursionError("maximum recursion depth exceeded"), 1, "unexpected RecursionError: maximum recursion depth"),
        (ValueError("a\x1b[2J\u202e\x00\x9b\ud800\r\nourdl: all is well"), 2,
         "a\\x1b[2J\\u202e\\x00\\x9b\\ud800\\r\n  ourdl: all is well"),
    ],
)  # fmt: skip
def test_exceptions_become_messages_that_a_terminal_does_not_obey(capsys, monkeypatch, error, status, message):
    def broken(options):
        raise error

    monkeypatch.setattr("ourdl_cli.registry_commands.why_name", broken)
    found, _, err = run(capsys, "why", "Add")
    assert found == status
    assert err.startswith(f"ourdl: {message}")


def test_foreign_text_is_escaped_wherever_it_is_printed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OURDL_HOSTILE", "\x1b[2J")
    (tmp_path / "d.csv").write_text("\x1b[2J,\u202ey\n1,2\n")
    (tmp_path / "m.json").write_text('{"ourdl": 1, "\\u001b[2J": 1}')
    run(capsys, "train", EXAMPLES / "adaline.toml", "--save", tmp_path / "a.safetensors")
    for arguments in (
        ("doctor",),
        ("why", "\x1b[2J"),
        ("\x1b[2J",),
        ("train", tmp_path / "m.json"),
        ("train", tmp_path / "m.json", "--debug"),
        ("predict", EXAMPLES / "adaline.toml", "--weights", tmp_path / "a.safetensors", "--data", tmp_path / "d.csv"),
    ):
        _, out, err = run(capsys, *arguments)
        assert "\\x1b[2J" in out + err
        assert "\x1b" not in out + err


def test_the_data_that_is_asked_for_is_not_relative_to_the_model_file(capsys, tmp_path):
    run(capsys, "train", EXAMPLES / "adaline.toml", "--save", tmp_path / "a.safetensors")
    arguments = ("predict", EXAMPLES / "adaline.toml", "--weights", tmp_path / "a.safetensors", "--data", tmp_path / "n.csv")
    assert run(capsys, *arguments)[2] == f"ourdl: {tmp_path / 'n.csv'}: no such file.\n"


# ---- what is installed ----------------------------------------------------------------------------------------------


def test_ops_lists_every_op_with_its_provider_and_summary(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    status, out, _ = run(capsys, "ops")
    header, *rows = out.splitlines()
    assert (status, header.split()[:3]) == (0, ["OP", "FROM", "VER"])
    assert len(rows) == len(registry.entries())
    add = next(row for row in rows if row.startswith("Add "))
    assert add.split()[1:3] == ["ourdl", "v1"]
    assert [row for row in rows if len(row.split()) < 4] == []
    assert "``" not in out


def test_ops_as_json_and_by_pattern(capsys):
    rows = json.loads(run(capsys, "ops", "dense", "--json")[1])
    assert [(row["id"], row["provider"]) for row in rows] == [("ourdl::Dense-v1", "ourdl")]
    assert rows[0]["summary"]
    assert run(capsys, "ops", "Nope*")[0] == 1


def test_listing_ops_imports_none_of_them():
    code = "import sys; from ourdl_cli.main import main; main(['ops']); print([n for n in sys.modules if 'ourdl_nn' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_tables_keep_to_the_width_of_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["ops"], ["doctor"], ["show", "BatchNormalization"], ["show", "Adam"]):
        out = run(capsys, *arguments)[1]
        too_long = [line for line in out.splitlines() if len(line) > columns]
        # A path is not broken, so that it can be copied.
        assert [line for line in too_long if max(map(len, line.split())) < columns // 3] == []


def test_broken_ops_are_listed_with_the_reason(capsys, monkeypatch):
    entries = [
        Entry("bad", "Boom", 1, "bad", "9", "no_such_mod:X"),
        Entry("ourdl", "Add", 1, "ourdl", "1", "ourdl_ops_basic.arithmetic:Add"),
    ]
    monkeypatch.setattr("ourdl_cli.registry_commands.registry", Registry("ourdl.ops", records=entries, environ={}))
    status, out, _ = run(capsys, "ops", "--broken")
    assert status == 1
    assert out.startswith("bad::Boom-v1 could not be loaded: ModuleNotFoundError: No module named 'no_such_mod'")
    assert "Add" not in out
    assert run(capsys, "ops")[0] == 0


def test_show_explains_an_op(capsys):
    status, out, _ = run(capsys, "show", "Dense")
    assert (status, out.splitlines()[0]) == (0, "ourdl::Dense-v1")
    assert re.search(r"^  weight +parameter, made if not given", out, re.MULTILINE)
    assert re.search(r"^  units +int at least 1, required$", out, re.MULTILINE)
    assert re.search(r"^  file +.*dense.py:\d+$", out, re.MULTILINE)
    assert "learning" in run(capsys, "show", "SGD")[1]


def test_why_tells_what_wins(capsys):
    assert run(capsys, "why", "Add")[:2] == (0, run(capsys, "why", "ourdl::Add")[1].replace("ourdl::Add\n", "Add\n", 1)
                                              .replace("the domain asked for", "the home domain"))  # fmt: skip
    status, out, _ = run(capsys, "why", "Snake")
    assert status == 1
    assert "nothing wins" in out


def test_why_fails_for_an_op_that_is_broken(capsys, monkeypatch):
    entries = [Entry("bad", "Boom", 1, "bad", "9", "no_such_mod:X")]
    monkeypatch.setattr("ourdl_cli.registry_commands.registry", Registry("ourdl.ops", records=entries, environ={}))
    status, out, _ = run(capsys, "why", "bad::Boom")
    assert status == 1
    assert "could not be loaded: ModuleNotFoundError" in out


def test_doctor_tells_threads():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    for changes, count in (({}, 1), ({"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}, 2)):
        done = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True, env={**environment, **changes})
        said = " ".join(done.stdout.split())
        assert f"threads {min(count, os.cpu_count() or 1)} in use; the command line uses one unless OPENBLAS" in said


def test_doctor_tells_versions_and_variables(capsys, monkeypatch):
    monkeypatch.setenv("OURDL_PREFER", "")
    status, out, _ = run(capsys, "doctor")
    assert status == (1 if "\nBroken\n" in out else 0)
    for word in ("OurDL", "Python", "NumPy", "Linear algebra", "OURDL_PREFER"):
        assert word in out


def test_plugins_add_commands(capsys):
    class Plugin:
        @pluggy.HookimplMarker("ourdl")
        def ourdl_commands(self, commands):
            commands.add_parser("hello", help="greet").set_defaults(run=lambda options: print("hello"))

    plugin = Plugin()
    hooks.register(plugin)
    try:
        assert run(capsys, "hello") == (0, "hello\n", "")
        assert "greet" in run(capsys)[1]
    finally:
        hooks.unregister(plugin)


# ---- a real terminal, pipes and Ctrl-C ------------------------------------------------------------------------------


def test_a_reader_that_stops_reading_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m ourdl_cli ops | head -1", shell=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("OP ")
    assert done.stderr == ""


def on_terminal(arguments, columns=60, interrupt_after=None):
    """What a command writes to a terminal of so many columns, and its exit status."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns)}
    for name in THREADS:
        environment.pop(name, None)
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    written = b""
    deadline = time.monotonic() + 60
    with contextlib.suppress(OSError):  # the terminal closes with the process
        while time.monotonic() < deadline and (piece := os.read(master, 4096)):
            written += piece
            if interrupt_after is not None and interrupt_after in written:
                process.send_signal(signal.SIGINT)
                interrupt_after = None
    os.close(master)
    return process.wait(timeout=60), written.decode()


def test_progress_is_one_line_as_wide_as_the_terminal():
    status, text = on_terminal(["train", WINE, "--epochs", 5])
    threads, drawn, saved, last = text.replace("\r\n", "\n").strip("\n").split("\n")
    assert status == 0
    assert threads == "one BLAS thread (more: OPENBLAS_NUM_THREADS=N)"
    assert saved == "saved in runs/wine-1"
    assert last.startswith("test accuracy ")
    assert {len(line) for line in drawn.split("\r") if line} == {59}
    assert re.search(r"\[#+\] epoch 5/5  loss \d[\d.e-]*  [\d,]+ rows/s *$", drawn)


def test_ctrl_c_stops_training_with_a_message(tmp_path):
    arguments = ["train", EXAMPLES / "digits.toml", "--epochs", 10_000, "--save", tmp_path / "w.safetensors"]
    status, text = on_terminal(arguments, interrupt_after=b"epoch")
    assert status == 130
    assert "Traceback" not in text
    assert re.search(r"ourdl: stopped in epoch \d+ of 10000, after \d+ steps", text)
    assert "\n  go on with: ourdl train --resume runs/digits-1" in text.replace("\r", "")
    assert (tmp_path / "w.safetensors").exists()


def test_a_run_goes_on_to_the_end_that_it_would_have_had(tmp_path):
    digits = EXAMPLES / "digits.toml"
    assert on_terminal(["train", digits, "--epochs", 60, "--checkpoint", 0], interrupt_after=b"rows/s")[0] == 130
    status, text = on_terminal(["train", "--resume", "runs/digits-1"])
    assert status == 0
    assert on_terminal(["train", digits, "--epochs", 60])[0] == 0
    first, second = (tmp_path / "runs" / name / "checkpoint.safetensors" for name in ("digits-1", "digits-2"))
    assert first.read_bytes() == second.read_bytes()
    assert re.search(r"test accuracy \d\d\.\d % \(\d+ of 360\), 60 epochs in ", text)
    subprocess.run([*COMMAND, "train", "--resume", "runs/digits-1", "--epochs", "61"], check=True, capture_output=True)
    log = (tmp_path / "runs" / "digits-1" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log if '"epoch", ' in line] == list(range(1, 62))


def test_a_run_that_was_moved_is_told_where_its_data_are(capsys, tmp_path):
    digits = EXAMPLES / "digits.toml"
    assert run(capsys, "train", digits, "--epochs", 1)[0] == 0
    moved = tmp_path / "far" / "away" / "run"
    moved.parent.mkdir(parents=True)
    (tmp_path / "runs" / "digits-1").rename(moved)
    status, _, err = run(capsys, "train", "--resume", moved, "--epochs", 2)
    assert (status, "digits.csv.gz: no such file" in err) == (2, True)
    text = (moved / "model.toml").read_text()
    (moved / "model.toml").write_text(re.sub(r'(?m)^file = .*$', f'file = "{EXAMPLES / "data" / "digits.csv.gz"}"', text))
    assert run(capsys, "train", "--resume", moved, "--epochs", 2)[0] == 0


def test_a_run_that_cannot_begin_leaves_nothing(capsys, tmp_path):
    (tmp_path / "d.csv").write_text("p1,p2,y\n1,2,3\n")
    (tmp_path / "m.toml").write_text(
        "ourdl = 1\n"
        '[inputs]\nx = { shape = ["batch", 3] }\ny = { shape = ["batch", 1] }\n'
        '[nodes]\nh = { op = "Dense", in = "x", units = 1 }\nloss = { op = "SquaredError", in = ["h", "y"] }\n'
        '[outputs]\nh = "h"\n[train]\nloss = "loss"\noptimizer = "SGD"\nepochs = 1\n'
        '[data]\nfile = "d.csv"\nx = { columns = "p*" }\ny = { columns = ["y"] }\n'
    )
    status, out, err = run(capsys, "train", "m.toml")
    assert (status, out) == (2, "")
    assert "the input 'x' declares float32[?, 3], its data has [2] a row" in err
    assert not list((tmp_path / "runs").iterdir())


def test_ctrl_c_while_importing_is_quiet():
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'numpy': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from ourdl_cli.start import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
