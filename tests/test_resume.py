"""Runs that are stopped, killed or changed, and go on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kill_runs import OPTIMIZER, model

from ourdl import Graph, Variable, ops
from ourdl_train import DataError, Interrupted, WeightsError, fit, read_checkpoint
from ourdl_train.runs import BEST, CHECKPOINT, LOG, WEIGHTS, new_directory

HERE = Path(__file__).parent


def data(seed=1):
    generator = np.random.default_rng(seed)
    return {"x": generator.normal(size=(100, 6)).astype(np.float32), "y": generator.integers(0, 3, 100)}


SETTINGS = {"optimizer": OPTIMIZER, "epochs": 4, "batch": 6, "seed": 5, "validation": 0.25, "pause": 0}


def train(folder, **changes):
    graph, loss, _ = model()
    return fit(graph, changes.pop("data", data()), loss=loss, run=folder, **{**SETTINGS, **changes})


def log(folder):
    """The log without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "seconds")} for line in lines]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return train(folder), folder


def same_as_alone(folder, alone):
    for name in (CHECKPOINT, WEIGHTS, BEST):
        assert (folder / name).read_bytes() == (alone[1] / name).read_bytes(), name


# ---- killed and stopped ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_kills_change_no_bit(tmp_path):
    command = [sys.executable, HERE / "kill_runs.py", tmp_path, "100", "0"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=500).stdout)
    assert found["killed"] >= 100
    assert found["steps"] > 15  # at many different places
    assert all(found["same"])


@pytest.mark.parametrize("number", [1, 12, 13, 14, 26, 51, 52])
def test_a_run_that_was_stopped_after_any_step_ends_bit_for_bit_the_same(tmp_path, alone, number):
    def stop(step):
        if step.number == number:
            os.kill(os.getpid(), signal.SIGINT)

    message = f"stopped in epoch {(number - 1) // 13 + 1} of 4, after {number} steps"
    with pytest.raises(Interrupted, match=message) as stopped:
        train(tmp_path, on_step=stop)
    assert stopped.value.fit.steps == number
    assert read_checkpoint(tmp_path / CHECKPOINT).position.step == number
    again = train(tmp_path, resume=True)
    assert again.history == alone[0].history
    assert again.steps == 52
    same_as_alone(tmp_path, alone)
    told = [line for line in log(tmp_path) if line["event"] not in ("resumed", "stopped")]
    assert told == log(alone[1])


def test_the_first_signal_waits_for_the_step_and_the_second_does_not(tmp_path):
    seen = []

    def stop(step):
        os.kill(os.getpid(), signal.SIGINT)
        seen.append(step.number)
        if step.number == 1:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("not reached")

    with pytest.raises(Interrupted):
        train(tmp_path, on_step=stop)
    assert seen == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_request_to_end_is_heard(tmp_path, alone):
    with pytest.raises(Interrupted):
        train(tmp_path, on_step=lambda step: step.number == 20 and os.kill(os.getpid(), signal.SIGTERM))
    train(tmp_path, resume=True)
    same_as_alone(tmp_path, alone)


def test_a_run_that_has_ended_gives_its_result_again(tmp_path, alone):
    train(tmp_path)
    again = train(tmp_path, resume=True)
    assert again.history == alone[0].history
    same_as_alone(tmp_path, alone)


def test_more_epochs_go_on_as_one_long_run(tmp_path):
    train(tmp_path / "short", epochs=2)
    longer = train(tmp_path / "short", epochs=4, resume=True)
    assert longer.history == train(tmp_path / "long").history


def test_an_error_in_a_step_leaves_the_steps_before_it(tmp_path, alone):
    def fail(step):
        if step.number == 30:
            raise RuntimeError("of the listener")

    with pytest.raises(RuntimeError, match="of the listener"):
        train(tmp_path, on_step=fail)
    assert read_checkpoint(tmp_path / CHECKPOINT).position.step == 30
    train(tmp_path, resume=True)
    same_as_alone(tmp_path, alone)


@pytest.mark.parametrize("dtype", ["float32", None])
def test_python_numbers_and_one_row_at_a_time_are_resumed(tmp_path, dtype):
    def go(folder, **more):
        with Graph() as graph:
            x, y = (Variable(shape=(), dtype=dtype, name=name) if dtype else Variable(0.0, name=name) for name in "xy")
            w = Variable(0.5 if dtype is None else np.float32(0.5), trainable=True, name="w")
            loss = ops.SquaredError(y, w * x, name="loss")
        rows = {"x": np.linspace(-1, 1, 7), "y": np.linspace(0, 3, 7)}
        rows = {name: each.astype(dtype) if dtype else each for name, each in rows.items()}
        return fit(graph, rows, loss=loss, optimizer={"name": "SGD", "momentum": 0.9}, epochs=3, run=folder, pause=0, **more)

    whole = go(tmp_path / "whole")
    with pytest.raises(Interrupted):
        go(tmp_path / "part", on_step=lambda step: step.number == 9 and os.kill(os.getpid(), signal.SIGINT))
    part = go(tmp_path / "part", resume=True)
    assert part.history == whole.history
    assert (tmp_path / "part" / CHECKPOINT).read_bytes() == (tmp_path / "whole" / CHECKPOINT).read_bytes()


# ---- what does not fit ----------------------------------------------------------------------------------------------


def test_another_training_is_no_continuation(tmp_path):
    train(tmp_path, epochs=1)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="this run was begun with batch = 6, now it is 7: a run goes on as it began"):
        train(tmp_path, batch=7, resume=True)
    with pytest.raises(DataError, match="the rows for training are not those of this run"):
        train(tmp_path, data=data(2), resume=True)
    with pytest.raises(ValueError, match=r"there is a run already\. Go on with it"):
        train(tmp_path)
    with pytest.raises(TypeError, match="resume=True needs run="):
        train(None, resume=True)
    after = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert after == before


def test_what_is_no_run_or_no_checkpoint_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: there is no such run: a directory that 'ourdl train' made"):
        train(tmp_path / "none", resume=True)
    with pytest.raises(FileNotFoundError, match=f"there is no {CHECKPOINT} in it, so nothing to go on from"):
        train(tmp_path, resume=True)
    train(tmp_path, epochs=1)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match="the file is damaged"):
        train(tmp_path, resume=True)
    path.write_bytes(content.replace(b'\\"format\\": 1', b'\\"format\\": 2'))
    with pytest.raises(WeightsError, match="is a checkpoint of format 2; this version of OurDL reads format 1"):
        train(tmp_path, resume=True)
    path.write_bytes(content.replace(b'\\"position\\"', b'\\"posit10n\\"'))
    with pytest.raises(WeightsError, match="the checkpoint is damaged: 'position'"):
        train(tmp_path, resume=True)
    path.write_bytes((tmp_path / WEIGHTS).read_bytes())
    with pytest.raises(WeightsError, match="holds weights, but no checkpoint to go on from"):
        train(tmp_path, resume=True)


def test_what_a_kill_left_behind_is_taken_away(tmp_path):
    train(tmp_path, epochs=1)
    (tmp_path / ".123-4.safetensors").write_bytes(b"half")
    (tmp_path / LOG).write_text((tmp_path / LOG).read_text() + '{"event": "step", "st')
    train(tmp_path, resume=True)
    assert not list(tmp_path.glob(".*"))
    assert [line["event"] for line in log(tmp_path)][-2:] == ["epoch", "ended"]


# ---- directories ----------------------------------------------------------------------------------------------------


def test_each_run_has_a_directory_of_its_own(tmp_path):
    assert new_directory(tmp_path, "m").name == "m-1"
    assert new_directory(tmp_path, "m").name == "m-2"
    (tmp_path / "m-10").mkdir()
    (tmp_path / "m-x").mkdir()
    (tmp_path / "m-0011-old").touch()
    assert new_directory(tmp_path, "m").name == "m-11"
    assert new_directory(tmp_path, "n-m").name == "n-m-1"


def test_the_log_says_what_happened(tmp_path):
    found = train(tmp_path, epochs=2)
    lines = log(tmp_path)
    assert [line["event"] for line in lines] == ["began", *["step"] * 13, "epoch", *["step"] * 13, "epoch", "ended"]
    assert {"rows": 75, "parameters": 8 * 6 + 8 + 16 + 8 * 3 + 3, "seed": 5}.items() <= lines[0].items()
    assert [line["loss"] for line in lines if line["event"] == "epoch"] == [row["loss"] for row in found.history]
    assert set(found.history[0]) == {"epoch", "loss", "lr", "validation_loss", "validation_accuracy"}
    assert lines[-1]["epochs"] == 2
    assert lines[-1]["best"]["epoch"] == found.best.epoch


# ---- what is not this run, and what is not in it --------------------------------------------------------------------


def test_another_graph_of_the_same_shapes_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    graph, loss, _ = model("Tanh")
    with pytest.raises(DataError, match="the graph is not that of this run"):
        fit(graph, data(), loss=loss, run=tmp_path, resume=True, **SETTINGS)


def test_rows_in_the_middle_and_those_for_validation_are_looked_at(tmp_path):
    train(tmp_path, epochs=1)
    rows = data()
    rows["x"][50, 3] += 1
    with pytest.raises(DataError, match=r"the rows for (training|validation) are not those of this run"):
        train(tmp_path, data=rows, resume=True)


def test_a_schedule_as_long_as_the_training_fixes_the_epochs(tmp_path):
    cosine = {"name": "SGD", "schedule": "Cosine"}
    train(tmp_path, epochs=1, optimizer=cosine)
    with pytest.raises(ValueError, match="begun with epochs = 1, now it is 2: its schedule lasts as long as the training"):
        train(tmp_path, epochs=2, optimizer=cosine, resume=True)


def test_a_run_cannot_end_before_where_it_stands(tmp_path):
    train(tmp_path, epochs=3)
    with pytest.raises(ValueError, match="this run is in epoch 4 already, so it cannot end after 2"):
        train(tmp_path, epochs=2, resume=True)


@pytest.mark.parametrize("name", [LOG, WEIGHTS, "model.toml"])
def test_nothing_is_written_to_where_a_link_leads(tmp_path, name):
    run, victim = tmp_path / "run", tmp_path / "victim"
    train(run, epochs=1)
    victim.write_text("mine")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    with pytest.raises(ValueError, match="is no file of its own but a link, a pipe or a directory"):
        train(run, resume=True)
    assert victim.read_text() == "mine"


def test_a_pipe_in_the_place_of_the_log_does_not_hang(tmp_path):
    train(tmp_path, epochs=1)
    (tmp_path / LOG).unlink()
    os.mkfifo(tmp_path / LOG)
    with pytest.raises(ValueError, match=r"log\.jsonl: is no file of its own"):
        train(tmp_path, resume=True)


def test_two_processes_do_not_share_a_run(tmp_path):
    def second(step):
        with pytest.raises(ValueError, match="another process trains in this run"):
            train(tmp_path, resume=True)

    train(tmp_path, epochs=1, on_step=second)
    train(tmp_path, epochs=2, resume=True)  # and when it has ended, another may


@pytest.mark.parametrize("name", ["model.toml", BEST])
def test_a_run_writes_over_nothing_that_is_there(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"{name}: is there, and a run would write over it"):
        train(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "line",
    ['{"event":"step","step":null}', '{"event":"epoch","epoch":"x"}', '{"event":"step","step":[]}', "[" * 100_000, "3"],
    ids=lambda line: line[:30],
)
def test_a_damaged_log_is_no_hindrance(tmp_path, line):
    train(tmp_path, epochs=1)
    (tmp_path / LOG).write_text((tmp_path / LOG).read_text() + line + "\n")
    assert len(train(tmp_path, epochs=2, resume=True).history) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\\"epoch\\": 2', b'\\"epoch\\": 7'),
        (b'\\"row\\": 0', b'\\"row\\": -'),
        (b'\\"settings\\": {', b'\\"settings\\": ['),
        (b'\\"model\\": null', b'\\"model\\": 1234'),
        (b'\\"history\\": [', b'\\"history\\": {'),
    ],
)
def test_what_no_run_has_written_is_no_checkpoint(tmp_path, old, new):
    train(tmp_path, epochs=1)
    content = (tmp_path / CHECKPOINT).read_bytes()
    assert content.count(old) >= 1
    (tmp_path / CHECKPOINT).write_bytes(content.replace(old, new, 1))
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors: the checkpoint is damaged"):
        train(tmp_path, resume=True)


# ---- to begin from another state ------------------------------------------------------------------------------------


def test_another_fit_begins_from_the_weights_with_an_optimizer_of_its_own(tmp_path):
    graph, loss, _ = model()
    cosine = {"name": "Adam", "schedule": "Cosine", "average": 0.9}
    arguments = {"loss": loss, "epochs": 2, "batch": 6, "seed": 5}
    first = fit(graph, data(), optimizer=cosine, **arguments)
    assert not any(name.startswith("optimizer") or name.endswith((".first", ".average")) for name in first.weights)
    for changes in ({"optimizer": cosine}, {"optimizer": "SGD"}, {"optimizer": "Adam", "trained": ["scores.*"]}):
        again = fit(graph, data(), state=first.weights, **arguments, **changes)
        assert again.history[0]["lr"] > 0
        assert np.abs(again.weights["scores.bias"] - first.weights["scores.bias"]).max() > 1e-4
        fit(graph, data(), state=first.state, **arguments, **{**changes, "optimizer": "SGD"})  # the rest is left out
    with pytest.raises(ValueError, match=r"34 steps, where the schedule Cosine ends: give state=result.weights"):
        fit(graph, data(), optimizer=cosine, state=first.state, **arguments)


def test_a_state_must_fit():
    graph, loss, _ = model()
    arguments = {"loss": loss, "epochs": 1, "optimizer": "SGD"}
    with pytest.raises(WeightsError, match=r"'h.bias' has shape \[3\], the model wants \[8\]"):
        fit(graph, data(), state={"h.bias": np.zeros(3)}, **arguments)
    with pytest.raises(LookupError, match=r"the state has 'h\.bais', which this training does not use"):
        fit(graph, data(), state={"h.bais": np.zeros(8)}, **arguments)
    state = fit(graph, data(), state={"h.bias": np.zeros(8)}, **arguments).state
    assert state["h.bias"].dtype == np.float32
