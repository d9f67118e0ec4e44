"""``ourdl train`` and ``ourdl predict``: a model file, from data to weights to outputs."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_cli.layout import say, visible
from ourdl_cli.lock_command import add_locked
from ourdl_cli.progress import Progress
from ourdl_core import Program
from ourdl_core.problems import Problem
from ourdl_files import ModelFileError, load
from ourdl_train import (
    Fit,
    Interrupted,
    fit,
    inputs_of,
    load_weights,
    predict,
    read_columns,
    read_data,
    save_weights,
)
from ourdl_train.data import RELATIVE


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    train = commands.add_parser("train", help="train a model file", description="Train a model file.")
    train.add_argument("model", metavar="MODEL", type=Path, help="the model file (TOML, JSON or YAML)")
    train.add_argument("--seed", type=_whole(0), help="instead of the seed in the file")
    train.add_argument("--epochs", type=_whole(1), help="instead of the epochs in the file")
    train.add_argument("--save", metavar="WEIGHTS", type=Path, help="write the weights to this NPZ file")
    add_locked(train)
    train.set_defaults(run=run_train)
    about = "Write the outputs of a trained model as CSV."
    use = commands.add_parser("predict", help="write the outputs of a trained model as CSV", description=about)
    use.add_argument("model", metavar="MODEL", type=Path, help="the model file")
    use.add_argument("--weights", metavar="WEIGHTS", type=Path, required=True, help="what 'ourdl train --save' wrote")
    use.add_argument("--data", metavar="FILE", type=Path, help="instead of the file in [data]; the same columns")
    add_locked(use)
    use.set_defaults(run=run_predict)


def _whole(low: int) -> Any:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, found '{text}'")
        return int(text)

    return read


def run_train(options: argparse.Namespace) -> int:
    """``ourdl train``."""
    began = time.perf_counter()
    model = load(options.model, locked=options.locked)
    needed = [name for name in ("train", "data") if name not in model.sections]
    missing = [Problem((), f"the section [{name}] is needed to train", "missing-section") for name in needed]
    if missing:
        raise ModelFileError(str(options.model), missing)
    _check_writable(options.save)
    data = read_data(model.data, model.graph.inputs, model.folder)
    epochs = options.epochs or model.train.epochs
    progress = Progress(epochs, len(next(iter(data.train.values()))))
    try:
        result = fit(model, data, epochs=epochs, seed=options.seed, on_step=progress.step if progress.shown else None)
    except Interrupted as stop:
        progress.close()
        _save(model, stop.fit, options.save)
        raise
    finally:
        progress.close()
    _save(model, result, options.save)
    seconds = time.perf_counter() - began
    score = f"test {result.test}" if result.test is not None else f"training loss {result.history[-1]['loss']:.4g}"
    say(f"{score}, {_plural(epochs, 'epoch')} in {seconds:.1f} s")
    return 0


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _check_writable(path: Path | None) -> None:
    """Find out before training, not after, that the weights cannot be written."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise ValueError(f"--save {path}: there is no directory {path.parent}")
    if path.is_dir():
        raise ValueError(f"--save {path}: is a directory")


def _save(model: Any, result: Fit, path: Path | None) -> None:
    """Write what inference needs: not the moments of the optimizer."""
    if path is None:
        return
    wanted = _inference_state(model)
    save_weights(path, {name: result.state[name] for name in wanted})
    say(f"saved {path} ({_plural(len(wanted), 'array')})", file=sys.stderr)


def _inference_state(model: Any) -> dict[str, Any]:
    """The state that the outputs need, as it would be before training: names, shapes and dtypes."""
    inputs = inputs_of(model.graph.outputs, model.graph.inputs)
    return Program(inputs, dict(model.graph.outputs), mode="inference").init()


def run_predict(options: argparse.Namespace) -> int:
    """``ourdl predict``."""
    model = load(options.model, locked=options.locked)
    if model.data is None:
        message = "the section [data] is needed: it says which columns are the inputs"
        raise ModelFileError(str(options.model), [Problem((), message, "missing-section")])
    state = load_weights(options.weights, _inference_state(model))
    inputs = inputs_of(model.graph.outputs, model.graph.inputs)
    path = options.data or model.folder / model.data.file
    arrays = read_columns(path, model.data.columns, inputs, "" if options.data else RELATIVE)
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
