"""``ourdl bench`` and ``ourdl profile``: what is measured, on which rows, and how it is shown."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import run

from ourdl_cli import node_times
from ourdl_cli.node_times import Owners, by_node, summed, trace
from ourdl_cli.speed import compare, seconds_a_step
from ourdl_cli.workload import Workload
from ourdl_core.execute import Timing
from ourdl_files import load

EXAMPLES = Path(__file__).parent.parent / "examples"
DIGITS = EXAMPLES / "digits.toml"

MODEL = """
ourdl = 1
[inputs]
x = { shape = ["batch", 4], dtype = "float32" }
y = { shape = ["batch"], dtype = "int64" }
[nodes]
h = { op = "Dense", in = "x", units = 5 }
a = { op = "Tanh", in = "h" }
logits = { op = "Dense", in = "a", units = 3 }
loss = { op = "SoftmaxCrossEntropy", in = ["logits", "y"] }
[outputs]
logits = "logits"
[train]
loss = "loss"
optimizer = { name = "Adam", clip_norm = 1.0 }
epochs = 1
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A file without [data], in the folder where one is."""
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(MODEL)
    return Path("m.toml")


def written(text):
    Path("w.toml").write_text("ourdl = 1\n" + text)
    return Path("w.toml")


def one_op(inputs, node):
    """A file that computes one node, y."""
    return written(f"[inputs]\n{inputs}\n[nodes]\ny = {node}\n[outputs]\ny = 'y'\n")


def found(capsys, *arguments):
    status, out, err = run(capsys, *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


# ---- profile --------------------------------------------------------------------------------------------------------


def test_profile_names_every_node_with_its_parts(capsys, model):
    tree = found(capsys, "profile", model, "--repeats", 3)
    nodes = {row["node"]: row for row in tree["nodes"]}
    assert (tree["mode"], tree["rows"]) == ("training", 32)
    assert {"h", "a", "logits", "loss"} <= set(nodes) <= {"h", "a", "logits", "loss", ""}
    assert {name: row["op"] for name, row in nodes.items() if name} == {
        "h": "Dense", "a": "Tanh", "logits": "Dense", "loss": "SoftmaxCrossEntropy",
    }  # fmt: skip
    parts = {name: {part for part, seconds in row["parts"].items() if seconds} for name, row in nodes.items()}
    assert parts["h"] == parts["logits"] == {"forward", "backward", "update"}
    assert parts["a"] == {"forward", "backward"}
    assert sum(row["calls"] for row in nodes.values()) == len(tree["calls"])
    assert sum(row["bytes"] for row in nodes.values()) == sum(call["bytes"] for call in tree["calls"])
    assert nodes["h"]["bytes"] >= 32 * 5 * 4
    assert tree["step_seconds"] > 0


def test_profile_of_inference_has_no_other_parts(capsys, model):
    tree = found(capsys, "profile", model, "--repeats", 2, "--mode", "inference", "--batch", 7)
    assert (tree["mode"], tree["rows"]) == ("inference", 7)
    assert {call["part"] for call in tree["calls"] if call["node"]} == {"forward"}
    out = run(capsys, "profile", model, "--repeats", 2, "--mode", "inference")[1]
    header = out.splitlines()[3].split()
    assert header == ["node", "op", "calls", "time", "share", "bytes"]


def test_profile_shows_the_slowest_first_and_the_sum(capsys, monkeypatch, model):
    monkeypatch.setenv("COLUMNS", "120")  # room for all columns, also of long times on a busy machine
    status, out, err = run(capsys, "profile", model, "--repeats", 3, "--top", 2)
    assert (status, err) == (0, "")
    title, source, _, header, *rows, _, whole = out.splitlines()
    assert title == "m.toml: training, 32 rows a step"
    assert source == "rows that were made (x normal, y 0 to 2); times in µs"
    assert header.split() == ["node", "op", "calls", "forward", "backward", "update", "time", "share", "bytes"]
    names = [row[: header.index("op")].strip() for row in rows]
    assert names[2:] in (["(2 others)", "(no node)", "total"], ["(2 others)", "total"])
    times = [float(row[: header.index("share") - 1].split()[-1].replace(",", "")) for row in rows]
    assert times[0] >= times[1]
    assert sum(times[:-1]) == pytest.approx(times[-1], rel=0.02)
    assert re.fullmatch(r"a step that is not looked into: [\d.,]+ µs", whole)


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("command", ["profile", "bench"])
def test_the_tables_fit(capsys, monkeypatch, model, command, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    few = ["--repeats", 1] if command == "profile" else ["--rounds", 1, "--steps", 1]
    status, out, _ = run(capsys, command, model, *few)
    tables = [line for line in out.splitlines() if "  " in line]
    assert status == 0
    assert tables
    assert max(map(len, tables)) <= max(columns, 33)  # of bench, three columns of numbers
    if columns >= 60:
        assert "ratio" in out if command == "bench" else "backward" in out


TIMINGS = [
    Timing("h", "MatMul", "np.matmul", 3e-6, 128),
    Timing("h", "Add", "np.add", 1e-6, 128),
    Timing("", "Spec", "shape", 0.5e-6, 0),
    Timing("gradient of a", "Mul", "np.multiply", 1.0004e-6, 64),
    Timing("gradient of h", "MatMul", "np.matmul", 4.0003e-6, 256),
    Timing("h.weight", "Sub", "np.subtract", 2e-6, 80),
    Timing("optimizer.step", "Add", "np.add", 0.25e-6, 8),
]


def test_calls_are_summed_by_node(model):
    owners = Owners(load(model).graph)
    rows = by_node(TIMINGS, owners)
    assert [(row.node, row.op, row.calls, row.bytes) for row in rows] == [
        ("h", "Dense", 4, 592),
        ("a", "Tanh", 1, 64),
        ("", "", 2, 8),
    ]
    assert rows[0].parts == pytest.approx({"forward": 4e-6, "backward": 4.0003e-6, "update": 2e-6, "elsewhere": 0})
    total = summed(rows, "total")
    assert (total.calls, total.bytes, total.seconds) == (7, 664, pytest.approx(11.7507e-6))


def test_a_parameter_of_its_own_is_a_node():
    rows = by_node([Timing("w", "Sub", "-", 1e-6, 8)], Owners(load(EXAMPLES / "adaline.toml").graph))
    assert [(row.node, row.op, row.parts["update"]) for row in rows] == [("w", "parameter", 1e-6)]


# ---- the trace ------------------------------------------------------------------------------------------------------


def test_the_trace_has_one_complete_event_a_call_one_after_the_other(model):
    tree = json.loads(trace(TIMINGS, Owners(load(model).graph), "a model"))
    names = [event for event in tree["traceEvents"] if event["ph"] == "M"]
    events = [event for event in tree["traceEvents"] if event["ph"] != "M"]
    assert {event["name"]: event["args"]["name"] for event in names} == {"process_name": "a model", "thread_name": "calls"}
    assert {(event["ph"], event["pid"], event["tid"]) for event in events} == {("X", 1, 1)}
    assert [event["name"] for event in events] == ["h", "h", "Spec", "a", "h", "h", "Add"]
    assert [event["cat"] for event in events] == [timing.op for timing in TIMINGS]
    assert events[3]["args"] == {"call": "np.multiply", "bytes": 64, "part": "backward"}
    ends = [round(1000 * (event["ts"] + event["dur"])) for event in events]
    assert [round(1000 * event["ts"]) for event in events] == [0, *ends[:-1]]
    assert ends[-1] == 11750


def test_profile_writes_the_trace_of_the_calls_it_tells(capsys, model):
    tree = found(capsys, "profile", model, "--repeats", 2, "--trace", "t.json")
    events = [event for event in json.loads(Path("t.json").read_text())["traceEvents"] if event["ph"] == "X"]
    assert [event["args"]["call"] for event in events] == [call["call"] for call in tree["calls"]]
    lines = run(capsys, "profile", model, "--repeats", 2, "--trace", "t.json")[1].splitlines()
    assert lines[-1].startswith("wrote t.json")
    assert sorted(path.name for path in Path().iterdir()) == ["m.toml", "t.json"]


def test_a_trace_that_cannot_be_made_leaves_the_old_one(capsys, monkeypatch, model):
    run(capsys, "profile", model, "--repeats", 1, "--trace", "t.json")
    before = Path("t.json").read_bytes()

    def fails(*arguments):
        raise ValueError("no")

    monkeypatch.setattr(node_times, "trace", fails)
    assert run(capsys, "profile", model, "--repeats", 1, "--trace", "t.json") == (2, "", "ourdl: no\n")
    assert Path("t.json").read_bytes() == before


# ---- bench ----------------------------------------------------------------------------------------------------------


def test_bench_measures_both_modes_by_both_executors(capsys, model):
    tree = found(capsys, "bench", model, "--rounds", 3, "--steps", 4, "--batch", 8)
    assert tree["data"] == "rows that were made (x normal, y 0 to 2)"
    for mode in ("training", "inference"):
        assert (tree[mode]["rows"], tree[mode]["steps"]) == (8, 4)
        assert list(tree[mode]["executors"]) == ["numpy", "plain"]
        for speed in tree[mode]["executors"].values():
            assert len(speed["rounds"]) == 3
            assert speed["seconds_a_step"] == sorted(speed["rounds"])[1]
            assert speed["rows_a_second"] == pytest.approx(8 / speed["seconds_a_step"])
            assert min(speed["first_step_seconds"], speed["peak_bytes"]) > 0


def test_bench_shows_a_table_a_mode(capsys):
    status, out, err = run(capsys, "bench", DIGITS, "--rounds", 2, "--steps", 3)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "digits.toml: rows of [data]"
    assert [line.split() for line in lines if "ratio" in line] == [
        ["training", "numpy", "plain", "ratio"],
        ["inference", "numpy", "plain", "ratio"],
    ]
    assert lines.count("2 rounds of 3 steps of 64 rows") == 2


def test_bench_without_train_is_of_inference_alone(capsys, model):
    text = MODEL[: MODEL.index("[train]")].replace('loss = { op = "SoftmaxCrossEntropy", in = ["logits", "y"] }\n', "")
    model.write_text(text.replace('y = { shape = ["batch"], dtype = "int64" }\n', ""))
    tree = found(capsys, "bench", model, "--rounds", 1)
    assert set(tree) == {"model", "data", "inference"}
    assert tree["inference"]["rows"] == 32


def test_the_peak_counts_the_arrays_of_a_step(model):
    file = one_op('x = { shape = ["batch", 1000], dtype = "float64" }', '{ op = "Exp", in = "x" }')
    work = Workload(load(file), 100)
    for speed in compare(work.work("inference"), 1, 1).speeds.values():
        assert 800_000 <= speed.peak_bytes < 900_000


def test_steps_go_from_state_to_state_through_all_batches():
    seen = []

    def program(state, *values):
        seen.append((state["n"], *values))
        return None, {"n": state["n"] + 1}

    assert seconds_a_step(program, {"n": 0}, [["a"], ["b"]], 3) > 0
    assert seen == [(0, "a"), (1, "b"), (2, "a")]


# ---- the rows -------------------------------------------------------------------------------------------------------


def test_the_rows_of_data_are_those_of_training():
    workload = Workload(load(DIGITS))
    work = workload.work("training")
    assert work.rows == 64
    assert np.array_equal(work.batches[0][0], workload.data.train["x"][:64])
    assert len({len(values[0]) for values in work.batches}) == 1
    assert Workload(load(DIGITS), 1000).work("training").rows == 1000
    assert Workload(load(DIGITS), 5000).work("inference").rows == 1437  # all there are


def test_steps_of_one_row_each():
    work = Workload(load(EXAMPLES / "adaline.toml")).work("training")
    assert work.rows == 1
    assert {np.ndim(values[0]) for values in work.batches} == {0}


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100])
def test_indices_are_made_as_large_as_the_model_takes(model, size):
    node = f'{{ op = "Embedding", in = "x", size = {size}, units = 2 }}'
    workload = Workload(load(one_op('x = { shape = ["batch", "length"], dtype = "int32" }', node)), 24)
    made = workload.data.train["x"]
    assert workload.source == f"rows that were made (x 0 to {size - 1})"
    assert (made.dtype, made.shape[1]) == (np.int32, 24)
    assert (made.min(), made.max()) == (0, size - 1)
    assert workload.work("inference").rows == 24


@pytest.mark.parametrize(
    ("declared", "shape", "text"),
    [
        ('shape = ["batch", 3], dtype = "float64"', (32, 3), "x normal"),
        ("shape = [8, 3]", (8, 3), "x normal"),
        ("shape = []", (), "x normal"),
        ('shape = ["batch"], dtype = "int16"', (32,), "x 0 to 9"),
        ('shape = ["batch"], dtype = "bool"', (32,), "x true or false"),
    ],
)
def test_rows_are_made_by_what_inputs_declare(model, declared, shape, text):
    workload = Workload(load(one_op(f"x = {{ {declared} }}", '{ op = "Reshape", in = "x", shape = [-1] }')))
    assert workload.source == f"rows that were made ({text})"
    assert np.shape(workload.work("inference").batches[0][0]) == shape


def test_enough_rows_are_made_for_gradients_that_are_gathered(model):
    model.write_text(MODEL.replace("clip_norm = 1.0", "accumulate = 20"))
    assert Workload(load(model)).work("training").rows == 32


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["bench", "profile"])
def test_every_mistake_of_a_model_file_has_its_place(capsys, model, command):
    model.write_text(MODEL.replace('"Tanh"', '"Tahn"'))
    status, out, err = run(capsys, command, model)
    assert (status, out) == (2, "")
    assert err.startswith("m.toml:8:12: no op named 'Tahn'. Did you mean Tanh?\n")


@pytest.mark.parametrize("command", ["bench", "profile"])
def test_an_input_without_a_shape_has_its_place(capsys, model, command):
    status, out, err = run(capsys, command, one_op("x = {}", '{ op = "Relu", in = "x" }'))
    assert (status, out) == (2, "")
    assert err.startswith("w.toml:3:1: the input 'x' declares no shape, so no rows can be made: write shape = [")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "n.toml"], "n.toml: no such file. Did you mean "),
        (["profile", "m.toml", "--mode", "trainign"], "argument --mode: invalid choice: 'trainign'"),
        (["profile", "m.toml", "--top", "0"], "argument --top: expected a whole number of at least 1, found '0'"),
        (["bench", "m.toml", "--step", "3"], "ourdl: unknown option '--step'. Did you mean --steps?"),
        (["profile", "m.toml", "--trace", "m.toml"], "ourdl: --trace m.toml: a trace is called *.json"),
        (["profile", "m.toml", "--trace", "no/t.json"], "ourdl: --trace no/t.json: there is no folder no"),
        (["profile", "m.toml", "--trace", "d.json"], "ourdl: --trace d.json: is a folder"),
        (["profile", "m.toml", "--trace", "o.json"], "o.json is no trace by 'ourdl profile': remove it, or choose another"),
        (["profile", "t.toml", "--mode", "training"], "t.toml: the section [train] is needed for a step of training"),
        (["profile", "w.toml", "--batch", "4"], "the input 'x' declares a batch of 8, and "),
    ],
)
def test_a_mistake_is_one_message_and_status_2(capsys, model, arguments, message):
    Path("d.json").mkdir()
    Path("o.json").write_text('{"ourdl": 1}')
    Path("t.toml").write_text(MODEL[: MODEL.index("[train]")])
    one_op("x = { shape = [8] }", '{ op = "Relu", in = "x" }')
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert Path("o.json").read_text() == '{"ourdl": 1}'
