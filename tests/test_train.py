"""Optimizers follow the published recurrences; training is exact, repeatable, and says what is wrong with data."""

import gzip
import io
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pluggy
import pytest
from threadpoolctl import threadpool_limits

from ourdl_core import Graph, Program, Variable, ops
from ourdl_core.hooks import hooks
from ourdl_files import load
from ourdl_train import (
    SGD,
    Adam,
    Columns,
    DataError,
    DivergedError,
    Interrupted,
    Split,
    WeightsError,
    fit,
    load_weights,
    optimizer,
    read_columns,
    save_weights,
)
from ourdl_train.data import split

EXAMPLES = Path(__file__).parent.parent / "examples"


# ---- optimizers -----------------------------------------------------------------------------------------------------


def sgd(p, g, state, t):
    return p - 0.03 * g


def sgd_with_momentum(p, g, state, t):
    state["m"] = 0.9 * state.get("m", 0.0) + g
    return p - 0.03 * state["m"]


def adam(p, g, state, t):
    state["m"] = 0.8 * state.get("m", 0.0) + 0.2 * g
    state["v"] = 0.99 * state.get("v", 0.0) + 0.01 * g**2
    m, v = state["m"] / (1 - 0.8**t), state["v"] / (1 - 0.99**t)
    return p - 0.03 * m / (np.sqrt(v) + 1e-7)


RULES = {
    "sgd": (SGD(lr=0.03), sgd),
    "momentum": (SGD(lr=0.03, momentum=0.9), sgd_with_momentum),
    "adam": (Adam(lr=0.03, beta1=0.8, beta2=0.99, epsilon=1e-7), adam),
}


def quartic(dtype, start):
    """A loss whose gradient is known: ``4 p**3 * scale``, summed."""
    value = start if dtype is None else np.asarray(start, dtype)
    p = Variable(value, trainable=True, name="p")
    scale = 0.5 if dtype is None else np.linspace(0.1, 1.0, value.size, dtype=dtype).reshape(value.shape)
    loss = ops.Sum(ops.Square(ops.Square(p)) * scale) if dtype else ops.Square(ops.Square(p)) * scale
    return loss, lambda x: 4 * x**3 * scale


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-4), (None, 1e-12)])
def test_hundred_steps_follow_the_written_out_formula(name, dtype, tolerance):
    rule, formula = RULES[name]
    start = 0.7 if dtype is None else np.random.default_rng(0).normal(size=(3, 2))
    loss, gradient = quartic(dtype, start)
    program = Program([], loss, rule(loss))
    state, kept = program.init(), {}
    expected = start if dtype is None else np.asarray(start, dtype)
    for t in range(1, 101):
        expected = formula(expected, gradient(expected), kept, t)
        _, state = program(state)
        np.testing.assert_allclose(state["p"], expected, rtol=tolerance, atol=tolerance)
    assert type(state["p"]) is float if dtype is None else {v.dtype.name for v in state.values()} <= {dtype, "int32"}


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimizers_are_those_of_optax(name):
    optax = pytest.importorskip("optax")
    pytest.importorskip("jax").config.update("jax_enable_x64", True)
    loss, gradient = quartic("float64", np.ones(3))
    ours, rule = {"SGD": (SGD(lr=0.03, momentum=0.9), optax.sgd(0.03, 0.9)), "Adam": (Adam(lr=0.03), optax.adam(0.03))}[name]
    p = np.ones(3)
    program, other = Program([], loss, ours(loss)), rule.init(p)
    state = program.init()
    for _ in range(100):
        change, other = rule.update(gradient(p), other)
        p, (_, state) = p + change, program(state)
        np.testing.assert_allclose(state["p"], p, rtol=1e-6)


def two_layers():
    x = Variable(shape=(None, 3), dtype="float32", name="x")
    with Graph() as graph:
        h = ops.Dense(x, units=4, name="h")
        loss = ops.Mean(ops.Square(ops.Dense(ops.Exp(h), units=2, name="out")))
    graph.inputs["x"] = x
    return graph, x, loss


def test_states_are_named_after_their_parameter_and_are_the_same_in_every_layout():
    _, x, loss = two_layers()
    program = Program([x], loss, Adam()(loss))
    state = program.init(seed=1)
    assert {"h.weight", "h.weight.first", "h.weight.second", "h.weight.step", "out.bias.first"} <= set(state)
    for dtype in ("float32", "float64", "float32"):
        program = Program([x], loss, Adam()(loss)) if dtype == "float64" else program
        _, state = program(state, np.ones((2, 3), "float32"))
    assert int(state["h.weight.step"]) == 3


def test_a_parameter_that_the_loss_does_not_use_is_left_alone():
    p, q = (Variable(np.ones(2), trainable=True, name=name) for name in "pq")
    loss = ops.Sum(ops.Square(p))
    program = Program([], [loss, ops.Sum(q)], SGD(lr=0.1)(loss))
    _, state = program(program.init())
    np.testing.assert_array_equal(state["p"], [0.8, 0.8])
    np.testing.assert_array_equal(state["q"], [1.0, 1.0])


def test_an_optimizer_inside_a_graph_adds_no_nodes_to_it():
    with Graph() as graph:
        p = Variable(np.ones(2), trainable=True, name="p")
        loss = ops.Sum(ops.Square(p))
        before = [str(node) for node in graph.nodes]
        program = Program([], loss, Adam()(loss))
        program(program.init())
    assert [str(node) for node in graph.nodes] == before


def test_learning_rates_by_name():
    rates = SGD(lr={"*.bias": 0.1, "h.*": 0.2, "*": 0.3}).rates(["h.weight", "h.bias", "out.weight"])
    assert rates == {"h.weight": 0.2, "h.bias": 0.1, "out.weight": 0.3}
    with pytest.raises(LookupError, match=r"no parameter is called 'h.weigth'. Did you mean h.weight\?"):
        SGD(lr={"h.weigth": 0.1}).rates(["h.weight"])
    with pytest.raises(LookupError, match="no entry for the parameter 'b'"):
        SGD(lr={"w": 0.1}).rates(["w", "b"])
    with pytest.raises(ValueError, match="'lr' must be at least 0 and finite, found -1"):
        Adam(lr=-1.0)


def test_optimizers_are_found_by_name():
    assert optimizer({"name": "SGD", "lr": 0.1, "momentum": 0.9}) == SGD(lr=0.1, momentum=0.9)
    with pytest.raises(LookupError, match=r"no optimizer named 'Adm'. Did you mean Adam\?"):
        optimizer("Adm")
    with pytest.raises(TypeError, match=r"Adam has no attribute 'beta_1'. Did you mean beta1"):
        optimizer({"name": "Adam", "beta_1": 0.9})


# ---- fit ------------------------------------------------------------------------------------------------------------


def test_adaline_prints_the_ten_pairs_of_the_origin():
    seen = []
    result = fit(
        load(EXAMPLES / "adaline.toml"),
        on_step=lambda step: seen.append(f"{float(step.state['w']):.2f},{float(step.state['b']):.2f}"),
    )
    assert " · ".join(seen) == (
        "0.13,0.10 · 0.36,0.20 · 0.58,0.10 · 0.74,0.00 · 1.13,0.10 · "
        "1.43,0.20 · 1.62,0.30 · 1.94,0.20 · 1.50,0.30 · 1.87,0.40"
    )
    assert result.steps == 10


def test_training_adaline_imports_no_package_of_ops_that_it_does_not_use():
    code = (
        "import sys; from ourdl_files import load; from ourdl_train import fit; fit(load(sys.argv[1]));"
        "print(*sorted({name.partition('.')[0] for name in sys.modules if name.startswith('ourdl')}))"
    )
    command = [sys.executable, "-c", code, str(EXAMPLES / "adaline.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ourdl_core", "ourdl_files", "ourdl_losses", "ourdl_ops_basic", "ourdl_train"]


def test_one_seed_gives_the_same_bits_and_another_seed_other_ones():
    model = load(EXAMPLES / "wine.toml")
    first, again, other = (fit(model, seed=seed, epochs=2) for seed in (3, 3, 4))
    assert first.history == again.history
    assert {k: v.tobytes() for k, v in first.state.items()} == {k: v.tobytes() for k, v in again.state.items()}
    assert first.history != other.history


def test_wine_trains_well():
    result = fit(load(EXAMPLES / "wine.toml"))
    assert result.test.rows == 36
    assert result.test.accuracy > 0.9
    assert str(result.test).startswith("accuracy 9") or str(result.test) == "accuracy 100.0 % (36 of 36)"


def test_every_row_is_used_once_an_epoch_and_the_last_batch_is_short():
    x, rows = Variable(shape=(None,), dtype="float64", name="x"), []
    w = Variable(0.0, trainable=True, name="w")
    with Graph() as graph:
        loss = ops.Mean(x * w)
    graph.inputs["x"] = x
    fit(graph, {"x": np.arange(10.0)}, loss=loss, optimizer=SGD(), epochs=2, batch=4, on_step=lambda s: rows.append(s.rows))
    assert rows == [4, 4, 2, 4, 4, 2]


def test_validation_is_scored_after_each_epoch():
    model = load(EXAMPLES / "wine.toml")
    parts = model.data.split.replace(validation=0.25)
    model.sections["data"] = type(model.data)(model.data.file, model.data.columns, parts)
    history = fit(model, epochs=2).history
    assert all(0 <= row["validation_accuracy"] <= 1 and math.isfinite(row["validation_loss"]) for row in history)


def test_training_goes_on_from_a_state():
    graph, _, loss = two_layers()
    arguments = {"loss": loss, "optimizer": Adam(), "shuffle": False}
    data = {"x": np.random.default_rng(0).normal(size=(8, 3)).astype("float32")}
    whole = fit(graph, data, epochs=4, **arguments)
    half = fit(graph, data, epochs=2, **arguments)
    rest = fit(graph, data, epochs=2, state=half.state, **arguments)
    np.testing.assert_array_equal(whole.state["h.weight"], rest.state["h.weight"])


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_step():
    graph, _, loss = two_layers()
    data = {"x": np.full((4, 3), 100.0, "float32")}
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) at step [12] \(epoch 1\)"):
        fit(graph, data, loss=loss, optimizer=SGD(lr=1e6), epochs=1, batch=2)


def test_the_loss_must_be_one_number():
    x = Variable(shape=(None, 3), dtype="float32", name="x")
    with Graph() as graph:
        loss = ops.Square(ops.Dense(x, units=4))
    graph.inputs["x"] = x
    with pytest.raises(ValueError, match=r"has rank 2 .* must be one number. Take its mean"):
        fit(graph, {"x": np.ones((4, 3))}, loss=loss, optimizer="SGD", epochs=1)


def test_data_and_inputs_must_be_the_same():
    graph, _, loss = two_layers()
    arguments = {"loss": loss, "optimizer": "SGD", "epochs": 1}
    with pytest.raises(DataError, match="the input 'x' of the graph has no data"):
        fit(graph, _only(graph), **arguments)
    with pytest.raises(DataError, match="data for 'z', which is no input"):
        fit(graph, {"x": np.ones((2, 3)), "z": np.ones(2)}, **arguments)
    with pytest.raises(DataError, match=r"declares float32\[\?, 3\], its data has \[5\] a row"):
        fit(graph, {"x": np.ones((2, 5))}, **arguments)
    with pytest.raises(DataError, match="'x' has 2 rows, 'z' has 3 rows"):
        fit(graph, {"x": np.ones((2, 3)), "z": np.ones(3)}, **arguments)


def _only(graph):
    graph.inputs["other"] = Variable(shape=(None,), dtype="float32", name="other")
    return {"other": np.ones(2)}


def test_ctrl_c_ends_with_a_message_and_keeps_what_was_reached():
    def stop(step):
        if step.number == 7:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="stopped in epoch 2 of 40, after 7 steps") as stopped:
        fit(load(EXAMPLES / "wine.toml"), on_step=stop)
    assert stopped.value.fit.steps == 7
    assert len(stopped.value.fit.history) == 1


def test_listeners_hear_of_every_step():
    heard = []

    class Listener:
        @pluggy.HookimplMarker("ourdl")
        def ourdl_step_ended(self, step, epoch, loss):
            heard.append((step, epoch))

    listener = Listener()
    hooks.register(listener)
    try:
        fit(load(EXAMPLES / "adaline.toml"), epochs=2)
    finally:
        hooks.unregister(listener)
    assert heard == [(n, 1 + (n > 10)) for n in range(1, 21)]


@pytest.mark.slow
def test_digits_reach_97_percent_as_the_median_of_five_seeds():
    model = load(EXAMPLES / "digits.toml")
    with threadpool_limits(1):  # on a busy machine the threads of BLAS wait for one another, ten times the work
        results = [fit(model, seed=seed) for seed in range(5)]
    assert sorted(result.test.accuracy for result in results)[2] >= 0.97
    assert {result.test.rows for result in results} == {360}


# ---- data -----------------------------------------------------------------------------------------------------------

FLOAT = {"x": Variable(shape=(None,), dtype="float32", name="x")}


def read(path, content, columns="x", inputs=FLOAT, **settings):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_columns(path, {name: Columns(columns=columns, **settings) for name in inputs}, inputs)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.csv", "x,y\n1,2\n3,oops\n", r"d.csv: line 3, column 'y': expected a number, found the text 'oops'"),
        ("d.csv", "x,y\n1,2\n3,\n", r"line 3, column 'y': expected a number, the value is missing"),
        ("d.csv", "x,y\n1,2\n3,nan\n", r"line 3, column 'y': the value is not a number \(NaN\)"),
        ("d.csv", "x,y\n1,2\n3,-inf\n", r"line 3, column 'y': the value is infinite"),
        ("d.csv", "x,y\n1,2\n\n3\n", r"line 4 has 1 values, the header names 2 columns"),
        ("d.csv", "x,y\n1,2\n3,1_0\n", r"line 3, column 'y': expected a number, found the text '1_0'"),
        ("d.csv", "x,z\n1,2\n", r"no column 'y' for the input 'x'. It has: x, z."),
        ("d.csv", "x,Y\n1,2\n", r"no column 'y' for the input 'x'. Did you mean Y\?"),
        ("d.csv", "1,2\n3,4\n", "the first line must name the columns"),
        ("d.csv", "y,y\n3,4\n", "names the column 'y' twice"),
        ("d.csv", "x;y\n3;4\n", "separated by commas"),
        ("d.csv", "x,y\n", "no row of data"),
        ("d.csv", "", "the file is empty"),
        ("d.csv", b"x,y\n\xff\xfe,1\n", "not UTF-8 text"),
        ("d.csv", "x,y\n1,1e39\n", r"line 2, column 'y': 1e\+39 is too large for float32"),
        ("d.csv.gz", "x,y\n1,2\n", "damaged or not what its name says"),
        ("d.csv.gz", gzip.compress(b"x,y\n" + b"1,2\n" * 999, mtime=0)[:-20], "damaged"),
        ("d.npz", "x", "is not an NPZ file"),
        ("d.txt", "x", r"read from .csv, .csv.gz, .npz files"),
    ],
)
def test_what_is_wrong_with_a_file_of_data_is_said_with_its_place(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content, "y")


def test_a_missing_file_of_data_is_an_error_with_a_suggestion(tmp_path):
    (tmp_path / "wine.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match=r"win.csv: no such file. Did you mean wine.csv\?"):
        read_columns(tmp_path / "win.csv", {"x": Columns(columns="x")}, FLOAT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_neither_data_nor_weights(tmp_path):
    for name in ("d.csv", "d.csv.gz", "d.npz"):
        (tmp_path / name).symlink_to("/dev/zero")
        with pytest.raises(DataError, match=f"{name}: is not a regular file"):
            read_columns(tmp_path / name, {"x": Columns(columns="x")}, FLOAT)
    os.mkfifo(tmp_path / "w.npz")
    with pytest.raises(WeightsError, match="is not a regular file"):
        load_weights(tmp_path / "w.npz", {})


def test_what_is_unpacked_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("ourdl_train.files.MAX_UNPACKED", 10_000)
    with pytest.raises(DataError, match="the text in it is larger than 10,000 bytes: split it, or save it with numpy"):
        read(tmp_path / "d.csv.gz", gzip.compress(b"x\n" + b"1\n" * 9999))
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros(2000))
    with pytest.raises(DataError, match="compressed arrays hold more than 10,000 bytes: save them uncompressed"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)
    np.savez(tmp_path / "d.npz", x=np.zeros(2000))
    assert len(read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)["x"]) == 2000


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(-1,)", "(" * 90])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_header_of_an_array_is_not_believed(tmp_path, shape, compression):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = io.BytesIO(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16))
    with zipfile.ZipFile(tmp_path / "d.npz", "w", compression) as archive:
        archive.writestr("x.npy", content.getvalue())
    with pytest.raises(DataError, match=r"the array 'x' is not numbers: .*header"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)
    with pytest.raises(WeightsError, match=r"'x' is not numbers: .*header"):
        load_weights(tmp_path / "d.npz", {"x": np.zeros(2)})


def test_columns_are_a_name_a_pattern_or_a_list(tmp_path):
    text = "\ufeffp_0,p_1,x\n0,1,2\n3,4,5\n"
    rows = {"x": Variable(shape=(None, 2), dtype="float32", name="x")}
    for columns in ("p_*", ["p_0", "p_1"]):
        found = read(tmp_path / "d.csv", text, columns, rows, scale=0.5)["x"]
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, [[0, 0.5], [1.5, 2]])
    np.testing.assert_array_equal(read(tmp_path / "d.csv", text, "x")["x"], [2, 5])
    one = {"x": Variable(shape=(None, 1), dtype="float32", name="x")}
    np.testing.assert_array_equal(read(tmp_path / "d.csv", text, "x", one)["x"], [[2], [5]])


def test_labels_become_the_integers_that_are_declared(tmp_path):
    labels = {"x": Variable(shape=(None,), dtype="uint8", name="x")}
    found = read(tmp_path / "d.csv", "x\n1\n2.0\n", inputs=labels)["x"]
    assert (found.dtype, found.tolist()) == (np.uint8, [1, 2])
    for text in ("2.5", "300"):
        with pytest.raises(DataError, match=rf"line 3, .* whole number from 0 to 255 \(uint8\), found {text}"):
            read(tmp_path / "d.csv", f"x\n1\n{text}\n", inputs=labels)


def test_npz_arrays_are_inputs_as_they_are_and_never_objects(tmp_path):
    images = {"x": Variable(shape=(None, 2, 2), dtype="float32", name="x")}
    np.savez(tmp_path / "d.npz", x=np.ones((3, 2, 2)), bad=np.array([{}], dtype=object))
    assert read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, images)["x"].shape == (3, 2, 2)
    with pytest.raises(DataError, match="the array 'bad' is not numbers"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="bad")}, images)


def test_a_split_depends_on_its_seed_alone_and_holds_every_row_once():
    rows = {"x": np.arange(21)}
    parts = split(rows, Split(test=0.2, validation=0.1, seed=5))
    assert [len(part["x"]) for part in (parts.train, parts.validation, parts.test)] == [13, 3, 5]
    whole = np.concatenate([parts.train["x"], parts.validation["x"], parts.test["x"]])
    np.testing.assert_array_equal(np.sort(whole), rows["x"])
    assert np.array_equal(parts.test["x"], split(rows, Split(test=0.2, validation=0.1, seed=5)).test["x"])
    assert not np.array_equal(parts.test["x"], split(rows, Split(test=0.2, validation=0.1, seed=6)).test["x"])


# ---- weights --------------------------------------------------------------------------------------------------------


def test_weights_come_back_bit_for_bit_and_must_fit(tmp_path):
    path, state = tmp_path / "w.npz", {"w": 0.1, "file": np.linspace(0, 1, 3, dtype="float32")}
    save_weights(path, state)
    found = load_weights(path, {"w": 0.0, "file": np.zeros(3, "float32")})
    assert found["w"] == 0.1
    assert found["file"].tobytes() == state["file"].tobytes()
    before = path.read_bytes()
    save_weights(path, state)
    assert path.read_bytes() == before
    with pytest.raises(WeightsError, match=r"'v' is missing(.|\n)*'file' has shape \[3\], the model wants \[2\]"):
        load_weights(path, {"v": 0.0, "file": np.zeros(2)})
    path.write_bytes(b"PK nothing")
    with pytest.raises(WeightsError, match="is not a file of weights"):
        load_weights(path, {})
