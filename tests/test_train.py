"""Training is exact, repeatable, and says what is wrong with data."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pluggy
import pytest
from graphs import two_layers
from threadpoolctl import threadpool_limits

from ourdl_core import Graph, Variable, ops
from ourdl_core.hooks import hooks
from ourdl_files import load
from ourdl_train import (
    SGD,
    Adam,
    DataError,
    DivergedError,
    Interrupted,
    WeightsError,
    fit,
    load_weights,
    save_weights,
)

EXAMPLES = Path(__file__).parent.parent / "examples"


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
    expected = ["ourdl_core", "ourdl_files", "ourdl_losses", "ourdl_numpy", "ourdl_ops_basic", "ourdl_train"]
    assert done.stdout.split() == expected


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
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) at step [12] \(epoch 1, rows \d to \d\)"):
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


# ---- weights --------------------------------------------------------------------------------------------------------


def test_weights_come_back_bit_for_bit_and_must_fit(tmp_path):
    path, state = tmp_path / "w.safetensors", {"w": 0.1, "file": np.linspace(0, 1, 3, dtype="float32")}
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
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        load_weights(path, {})
