"""Training: one Program a step (forward, gradients, update of the parameters), over shuffled batches, from one seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ourdl_core import Graph, Node, Program, Variable
from ourdl_core.hooks import hooks
from ourdl_train.data import Arrays, Data, check_lengths, read_data, rows_of
from ourdl_train.evaluate import Evaluation, Score
from ourdl_train.feeding import Feeding, ancestors, feeding
from ourdl_train.optimizers import Optimizer
from ourdl_train.optimizers import optimizer as optimizer_of
from ourdl_train.settings import TrainSettings
from ourdl_train.tables import DataError

OnStep = Callable[["Step"], Any]
OnEpoch = Callable[[dict[str, float]], Any]


@dataclass(frozen=True)
class Step:
    """One step that ended: its number (from 1, over all epochs), its epoch, its loss and the state after it."""

    number: int
    epoch: int
    loss: float
    state: Mapping[str, Any]
    rows: int


@dataclass
class Fit:
    """What training gives: the state, one row of numbers an epoch, and the score on the rows held out for the test."""

    state: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    test: Score | None = None
    steps: int = 0
    seconds: float = 0.0


class DivergedError(ArithmeticError):
    """The loss is NaN or infinite."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while training; ``fit`` holds what was reached."""

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit


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
    state: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> Fit:
    """Train ``model``: a model file that was loaded, or a Graph with ``loss``, ``optimizer`` and ``epochs`` given.

    ``data`` is that of the model file where it is not given; arrays by input name are all trained on. What is given
    here goes before what the file says. ``state`` continues from an earlier state. The same seed gives the same bits.
    """
    given = {"optimizer": optimizer, "epochs": epochs, "batch": batch, "seed": seed, "shuffle": shuffle}
    graph = model if isinstance(model, Graph) else model.graph
    settings = _settings(getattr(model, "train", None), given, loss)
    target = loss if isinstance(loss, Node) else graph[settings.loss]
    parts = _data(model, data)
    return _Training(graph, target, settings, parts, on_step, on_epoch).run(state)


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
    if data is not None:
        return Data(check_lengths({name: np.asarray(value) for name, value in data.items()}))
    if getattr(model, "data", None) is None:
        raise TypeError("fit needs data=, arrays by input name: there is no [data] section that says it")
    return read_data(model.data, model.graph.inputs, model.folder)


class _Training:
    """One run of ``fit``."""

    def __init__(
        self,
        graph: Graph,
        loss: Node,
        settings: TrainSettings,
        data: Data,
        on_step: OnStep | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        self.loss, self.settings, self.data = loss, settings, data
        self.inputs = _inputs(graph, loss, data.train)
        self.feeding: Feeding = feeding(self.inputs, data.train, settings.batch)
        self.program = Program(self.inputs, loss, settings.optimizer(loss))
        used = ancestors(loss)
        outputs = {name: node for name, node in graph.outputs.items() if node in used}
        self.evaluation = Evaluation(loss, outputs, self.feeding)
        self.on_step, self.on_epoch = on_step, on_epoch
        self.listened = bool(hooks.listeners("ourdl_step_ended"))  # asked once: calling it in vain costs time

    def run(self, state: Mapping[str, Any] | None) -> Fit:
        began = time.perf_counter()
        result = Fit(self._first(state))
        epoch = 0
        try:
            for epoch in range(1, self.settings.epochs + 1):
                result.history.append(self._epoch(epoch, result))
                if self.on_epoch is not None:
                    self.on_epoch(result.history[-1])
            if self.data.test is not None:
                result.test = self.evaluation(result.state, self.data.test)
        except KeyboardInterrupt:
            result.seconds = time.perf_counter() - began
            message = f"stopped in epoch {epoch} of {self.settings.epochs}, after {result.steps} steps"
            raise Interrupted(message, result) from None
        result.seconds = time.perf_counter() - began
        return result

    def _first(self, state: Mapping[str, Any] | None) -> dict[str, Any]:
        _, values = next(self.feeding.feeds(self.data.train))
        _check_scalar(self.loss, self.program, values)
        first = self.program.init(*values, seed=self.settings.seed)
        if state is not None:
            unknown = [name for name in state if name not in first]
            if unknown:
                raise LookupError(f"the state has '{unknown[0]}', which this training does not use")
            first.update(state)
        return first

    def _epoch(self, epoch: int, result: Fit) -> dict[str, float]:
        """Every row once; the mean loss, and the score on the rows for validation."""
        order = None
        if self.settings.shuffle:
            order = np.random.default_rng([self.settings.seed, epoch]).permutation(rows_of(self.data.train))
        losses = []
        for count, values in self.feeding.feeds(self.data.train, order):
            loss = self._step(epoch, values, result, count)
            losses.append(loss * count)
        row = {"epoch": epoch, "loss": math.fsum(losses) / rows_of(self.data.train)}
        if self.data.validation is not None:
            score = self.evaluation(result.state, self.data.validation)
            row["validation_loss"] = score.loss
            if score.accuracy is not None:
                row["validation_accuracy"] = score.accuracy
        return row

    def _step(self, epoch: int, values: list[Any], result: Fit, count: int) -> float:
        value, after = self.program(result.state, *values)
        loss = float(value)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} at step {result.steps + 1} (epoch {epoch}), so training was stopped: "
                "try a smaller lr, scale the inputs, or look for an op that is outside its domain"
            )
        result.state = after
        result.steps += 1
        if self.on_step is not None:
            self.on_step(Step(result.steps, epoch, loss, after, count))
        if self.listened:
            hooks.call("ourdl_step_ended", step=result.steps, epoch=epoch, loss=loss)
        return loss


def _inputs(graph: Graph, loss: Node, arrays: Arrays) -> dict[str, Variable]:
    """The inputs that the loss is computed from, by name; each must have data, and all data an input."""
    used = ancestors(loss)
    named: dict[str, Node] = {**graph.inputs} or {name: graph[name] for name in arrays}
    for name in arrays:
        if name not in named:
            raise DataError(f"there is data for '{name}', which is no input of the graph. Inputs: {', '.join(named)}")
    wanted: dict[str, Variable] = {}
    for name, node in named.items():
        if isinstance(node, Variable) and node in used:
            wanted[name] = node
    for name in wanted:
        if name not in arrays:
            raise DataError(f"the input '{name}' of the graph has no data. There is data for: {', '.join(arrays)}")
    return wanted


def _check_scalar(loss: Node, program: Program, values: list[Any]) -> None:
    spec = program.plan(*values).roots[0].spec
    if spec.ndim != 0:
        raise ValueError(
            f"the loss {loss.describe()} has rank {spec.ndim} ({spec}): it must be one number. "
            'Take its mean, as { op = "Mean", in = "..." }'
        )
