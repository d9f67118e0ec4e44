"""What happens around the steps of training: early stopping, numbers that are not finite, listeners, what is trained."""

import gc
import math
import tracemalloc

import numpy as np
import pytest

from ourdl import Graph, Variable, ops
from ourdl_core import hookimpl, hooks
from ourdl_train import DataError, DivergedError, EarlyStopping, fit
from ourdl_train.early_stopping import Judge

ROWS = np.random.default_rng(0)


def line(dtype="float32"):
    """``y = w * x + b`` and its squared error."""
    with Graph() as graph:
        x, y = (Variable(shape=("batch", 1), dtype=dtype, name=name) for name in "xy")
        prediction = ops.Dense(x, units=1, name="p")
        loss = ops.SquaredError(y, prediction, name="loss")
        graph.outputs["p"] = prediction
    return graph, loss


def rows(count=20, dtype="float32"):
    x = ROWS.normal(size=(count, 1)).astype(dtype)
    return {"x": x, "y": 2 * x + 1}


ARGUMENTS = {"optimizer": {"name": "SGD", "lr": 0.1}, "epochs": 3, "batch": 5}


# ---- early stopping -------------------------------------------------------------------------------------------------


def judged(values, **settings):
    """The number of the best epoch, and that of the last."""
    judge = Judge(EarlyStopping(**settings), {"accuracy"})
    name = settings.get("monitor", "validation_loss")
    for epoch, value in enumerate(values, 1):
        judge.look({"epoch": epoch, name: value}, {"w": epoch})
        if judge.enough(epoch):
            break
    return (judge.best and judge.best.epoch), epoch


NAN = math.nan


@pytest.mark.parametrize(
    ("values", "settings", "found"),
    [
        ([3, 2, 1, 1, 1, 1], {"patience": 2}, (3, 5)),
        ([3, 2, 1, 0], {"patience": 2}, (4, 4)),
        ([3, 4, 2, 9, 9], {"patience": 1}, (1, 2)),
        ([3, 4, 2], {"patience": 0}, (1, 2)),
        ([3, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.15}, (3, 4)),
        ([3, NAN, NAN, 2], {"patience": 2}, (1, 3)),
        ([NAN, NAN, NAN], {"patience": 2}, (None, 2)),
        ([1, 2, 3, 3], {"patience": 1, "monitor": "validation_accuracy"}, (3, 4)),
        ([1, 2], {"patience": 1, "monitor": "accuracy", "mode": "min"}, (1, 2)),
    ],
)
def test_training_stops_as_keras_does(values, settings, found):
    """The rule of keras.callbacks.EarlyStopping (3.x): patience epochs in a row that are not better by min_delta."""
    assert judged(values, **settings) == found


def test_the_best_state_is_the_result_and_the_test_is_made_with_it():
    """A rate that is far too large after some steps: the first epoch is the best."""
    graph, loss = line()
    data = rows()
    optimizer = {"name": "SGD", "lr": 1.2}
    arguments = {**ARGUMENTS, "optimizer": optimizer, "epochs": 50, "validation": rows(), "shuffle": False}
    found = fit(graph, data, loss=loss, **arguments, early_stopping={"patience": 3})
    losses = [row["validation_loss"] for row in found.history]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 3
    assert (found.best.epoch, found.best.value) == (best, min(losses))
    whole = fit(graph, data, loss=loss, **{**arguments, "epochs": best})
    assert found.state["p.weight"].tobytes() == whole.state["p.weight"].tobytes()
    last = fit(graph, data, loss=loss, **arguments, early_stopping={"patience": 3, "restore_best": False})
    assert last.state["p.weight"].tobytes() != found.state["p.weight"].tobytes()
    assert last.best.epoch == best


def test_what_is_monitored_must_be_there():
    graph, loss = line()
    with pytest.raises(LookupError, match=r"of an epoch is called 'validation_loss'.*There are no rows for validation"):
        fit(graph, rows(), loss=loss, **ARGUMENTS, early_stopping={})
    with pytest.raises(LookupError, match=r"called 'validation_los'. Did you mean validation_loss\?"):
        fit(graph, rows(), loss=loss, **ARGUMENTS, validation=0.2, early_stopping={"monitor": "validation_los"})
    with pytest.raises(ValueError, match=r"'early_stopping' is wrong: EarlyStopping has no attribute 'patients'\. Did you"):
        fit(graph, rows(), loss=loss, **ARGUMENTS, early_stopping={"patients": 1})


# ---- validation -----------------------------------------------------------------------------------------------------


def test_validation_is_a_part_or_rows_of_their_own():
    graph, loss = line()
    seen = []
    found = fit(graph, rows(), loss=loss, **ARGUMENTS, validation=0.25, on_step=lambda step: seen.append(step.rows))
    assert sum(seen) == 3 * 15
    assert {"validation_loss", "loss", "epoch", "lr"} == set(found.history[0])
    with pytest.raises(DataError, match="inputs need as many rows each: 'x' has 3 rows, 'y' has 2"):
        fit(graph, rows(), loss=loss, **ARGUMENTS, validation={"x": np.ones((3, 1)), "y": np.ones((2, 1))})


# ---- what is trained ------------------------------------------------------------------------------------------------


def test_patterns_say_what_is_trained():
    graph, loss = line()
    first = fit(graph, rows(), loss=loss, **{**ARGUMENTS, "epochs": 1, "optimizer": {"name": "SGD", "lr": 0.0}}).state
    found = fit(graph, rows(), loss=loss, **ARGUMENTS, trained=["*.bias"]).state
    assert found["p.weight"].tobytes() == first["p.weight"].tobytes()
    assert found["p.bias"] != first["p.bias"]
    with pytest.raises(LookupError, match=r"trained: no parameter is called 'p.bais'. Did you mean p.bias\?"):
        fit(graph, rows(), loss=loss, **ARGUMENTS, trained=["p.bais"])


# ---- what is not finite ---------------------------------------------------------------------------------------------


def diverged(graph, loss, data, **changes):
    with pytest.raises(DivergedError) as error:
        fit(graph, data, loss=loss, **{**ARGUMENTS, "shuffle": False, **changes})
    return str(error.value).splitlines(), error.value


def test_the_first_node_that_is_not_finite_is_named_with_its_inputs():
    with Graph() as graph:
        x = Variable(shape=("batch",), dtype="float64", name="x")
        w = Variable(np.float64(1.0), trainable=True, name="w")
        root = ops.Sqrt(x * w, name="root")
        loss = ops.Mean(root, name="loss")
    data = {"x": np.array([4.0, 9, 1, 1, 1, 1, -4, 1])}
    told, error = diverged(graph, loss, data, batch=2, optimizer={"name": "SGD", "lr": 1e-9})
    assert told[0] == "the loss is nan at step 4 (epoch 1, rows 7 to 8), so training was stopped before it counted;"
    assert told[1].startswith("the first node that is not finite is Sqrt 'root' (built at ")
    assert told[1].endswith("): float64[2], from 1 to 1, 1 NaN")
    assert told[2].startswith("  of Mul 'mul_1' (built at ")
    assert told[2].endswith("): float64[2], from -4 to 1")
    assert error.fit.steps == 3
    assert np.isfinite(error.fit.state["w"])


def test_where_an_infinity_came_from_is_told():
    with Graph() as graph:
        x = Variable(shape=("batch",), dtype="float32", name="x")
        w = Variable(np.float32(1.0), trainable=True, name="w")
        large = ops.Exp(x * w, name="large")
        loss = ops.Mean(large - large * 2.0, name="loss")
    told, _ = diverged(graph, loss, {"x": np.array([1.0, 200.0], np.float32)})
    assert "Sub" in told[1]
    infinity = next(each for each in told if each.startswith("the infinity came from Exp 'large'"))
    assert infinity.endswith("float32[2], from 2.718 to 2.718, 1 inf")
    assert told[told.index(infinity) + 1].endswith("float32[2], from 1 to 200")


def test_a_gradient_that_is_not_finite_is_found_before_it_is_used():
    with Graph() as graph:
        x = Variable(shape=("batch",), dtype="float32", name="x")
        w = Variable(np.float32(0.0), trainable=True, name="w")
        loss = ops.Mean(ops.Sqrt(x * w, name="root"), name="loss")
    told, error = diverged(graph, loss, {"x": np.ones(2, np.float32)})
    assert told[0].startswith("'w' is not finite at step 1 ")
    assert told[1].startswith("the first gradient that is not finite is that of Mul")
    assert any("used by Sqrt 'root'" in each for each in told)
    assert error.fit.state["w"] == 0


def test_data_and_first_values_that_are_not_finite_are_told_as_such():
    graph, loss = line()
    data = rows()
    data["x"][7] = np.nan
    with pytest.raises((DivergedError, DataError), match="'x'"):
        fit(graph, data, loss=loss, **ARGUMENTS)


def test_a_step_that_is_too_large_for_the_numbers():
    graph, loss = line()
    told, _ = diverged(graph, loss, rows(), optimizer={"name": "SGD", "lr": 1e38})
    assert told[0].startswith(("'p.weight' is not finite at step", "the loss is"))
    assert told[-1] == "Try a smaller lr, scale the inputs, or look for an op that is outside its domain."


def test_large_parameters_whose_sum_is_infinite_are_finite():
    with Graph() as graph:
        x = Variable(shape=("batch",), dtype="float32", name="x")
        w = Variable(np.full(4, 2e38, np.float32), trainable=True, name="w")
        loss = ops.Mean(x) * ops.Mean(w * np.float32(1e-38), name="loss")
    assert len(fit(graph, {"x": np.ones(3, np.float32)}, loss=loss, **ARGUMENTS).history) == 3


# ---- listeners ------------------------------------------------------------------------------------------------------


def test_listeners_hear_of_the_whole_run():
    heard = []

    class Listener:
        @hookimpl
        def ourdl_training_began(self, settings):
            heard.append(("began", settings.epochs))

        @hookimpl
        def ourdl_step_ended(self, step, epoch, rate):
            heard.append((step, epoch, rate))

        @hookimpl
        def ourdl_epoch_ended(self, row):
            heard.append(sorted(row))

        @hookimpl
        def ourdl_training_ended(self, fit):
            heard.append(("ended", fit.steps))

    graph, loss = line()
    listener = Listener()
    hooks.register(listener)
    try:
        fit(graph, rows(10), loss=loss, **{**ARGUMENTS, "epochs": 1})
    finally:
        hooks.unregister(listener)
    assert heard == [("began", 1), (1, 1, 0.1), (2, 1, 0.1), ["epoch", "loss", "lr"], ("ended", 2)]


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_a_thousand_steps_leak_nothing():
    """Memory after 1,100 steps is that after 100, but for the history; so is the number of objects."""
    graph, loss = line()
    marks = {}

    def look(step):
        if step.number in (100, 1100):
            gc.collect()
            marks[step.number] = tracemalloc.get_traced_memory()[0], len(gc.get_objects())

    tracemalloc.start()
    try:
        settings = {**ARGUMENTS, "optimizer": "Adam", "epochs": 11}
        fit(graph, rows(500), loss=loss, **settings, validation=0.0, on_step=look)
    finally:
        tracemalloc.stop()
    (bytes_before, objects_before), (bytes_after, objects_after) = marks[100], marks[1100]
    assert bytes_after - bytes_before < 20_000
    assert objects_after - objects_before < 100


# ---- what can be told before it happens -----------------------------------------------------------------------------


def test_a_fixed_size_of_the_batch_must_be_that_of_every_batch():
    with Graph() as graph:
        x = Variable(shape=(5, 1), dtype="float32", name="x")
        loss = ops.Mean(ops.Square(ops.Dense(x, units=1, name="p")), name="loss")
    arguments = {**ARGUMENTS, "loss": loss, "epochs": 1}
    assert fit(graph, {"x": np.ones((20, 1), np.float32)}, **arguments).steps == 4
    with pytest.raises(DataError, match=r"'x' declares a batch of 5, and 18 rows in batches of 5 make others too: write"):
        fit(graph, {"x": np.ones((18, 1), np.float32)}, **arguments)
    with pytest.raises(DataError, match="declares a batch of 5, and 20 rows in batches of 4"):
        fit(graph, {"x": np.ones((20, 1), np.float32)}, **{**arguments, "batch": 4})


def test_nothing_would_move_with_more_gathered_than_there_is():
    graph, loss = line()
    with pytest.raises(ValueError, match="accumulate = 100, and the whole training has 12 batches: no parameter would ever"):
        fit(graph, rows(), loss=loss, **{**ARGUMENTS, "optimizer": {"name": "SGD", "accumulate": 100}})


def test_outputs_beside_and_behind_the_loss_are_kept_and_scored():
    with Graph() as graph:
        x = Variable(shape=("batch", 2), dtype="float32", name="x")
        y = Variable(shape=("batch",), dtype="int64", name="y")
        logits = ops.Dense(x, units=2, name="logits")
        probabilities = ops.Softmax(logits, name="probabilities")
        aside = ops.Dense(x, units=3, name="aside")
        loss = ops.SoftmaxCrossEntropy(logits, y, name="loss")
    graph.outputs |= {"logits": logits, "probabilities": probabilities, "aside": aside}
    data = {"x": ROWS.normal(size=(40, 2)).astype(np.float32), "y": ROWS.integers(0, 2, 40)}
    metrics = [{"name": "AUC", "output": "probabilities"}]
    found = fit(graph, data, loss=loss, **ARGUMENTS, metrics=metrics, validation=0.5)
    assert 0 <= found.history[0]["validation_auc"] <= 1
    assert {"aside.weight", "aside.bias"} <= set(found.weights)


@pytest.mark.parametrize("name", ["validation", "state"])
def test_a_state_or_rows_that_are_not_finite_are_told(name):
    graph, loss = line()
    bad = rows(5)
    bad["x"][3] = np.nan
    if name == "validation":
        with pytest.raises(DivergedError, match=r"rows for validation is nan after epoch 1; in the data: row 3"):
            fit(graph, rows(), loss=loss, **ARGUMENTS, validation=bad)
        return
    with Graph() as graph:
        x = Variable(shape=("batch", 1), dtype="float32", name="x")
        loss = ops.Mean(ops.BatchNormalization(x, name="n") * 1.0, name="loss")
    huge = {"x": np.array([[1.0], [3e30]], np.float32)}
    with pytest.raises(DivergedError, match=r"'n\.variance' is not finite at step 1"):
        fit(graph, huge, loss=loss, **ARGUMENTS)


def test_rows_of_a_table_of_another_library_are_read_by_position():
    """What has an index of its own, as a column of pandas, is not asked by it."""

    class Column:
        shape, dtype = (4,), np.dtype("float32")

        def __len__(self):
            return 4

        def __getitem__(self, rows):
            raise AssertionError("asked by its own index")

        def __array__(self, dtype=None, copy=None):
            return np.arange(4, dtype="float32")

    with Graph() as graph:
        x = Variable(shape=("batch",), dtype="float32", name="x")
        w = Variable(np.float32(0.0), trainable=True, name="w")
        loss = ops.Mean(x + w, name="loss")
    assert fit(graph, {"x": Column()}, loss=loss, **{**ARGUMENTS, "epochs": 1}).history[0]["loss"] == 1.5
