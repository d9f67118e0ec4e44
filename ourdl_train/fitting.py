"""``fit``: train a model, from what a model file says, or from what is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ourdl_core import Graph, Node
from ourdl_train.data import Data, given_rows, read_data, split
from ourdl_train.data_settings import Split
from ourdl_train.optimizers import Optimizer
from ourdl_train.optimizers import optimizer as optimizer_of
from ourdl_train.result import Fit
from ourdl_train.runs import Run
from ourdl_train.settings import TrainSettings
from ourdl_train.training import OnEpoch, OnStep, Training

PAUSE = 60.0  # seconds between two checkpoints


def fit(
    model: Any,
    data: Data | Mapping[str, Any] | None = None,
    *,
    loss: Node | str | None = None,
    optimizer: Optimizer | str | Mapping[str, Any] | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    shuffle: bool | None = None,
    metrics: Sequence[Any] | None = None,
    trained: Sequence[str] | None = None,
    early_stopping: Any = None,
    validation: Mapping[str, Any] | float | None = None,
    state: Mapping[str, Any] | None = None,
    run: str | Path | None = None,
    resume: bool = False,
    pause: float = PAUSE,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> Fit:
    """Train ``model``: a model file that was loaded, or a Graph with ``loss``, ``optimizer`` and ``epochs`` given.

    ``data`` is that of the model file where it is not given. Arrays by input name are all trained on, but for
    ``validation``: arrays of their own, or the part of the rows (from 0 to 1, drawn from the seed) that is held out. What is
    given here goes before what the file says. ``trained`` are patterns of the names of the parameters that are trained,
    ``metrics`` names of metrics, ``early_stopping`` a table, as ``{"monitor": "validation_loss", "patience": 5}``.
    ``state`` is where to begin.

    ``run`` is a directory in which a log, checkpoints (every ``pause`` seconds, and at the end) and the best weights are
    kept. With ``resume`` the run in that directory goes on, and ends bit for bit as if it had not been stopped. The same
    seed gives the same bits.
    """
    given = {
        "optimizer": optimizer, "epochs": epochs, "batch": batch, "seed": seed, "shuffle": shuffle,
        "metrics": metrics, "trained": trained, "early_stopping": early_stopping,
    }  # fmt: skip
    graph = model if isinstance(model, Graph) else model.graph
    settings = _settings(getattr(model, "train", None), given, loss)
    target = loss if isinstance(loss, Node) else graph[settings.loss]
    parts = _with_validation(_data(model, data), validation, settings.seed)
    if run is None and resume:
        raise TypeError("resume=True needs run=, the directory of the run to go on with")
    if resume and state is not None:
        raise TypeError("state= cannot be given with resume=True: the run has its own")
    directory, checkpoint = None, None
    if run is not None:
        directory, checkpoint = Run.resume(run, pause) if resume else (Run.begin(run, pause), None)
    try:
        training = Training(graph, target, settings, parts, directory, on_step, on_epoch)
        if directory is not None and hasattr(model, "resolved"):
            training.model = model.resolved(directory.path)
        return training(state, checkpoint)
    finally:
        if directory is not None:
            directory.close()


def _settings(written: TrainSettings | None, given: dict[str, Any], loss: Any) -> TrainSettings:
    """The settings of the model file, changed by those that are given."""
    changes = {name: value for name, value in given.items() if value is not None}
    if loss is not None:
        changes["loss"] = str(loss)
    if written is not None:
        return written.replace(**changes)
    for name in ("loss", "optimizer", "epochs"):
        if name not in changes:
            raise TypeError(f"fit needs {name}=: there is no [train] section that says it")
    changes["optimizer"] = optimizer_of(changes["optimizer"])
    return TrainSettings.make(changes)


def _data(model: Any, data: Data | Mapping[str, Any] | None) -> Data:
    if isinstance(data, Data):
        return data
    if data is not None and not isinstance(data, Mapping):
        raise TypeError(f"data= is a dict of arrays by input name, or Data; found {type(data).__name__}")
    if data is not None:
        return Data(given_rows(data))
    if getattr(model, "data", None) is None:
        raise TypeError("fit needs data=, arrays by input name: there is no [data] section that says it")
    return read_data(model.data, model.graph.inputs, model.folder)


def _with_validation(data: Data, validation: Mapping[str, Any] | float | None, seed: int) -> Data:
    """The data with rows for validation of their own, or split off those to train on."""
    if validation is None:
        return data
    if isinstance(validation, Mapping):
        return replace(data, validation=given_rows(validation))
    parts = split(data.train, Split(validation=validation, seed=seed))
    return replace(data, train=parts.train, validation=parts.validation)
