"""``ourdl train`` and ``ourdl predict``: a model file, from data to weights to outputs."""

from __future__ import annotations

import argparse
import csv
import sys
import time
import tomllib
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from ourdl_cli.arguments import number_of_seconds, whole_number
from ourdl_cli.layout import say, visible
from ourdl_cli.lock_command import add_locked
from ourdl_cli.machine import applied
from ourdl_cli.progress import Progress
from ourdl_core import Program
from ourdl_core.problems import Problem
from ourdl_files import Model, ModelFileError, load
from ourdl_train import (
    Fit,
    Interrupted,
    fit,
    inputs_of,
    load_weights,
    predict,
    read_checkpoint,
    read_columns,
    read_data,
    read_inputs,
    save_weights,
    tensorboard,
)
from ourdl_train.fitting import PAUSE
from ourdl_train.runs import MODEL, WEIGHTS, checkpoint_of, new_directory
from ourdl_train.weights import check_weights_name


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = (
        "Train a model file. The log, checkpoints, the weights and the model itself are kept in a directory of the run; a "
        "run that was stopped or killed goes on with --resume, and ends as if it had not been."
    )
    train = commands.add_parser("train", help="train a model file", description=about)
    train.add_argument("model", metavar="MODEL", type=Path, nargs="?", help="the model file (TOML, JSON or YAML)")
    train.add_argument("--seed", type=whole_number(0), help="instead of the seed in the file")
    train.add_argument("--epochs", type=whole_number(1), help="instead of the epochs in the file")
    train.add_argument("--run", metavar="DIR", type=Path, dest="directory", help="instead of runs/<model>-<number>")
    train.add_argument("--resume", metavar="RUN", type=Path, help="go on with the run in this directory, instead of MODEL")
    seconds = "seconds between two checkpoints (60; 0: after each step)"
    train.add_argument("--checkpoint", metavar="SECONDS", type=number_of_seconds, default=PAUSE, help=seconds)
    train.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard into the directory, too")
    train.add_argument("--save", metavar="WEIGHTS", type=Path, help="write the weights to this file, too (*.safetensors)")
    add_locked(train)
    train.set_defaults(run=run_train)
    about = "Write the outputs of a trained model as CSV."
    use = commands.add_parser("predict", help="write the outputs of a trained model as CSV", description=about)
    use.add_argument("model", metavar="MODEL", type=Path, help="the model file, or the directory of a run")
    use.add_argument("--weights", metavar="WEIGHTS", type=Path, help="what 'ourdl train' wrote; for a run, its weights")
    use.add_argument("--data", metavar="FILE", type=Path, help="instead of the file in [data]; the same columns")
    add_locked(use)
    use.set_defaults(run=run_predict)


def run_train(options: argparse.Namespace) -> int:
    """``ourdl train``."""
    began = time.perf_counter()
    model = _resumed(options) if options.resume is not None else _given(options)
    check_writable(options.save)
    data = read_data(model.data, model.graph.inputs, model.folder)
    directory = options.resume or options.directory or new_directory(Path("runs"), options.model.stem)
    progress = Progress(model.train.epochs, len(next(iter(data.train.values()))))
    watch = progress.step if progress.shown else None
    if progress.shown and applied.threads:
        say("one BLAS thread (more: OPENBLAS_NUM_THREADS=N)", file=sys.stderr)
    try:
        resume = options.resume is not None
        with tensorboard.writer(directory) if options.tensorboard else nullcontext():
            result = fit(model, data, run=directory, resume=resume, pause=options.checkpoint, on_step=watch)
    except Interrupted as stop:
        progress.close()
        _save(model, stop.fit, options.save)
        raise Interrupted(f"{stop}\n  go on with: ourdl train --resume {quote(str(directory))}", stop.fit) from None
    finally:
        progress.close()
        with suppress(OSError):
            directory.rmdir()  # of a run that did not begin: a directory with anything in it stays
    _save(model, result, options.save)
    _tell(model, result, time.perf_counter() - began)
    return 0


def _given(options: argparse.Namespace) -> Model:
    """The model of the file that is named, with the settings of the command line."""
    if options.model is None:
        raise ValueError("train needs a model file, as in 'ourdl train model.toml', or --resume and the directory of a run")
    model = load(options.model, locked=options.locked)
    needed = [name for name in ("train", "data") if name not in model.sections]
    missing = [Problem((), f"the section [{name}] is needed to train", "missing-section") for name in needed]
    if missing:
        raise ModelFileError(str(options.model), missing)
    return _changed(model, options)


def _resumed(options: argparse.Namespace) -> Model:
    """The model of a run, as its checkpoint holds it."""
    for name in ("model", "seed", "directory"):
        if getattr(options, name) is not None:
            word = {"model": f"the model file {options.model}", "directory": "--run"}.get(name, f"--{name}")
            raise ValueError(f"--resume goes on with the model and settings of the run: leave out {word}")
    if options.locked:
        raise ValueError("--locked looks at the lock beside a model file: with --resume there is none. Leave it out")
    checkpoint = read_checkpoint(checkpoint_of(options.resume))
    if checkpoint.model is None:
        raise ValueError(f"{options.resume}: this run was begun from Python: go on with fit(..., run=..., resume=True)")
    tree = tomllib.loads(checkpoint.model)
    with suppress(OSError, ValueError):  # where a run was moved to, its data may be elsewhere
        tree["data"] = tomllib.loads((options.resume / MODEL).read_text(encoding="utf-8")).get("data", tree.get("data"))
    model = load(tree)
    return _changed(replace(model, path=options.resume / MODEL), options)


def _changed(model: Model, options: argparse.Namespace) -> Model:
    changes = {name: getattr(options, name) for name in ("seed", "epochs") if getattr(options, name) is not None}
    return replace(model, sections={**model.sections, "train": model.train.replace(**changes)})


def _tell(model: Model, result: Fit, seconds: float) -> None:
    """What came out of it: where it is, and how good it is."""
    say(f"saved in {result.run}", file=sys.stderr)
    epochs = len(result.history)
    best = result.best
    if best is not None and model.train.early_stopping is not None and epochs < model.train.epochs:
        monitor = model.train.early_stopping.monitor
        say(f"stopped early: {monitor} was best ({best.value:.4g}) after epoch {best.epoch}", file=sys.stderr)
    score = f"test {result.test}" if result.test is not None else f"training loss {result.history[-1]['loss']:.4g}"
    say(f"{score}, {_plural(epochs, 'epoch')} in {seconds:.1f} s")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def check_writable(path: Path | None) -> None:
    """Find out before training, not after, that the weights cannot be written."""
    if path is None:
        return
    check_weights_name(path)
    if not path.parent.is_dir():
        raise ValueError(f"--save {path}: there is no directory {path.parent}")
    if path.is_dir():
        raise ValueError(f"--save {path}: is a directory")


def _save(model: Any, result: Fit, path: Path | None) -> None:
    """Write what inference needs: not the moments of the optimizer."""
    if path is None:
        return
    wanted = _inference_state(model)
    save_weights(path, {name: result.weights[name] for name in wanted})
    say(f"saved {path} ({_plural(len(wanted), 'array')})", file=sys.stderr)


def _inference_state(model: Any) -> dict[str, Any]:
    """The state that the outputs need, as it would be before training: names, shapes and dtypes."""
    inputs = inputs_of(model.graph.outputs, model.graph.inputs)
    return Program(inputs, dict(model.graph.outputs), mode="inference").init()


def _trained_model(options: argparse.Namespace) -> tuple[Path, Path]:
    """The model file and the weights to predict with."""
    if not options.model.is_dir():
        if options.weights is None:
            what = f"what 'ourdl train' wrote for {options.model}"
            raise ValueError(f"predict needs --weights, {what}, or the directory of a run")
        return options.model, options.weights
    if not (options.model / MODEL).exists():
        raise ValueError(f"{options.model}: is no directory of a run, since there is no {MODEL} in it")
    return options.model / MODEL, options.weights or options.model / WEIGHTS


def run_predict(options: argparse.Namespace) -> int:
    """``ourdl predict``."""
    path, weights = _trained_model(options)
    model = load(path, locked=options.locked)
    if model.data is None:
        message = "the section [data] is needed: it says which columns are the inputs"
        raise ModelFileError(str(path), [Problem((), message, "missing-section")])
    state = load_weights(weights, _inference_state(model))
    inputs = inputs_of(model.graph.outputs, model.graph.inputs)
    if options.data:
        arrays = read_columns(options.data, model.data.columns, inputs)
    else:
        arrays = read_inputs(model.data, inputs, model.folder)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header: list[str] | None = None
    for outputs in predict(model.graph.outputs, inputs, state, arrays):
        columns = {n: v.reshape(len(v), -1) for n, v in outputs.items()}
        if header is None:
            header = [name for n, v in columns.items() for name in _header(n, v, outputs[n].ndim)]
            writer.writerow([visible(name) for name in header])
        if len({len(v) for v in columns.values()}) > 1:
            shown = ", ".join(f"'{n}' has {_plural(len(v), 'row')}" for n, v in columns.items())
            raise ValueError(f"the outputs cannot stand in one table: {shown}")
        for row in np.concatenate([v.astype(np.float64) for v in columns.values()], axis=1):
            writer.writerow([f"{value:.6g}" for value in row])
    return 0


def _header(name: str, values: Any, rank: int) -> list[str]:
    return [name] if rank == 1 else [f"{name}_{i}" for i in range(values.shape[1])]
