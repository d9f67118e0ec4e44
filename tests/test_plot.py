"""Logs of runs are read back, damaged ones told of; pictures show the numbers that the log has, the same bytes each time."""

import json
import math
import re
import struct
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ourdl_cli.main import main
from ourdl_core import Graph, Variable, ops
from ourdl_core.hooks import hooks
from ourdl_train import fit
from ourdl_train.history import read_log
from ourdl_train.tensorboard import writer
from ourdl_view.history_panels import Curves, panels_of
from ourdl_view.history_plot import COLOURS, picture, plot_history

ROWS = [
    {"epoch": 1, "loss": 2.0, "lr": 0.1, "validation_loss": 2.5, "validation_accuracy": 0.25, "step": 4, "seconds": 0.1},
    {"epoch": 2, "loss": 1.0, "lr": 0.1, "validation_loss": 1.5, "validation_accuracy": 0.75, "step": 8, "seconds": 0.1},
    {"epoch": 3, "loss": 0.5, "lr": 0.1, "validation_loss": None, "validation_accuracy": 0.5, "step": 12, "seconds": 0.1},
]
STEPS = [{"step": n, "epoch": (n + 3) // 4, "loss": 3 - n / 5, "lr": 0.1} for n in range(2, 13, 2)]
MATRIX = [[5, 1], [0, 4]]
ENDED = {"best": {"epoch": 2, "validation_loss": 1.5}, "test": {"loss": 1.0, "rows": 10, "confusion_matrix": MATRIX}}


def lines_of(rows=ROWS, steps=STEPS, ended=ENDED):
    told = [{"event": "began", "epochs": 3}, *({"event": "step", **row} for row in steps)]
    told += [{"event": "epoch", **row} for row in rows] + ([{"event": "ended", **ended}] if ended else [])
    return "".join(f"{json.dumps(each)}\n" for each in told)


@pytest.fixture
def run(tmp_path):
    """Writes a run directory with this log."""

    def made(text=None, name="net-1"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "log.jsonl").write_text(lines_of() if text is None else text, encoding="utf-8")
        return folder

    return made


# ---- the log --------------------------------------------------------------------------------------------------------


def test_a_log_is_read_back(run):
    log = read_log(run())
    assert (log.name, log.best, log.note, log.confusion) == ("net-1", 2, None, ("test", MATRIX))
    assert log.steps == STEPS
    assert log.epochs[:2] == ROWS[:2]
    assert math.isnan(log.epochs[2]["validation_loss"])
    assert log.test["rows"] == 10


def test_a_last_line_that_is_cut_off_is_left_out(run):
    text = lines_of(ended=None)
    log = read_log(run(text + '{"event": "epoch", "ep'))
    assert len(log.epochs) == 3
    assert re.search("the last line is cut off", log.note)


def test_what_came_again_after_a_checkpoint_counts_once(run):
    again = [{"epoch": 2, "loss": 9.0, "step": 8}, {"epoch": 3, "loss": 8.0, "step": 12}]
    log = read_log(run(lines_of(ended=None) + '{"event": "resumed"}\n' + lines_of(again, ended=None)))
    assert [row["epoch"] for row in log.epochs] == [1, 2, 3]
    assert [row["loss"] for row in log.epochs] == [2.0, 9.0, 8.0]
    assert log.steps == STEPS


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "tells of no step and no epoch"),
        ('{"event": "began"}\n', "tells of no step and no epoch"),
        ('{"event": "epoch"}\n', "tells of no step and no epoch"),
        ("{,}\n" + lines_of(), r"log.jsonl:1: is damaged: expected a JSON object, found '\{,\}'"),
        ("[1]\n" + lines_of(), "log.jsonl:1: is damaged"),
    ],
)
def test_a_log_that_tells_nothing_is_an_error(run, text, match):
    with pytest.raises(ValueError, match=match):
        read_log(run(text))


def test_what_is_no_run_is_an_error(tmp_path, run):
    run(name="digits-1")
    with pytest.raises(FileNotFoundError, match=r"there is no such run. Did you mean .*digits-1\?"):
        read_log(tmp_path / "digit-1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"is no run, there is no log\.jsonl in it"):
        read_log(tmp_path / "empty")


# ---- what is drawn --------------------------------------------------------------------------------------------------


def curves(**changes):
    return Curves(**{"name": "a", "rows": read_rows(ROWS), "steps": STEPS, **changes})


def read_rows(rows):
    return [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]


def test_panels_hold_the_numbers_of_the_rows():
    loss, accuracy = panels_of([curves()])
    assert (loss.name, accuracy.name) == ("loss", "accuracy")
    steps, training, validation = loss.lines
    assert [line.part for line in loss.lines] == ["steps", "training", "validation"]
    assert (training.x, training.y) == ([1, 2, 3], [2.0, 1.0, 0.5])
    np.testing.assert_equal(validation.y, [2.5, 1.5, math.nan])
    np.testing.assert_allclose(steps.x, [0.5, 1, 1.5, 2, 2.5, 3])
    assert [(line.part, line.y) for line in accuracy.lines] == [("validation", [0.25, 0.75, 0.5])]


def test_a_learning_rate_is_drawn_if_it_changes_or_is_asked_for():
    rows = [{**row, "lr": 0.1 / row["epoch"]} for row in ROWS]
    assert [panel.name for panel in panels_of([curves(rows=rows)])] == ["loss", "accuracy", "lr"]
    assert [panel.name for panel in panels_of([curves()], ["lr", "validation_accuracy"])] == ["lr", "accuracy"]


def test_very_many_steps_become_means():
    many = [{"step": n, "epoch": 1, "loss": float(n % 2)} for n in range(1, 20_001)]
    (line,) = panels_of([curves(rows=[], steps=many)])[0].lines
    assert len(line.x) == 500
    assert set(line.y) == {0.5}


def test_the_best_epoch_is_that_of_the_smallest_loss_if_the_log_does_not_say():
    assert curves().best_epoch() == 2
    assert curves(best=3).best_epoch() == 3
    assert curves(rows=[{"epoch": 1, "loss": 1.0}]).best_epoch() is None


SVG = "{http://www.w3.org/2000/svg}"
LONG = "a_very_long_name_" * 8 + "$x^$"  # is no formula


@pytest.mark.parametrize(("epochs", "names"), [(1, ["a"]), (3, ["_b", LONG, "c"]), (300, ["a"])])
def test_pictures_are_drawn_without_a_warning(epochs, names):
    rows = [{"epoch": e, "loss": 1 / e, "validation_loss": 2 / e, "validation_top_5": 1.0} for e in range(1, epochs + 1)]
    runs = [Curves(name, rows, confusion=("test", MATRIX)) for name in names]
    assert picture(runs, ".png", log=True).startswith(b"\x89PNG")
    text = picture(runs, ".svg")
    assert text == picture(runs, ".svg")
    assert all(colour.lower() in text.decode() for colour in COLOURS[: max(2, len(names))])


def test_curves_of_a_picture_are_those_of_the_numbers():
    """The line of the training loss falls in the picture as it does in the rows: by 1, then by a half of that."""
    tree = ET.fromstring(picture([curves(steps=())], ".svg"))
    paths = [path.get("d") for path in tree.iter(f"{SVG}path") if COLOURS[0].lower() in path.get("style", "")]
    heights = [[float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", path)] for path in paths]
    first, second, third = next(found for found in heights if len(found) == 3)
    assert third > second > first  # downwards is more
    assert second - first == pytest.approx(2 * (third - second), rel=1e-3)


def test_a_loss_that_is_not_above_zero_has_no_logarithm():
    assert picture([Curves("a", [{"epoch": 1, "loss": 0.0}, {"epoch": 2, "loss": -1.0}])], ".png", log=True)


def test_a_run_without_a_finite_number_is_an_error():
    with pytest.raises(ValueError, match="there is nothing to draw"):
        picture([Curves("a", [{"epoch": 1, "loss": math.nan}])], ".svg")


def test_what_fit_returns_is_drawn(tmp_path):
    rows = read_rows(ROWS)
    for name in ("a.png", "a.svg"):
        plot_history(rows, tmp_path / name)
        assert (tmp_path / name).read_bytes() == picture([Curves("", rows)], f".{name[2:]}")
    with pytest.raises(ValueError, match=r"a.pdf: the ending says the format, and must be .png or .svg"):
        plot_history(rows, tmp_path / "a.pdf")
    with pytest.raises(LookupError, match=r"metric 'acuracy'. Did you mean accuracy\?"):
        plot_history(rows, tmp_path / "a.svg", metrics=["acuracy"])


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_beside_the_log(run, capsys):
    folder = run()
    assert main(["plot", str(folder)]) == 0
    assert capsys.readouterr().out == f"wrote {folder / 'plot.svg'}\n"
    assert main(["plot", str(folder), "--log", "--metric", "loss", "--metric", "confusion_matrix"]) == 0  # written over
    ET.fromstring((folder / "plot.svg").read_text())


def test_the_command_compares_runs(run, tmp_path, capsys, monkeypatch):
    folders = [str(run(name=name)) for name in ("a-1", "b-1")]
    assert main(["plot", *folders, "--out", str(tmp_path / "both.png")]) == 0
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    assert main(["plot", *folders]) == 0
    assert (tmp_path / "plot.svg").exists()


def test_the_command_tells_of_what_was_left_out(run, capsys):
    assert main(["plot", str(run(lines_of(ended=None) + "{"))]) == 0
    assert "note: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["runs/none-1"], "runs/none-1: there is no such run"),
        (["net-1", "--out", "a.pdf"], "the ending says the format"),
        (["net-1", "--out", "none/a.png"], "there is no folder none"),
        (["net-1", "--out", "mine.svg"], "mine.svg is no picture by 'ourdl plot'"),
        (["net-1", "--metric", "f1"], "no run tells of a metric 'f1'"),
    ],
)
def test_mistakes_are_told_in_a_line(run, tmp_path, monkeypatch, capsys, arguments, match):
    run()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.svg").write_text("<svg/>")
    assert main(["plot", *arguments]) == 2
    assert match in capsys.readouterr().err
    assert (tmp_path / "mine.svg").read_text() == "<svg/>"


def test_without_matplotlib_it_says_how_to_get_it(run, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", str(run())]) == 2
    assert 'pictures need matplotlib: python -m pip install "ourdl[plot]"' in capsys.readouterr().err


# ---- TensorBoard ----------------------------------------------------------------------------------------------------


def scalars_of(folder):
    """The scalars of an event file by tag, read with the messages and the checksum of tensorboardX."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob("events.out.tfevents.*")
    data, found = file.read_bytes(), {}
    while data:
        (length,), rest = struct.unpack("<Q", data[:8]), data[12:]
        record, (checksum,) = rest[:length], struct.unpack("<I", rest[length : length + 4])
        plain = crc32c(record)
        assert checksum == (((plain >> 15) | (plain << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        event, data = Event.FromString(record), rest[length + 4 :]
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_training_is_written_for_tensorboard(tmp_path):
    with Graph() as graph:
        x = Variable(shape=("batch", 2), dtype="float32", name="x")
        loss = ops.Mean(ops.Square(ops.Dense(x, units=1)), name="loss")
    graph.inputs["x"] = x
    data = {"x": np.random.default_rng(0).normal(size=(8, 2)).astype("float32")}
    with writer(tmp_path):
        result = fit(graph, data, loss=loss, optimizer={"name": "SGD", "lr": 0.25}, epochs=2, batch=4)
    fit(graph, data, loss=loss, optimizer="SGD", epochs=1)  # no one listens any more
    found = scalars_of(tmp_path)
    assert [step for step, _ in found["step/loss"]] == [1, 2, 3, 4]
    assert found["step/lr"] == [(step, 0.25) for step in (1, 2, 3, 4)]
    assert found["loss/training"] == [(row["epoch"], pytest.approx(row["loss"], rel=1e-6)) for row in result.history]
    assert found["lr"] == [(1, 0.25), (2, 0.25)]


def test_numbers_of_an_epoch_are_grouped_by_metric(tmp_path):
    with writer(tmp_path):
        row = {"epoch": 3, "loss": 0.5, "validation_loss": math.nan, "validation_top_5": 0.75, "seconds": 1.0}
        hooks.call("ourdl_epoch_ended", epoch=3, row=row)
    assert scalars_of(tmp_path) == {"loss/training": [(3, 0.5)], "top_5/validation": [(3, 0.75)]}


def test_without_tensorboardx_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'python -m pip install "ourdl\[tensorboard\]"'), writer(tmp_path):
        pass
