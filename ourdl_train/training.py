"""The loop of training: one Program a step (forward, gradients, update), over shuffled batches, from one seed."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ourdl_core import Graph, Node, Program, Variable, did_you_mean
from ourdl_core.hooks import hooks
from ourdl_train.checkpoints import Checkpoint, Position
from ourdl_train.data import Arrays, Data, rows_of
from ourdl_train.diagnosis import diagnose, is_finite
from ourdl_train.early_stopping import Judge
from ourdl_train.evaluate import Evaluation, inputs_of
from ourdl_train.feeding import Feeding, ancestors, feeding
from ourdl_train.result import DivergedError, Fit, Interrupted, Step
from ourdl_train.rows import DataError
from ourdl_train.runs import BEST, WEIGHTS, Run
from ourdl_train.sameness import check_data, check_epochs, check_settings, fingerprint
from ourdl_train.settings import TrainSettings
from ourdl_train.stopping import Stopping
from ourdl_train.weights import fitted

OnStep = Callable[[Step], Any]
OnEpoch = Callable[[dict[str, Any]], Any]

MOST_STEPS_TOLD = 1000  # steps in a log: of more, every second, third, ...


class Training:
    """One run: what is computed each step, and where it stands."""

    def __init__(
        self,
        graph: Graph,
        loss: Node,
        settings: TrainSettings,
        data: Data,
        run: Run | None = None,
        on_step: OnStep | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> None:
        self.loss, self.settings, self.data, self.run = loss, settings, data, run
        self.model: str | None = None  # the text of the model file
        self.inputs = inputs_of_loss(graph, loss, data.train)
        for arrays, name in ((data.validation, "validation data"), (data.test, "test data")):
            if arrays is not None:
                check_given(self.inputs, arrays, name)
        self.feeding: Feeding = feeding(self.inputs, data.train, settings.batch)
        self.rows = rows_of(data.train)
        self.steps = settings.epochs * math.ceil(self.rows / (self.feeding.batch or 1))
        if settings.optimizer.accumulate > self.steps:
            what = f"accumulate = {settings.optimizer.accumulate}, and the whole training has {self.steps} batches"
            raise ValueError(f"{what}: no parameter would ever move")
        self.updates = settings.optimizer(loss, steps=self.steps)
        self.trained: list[str] = []
        rate = self.updates.rate
        self.constant_rate = None if isinstance(rate, Node) else rate
        self.program = self.step_program()
        given = set(self.inputs.values())
        outputs = {n: node for n, node in graph.outputs.items() if set(inputs_of({n: node}, graph.inputs).values()) <= given}
        self.evaluation = Evaluation(loss, outputs, self.feeding, settings.metrics)
        self.judge = Judge(settings.early_stopping, self.evaluation.higher_is_better)
        self.on_step, self.on_epoch = on_step, on_epoch
        self.listened = bool(hooks.listeners("ourdl_step_ended"))  # asked once: calling it in vain costs time
        self.told = max(1, self.steps // MOST_STEPS_TOLD)
        self.history: list[dict[str, Any]] = []
        self.at: tuple[Position, dict[str, Any]]

    def step_program(self, executor: str | None = None) -> Program:
        """A step: the loss (and the learning rate, where that changes), and the new state."""
        rate = self.updates.rate
        outputs = [self.loss, rate] if isinstance(rate, Node) else [self.loss]
        return Program(self.inputs, outputs, self._chosen, executor=executor)

    def _chosen(self, parameters: list[Variable]) -> Mapping[Variable, Node]:
        """The updates of those parameters that the settings train."""
        chosen = [p for p in parameters if any(fnmatchcase(str(p.name), each) for each in self.settings.trained)]
        check_patterns(self.settings.trained, [str(p.name) for p in parameters])
        self.trained = [str(p.name) for p in chosen]
        return self.updates(chosen)

    # ---- from the first epoch to the last ---------------------------------------------------------------------------

    def __call__(self, state: Mapping[str, Any] | None, checkpoint: Checkpoint | None) -> Fit:
        began = time.perf_counter()
        self._begin(state, checkpoint)
        result = Fit(self.at[1], run=None if self.run is None else self.run.path)
        try:
            with Stopping() as stopping:
                self._epochs(stopping)
            result.test = self._tested()
            self._write("ended", **self._outcome(result, time.perf_counter() - began))
        except KeyboardInterrupt as stop:
            raise Interrupted(self._where(stop), result) from None
        except DivergedError as error:
            error.fit = result
            raise
        finally:
            self._finish(result, time.perf_counter() - began)
        return result

    def _begin(self, state: Mapping[str, Any] | None, checkpoint: Checkpoint | None) -> None:
        _, values = next(self.feeding.feeds(self.data.train))
        self.first = values
        _check_scalar(self.loss, self.program, values)
        if self.data.validation is not None or self.data.test is not None:
            self.evaluation.check(self.data.validation or self.data.test or {})
        first = self._first(values, state)
        self.at = Position(), first
        self.recognised = {} if self.run is None else self._recognised()
        if checkpoint is not None and self.run is not None:
            self._take_up(checkpoint, first, self.run)
        if checkpoint is None:
            self._save()  # before anything else: a run without a checkpoint would be of no use
        if self.run is not None and self.model is not None:
            self.run.save_model(self.model)
        if self.run is not None:
            self._write("began" if checkpoint is None else "resumed", **self._about(first))
        hooks.call("ourdl_training_began", settings=self.settings, state=self.at[1])

    def _take_up(self, checkpoint: Checkpoint, first: dict[str, Any], run: Run) -> None:
        """Go on where the checkpoint stands, if it is of this training."""
        schedule = self.settings.optimizer.schedule
        lasts = "steps" in type(schedule).fields() and schedule.total(None) is None
        check_settings(checkpoint.settings, self.settings.table(defaults=True), run.path, lasts)
        check_data(checkpoint.data, self.recognised, run.path)
        check_epochs(self.settings.epochs, checkpoint.position.epoch, checkpoint.position.row, run.path)
        state = checkpoint.state(first, run.path)
        self.history, self.at = checkpoint.history, (checkpoint.position, state)
        if checkpoint.best is not None:
            best = replace(checkpoint, arrays=checkpoint.best.state).state(first, run.path)
            self.judge.best = replace(checkpoint.best, state=best)
        run.clean(checkpoint.position)

    def _first(self, values: list[Any], state: Mapping[str, Any] | None) -> dict[str, Any]:
        """The state to begin with: new, with what is given of another.

        The state of an optimizer is taken up if it is all there, for the same optimizer and parameters; else it begins anew.
        """
        seed = self.settings.seed
        own = Program(self.inputs, [self.loss], mode="training").init(*values, seed=seed)
        own = {**self.evaluation.program.init(*values, seed=seed), **own}
        first = {**own, **self.program.init(*values, seed=seed)}
        self.of_model = list(own)
        given = dict(state or {})
        unknown = [name for name in given if name not in first]
        if unknown and not set(own) <= set(given):
            raise LookupError(f"the state has '{unknown[0]}', which this training does not use")
        of_optimizer = set(first) - set(own)
        used = set(first) if of_optimizer <= set(given) else set(own)
        found = {**first, **fitted(given, {name: first[name] for name in given if name in used}, "state")}
        self._check_clock(found)
        return found

    def _check_clock(self, state: Mapping[str, Any]) -> None:
        """A schedule that is at its end already would train nothing."""
        schedule, done = self.settings.optimizer.schedule, int(state.get("optimizer.step", 0))
        if "steps" in type(schedule).fields() and done >= (schedule.total(self.steps) or math.inf):
            what = f"the state has taken {done} steps, where the schedule {type(schedule).__name__} ends"
            raise ValueError(f"{what}: give state=result.weights, with which the optimizer begins anew")

    def _recognised(self) -> dict[str, Any]:
        """By what the graph and the rows are known again."""
        graph = zlib.crc32(str(self.evaluation.program).encode())
        return {"graph": graph, **fingerprint({"training": self.data.train, "validation": self.data.validation})}

    def _epochs(self, stopping: Stopping) -> None:
        for epoch in range(self.at[0].epoch, self.settings.epochs + 1):
            if self.judge.enough(epoch - 1):
                return
            began = time.perf_counter()
            self._epoch(epoch, stopping)
            self._end_epoch(epoch, time.perf_counter() - began)
            if stopping.asked:
                raise KeyboardInterrupt
            if self.run is not None and self.run.is_due():
                self._save()

    def _epoch(self, epoch: int, stopping: Stopping) -> None:
        """Every row once, or what is left of them."""
        for count, values in self.feeding.feeds(self.data.train, self._order(epoch), self.at[0].row):
            self._step(epoch, count, values)
            if stopping.asked:
                raise KeyboardInterrupt
            if self.run is not None and self.run.is_due():
                self._save()

    def _order(self, epoch: int) -> Any:
        """The numbers of the rows as they come in an epoch; None where they come as they are."""
        return np.random.default_rng([self.settings.seed, epoch]).permutation(self.rows) if self.settings.shuffle else None

    def _rows(self) -> Any:
        """The numbers of the rows of the next step."""
        position = self.at[0]
        order = self._order(position.epoch)
        return (np.arange(self.rows) if order is None else order)[position.row : position.row + (self.feeding.batch or 1)]

    def _step(self, epoch: int, count: int, values: list[Any]) -> None:
        position, state = self.at
        try:
            (value, *rates), after = self.program(state, *values)
        except Exception as error:
            self.feeding.blame(error, lambda each: self.program(state, *each), self.data.train, self._rows())
            raise
        loss = float(value)
        if not math.isfinite(loss) or _not_finite(after, state) is not None:
            raise self._diverged(position.step + 1, loss, values, after)
        rate = float(rates[0]) if rates else float(self.constant_rate or 0.0)
        number = position.step + 1
        self.at = Position(epoch, position.row + count, number, position.loss_sum + loss * count, rate), after
        if self.on_step is not None:
            self.on_step(Step(number, epoch, loss, after, count, self.at[0].row, rate))
        if self.listened:
            hooks.call("ourdl_step_ended", step=number, epoch=epoch, loss=loss, rate=rate)
        if number % self.told == 0:
            self._write("step", step=number, epoch=epoch, loss=loss, lr=rate)

    def _diverged(self, number: int, loss: float, values: list[Any], after: Mapping[str, Any]) -> DivergedError:
        """What went wrong, told before anything of this step is kept."""
        position, state = self.at
        bad_name = _not_finite(after, state)
        what = f"'{bad_name}' is not finite" if math.isfinite(loss) else f"the loss is {loss}"
        found = diagnose(self.loss, self.inputs, state, values)
        bad = self.feeding.not_finite(self.data.train, self._rows())
        found += "" if bad is None else f"\n  in the data: {bad}"
        self._write("diverged", step=number, epoch=position.epoch, loss=loss, message=found)
        rows = self.rows_of_step(position)
        message = f"{what} at step {number} (epoch {position.epoch}, {rows}), so training was stopped before it counted;\n"
        return DivergedError(message + found, Fit(state))

    def rows_of_step(self, position: Position) -> str:
        """Which rows of the epoch a step is made of."""
        last = min(position.row + (self.feeding.batch or 1), self.rows)
        return f"row {last}" if last == position.row + 1 else f"rows {position.row + 1} to {last}"

    # ---- the end of an epoch ----------------------------------------------------------------------------------------

    def _end_epoch(self, epoch: int, seconds: float) -> None:
        position, state = self.at
        row: dict[str, Any] = {"epoch": epoch, "loss": position.loss_sum / self.rows, "lr": position.rate}
        more: dict[str, Any] = {}
        if self.data.validation is not None:
            score = self.evaluation(self.updates.averaged(state), self.data.validation)
            if not math.isfinite(score.loss):
                raise self._not_valid(epoch, score.loss)
            row["validation_loss"] = score.loss
            row.update({f"validation_{name}": value for name, value in score.numbers.items()})
            more = {f"validation_{name}": value for name, value in score.values.items() if name not in score.numbers}
        state = self.updates.epoch_ended(state, row, self.evaluation.higher_is_better)
        self.history = [*self.history, row]
        self.at = Position(epoch + 1, 0, position.step, 0.0, position.rate), state
        if self.judge.look(row, state) and self.run is not None:
            self.run.save_weights(BEST, self._of_inference(self.updates.averaged(state)))
        self._write("epoch", **row, **more, step=position.step, seconds=round(seconds, 6))
        if self.on_epoch is not None:
            self.on_epoch(dict(row))
        hooks.call("ourdl_epoch_ended", epoch=epoch, row=dict(row))

    def _not_valid(self, epoch: int, loss: float) -> DivergedError:
        """What is wrong with the rows for validation."""
        arrays = self.data.validation or {}
        bad = self.feeding.not_finite(arrays, range(rows_of(arrays)))
        found = "they are finite: look for an op that is outside its domain" if bad is None else f"in the data: {bad}"
        message = f"the loss of the rows for validation is {loss} after epoch {epoch}; {found}"
        self._write("diverged", step=self.at[0].step, epoch=epoch, loss=loss, message=message)
        return DivergedError(message, Fit(self.at[1]))

    def _tested(self) -> Any:
        return None if self.data.test is None else self.evaluation(self.updates.averaged(self._final()), self.data.test)

    def _final(self) -> dict[str, Any]:
        """The state that training results in."""
        early, best = self.settings.early_stopping, self.judge.best
        return best.state if early is not None and early.restore_best and best is not None else self.at[1]

    def _finish(self, result: Fit, seconds: float) -> None:
        result.state, result.history, result.steps = self._final(), self.history, self.at[0].step
        averaged = self.updates.averaged(result.state)
        result.weights = {name: averaged[name] for name in self.of_model}
        result.best, result.seconds = self.judge.best, seconds
        if self.run is not None:
            self._save()
            self.run.save_weights(WEIGHTS, self._of_inference(result.weights))
        hooks.call("ourdl_training_ended", fit=result)

    def _of_inference(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the loss and the outputs need: not the states of the optimizer."""
        return {name: state[name] for name in self.evaluation.program.plan(*self.first).names}

    # ---- what is written --------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self.run is not None:
            position, state = self.at
            settings = self.settings.table(defaults=True)
            data = self.recognised
            self.run.save(Checkpoint(position, state, self.history, self.judge.best, settings, data, self.model))

    def _write(self, event: str, **entries: Any) -> None:
        if self.run is not None:
            self.run.write(event, **entries)

    def _about(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What a log says of the whole run."""
        parameters = sum(int(np.size(state[name])) for name in self.trained)
        settings = self.settings.table(defaults=True)
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        return {"time": now, "step": self.at[0].step, "rows": self.rows, "parameters": parameters, **settings}

    def _outcome(self, result: Fit, seconds: float) -> dict[str, Any]:
        """What a log says in the end."""
        best, test = self.judge.best, result.test
        return {
            "step": self.at[0].step,
            "epochs": len(self.history),
            "best": None if best is None else {"epoch": best.epoch, self.judge.monitor: best.value},
            "test": None if test is None else {"loss": test.loss, "rows": test.rows, **test.values},
            "seconds": round(seconds, 6),
        }

    def _where(self, stop: KeyboardInterrupt) -> str:
        position = self.at[0]
        epoch = min(position.epoch, self.settings.epochs)
        self._write("stopped", step=position.step, epoch=epoch)
        return f"stopped in epoch {epoch} of {self.settings.epochs}, after {position.step} steps"


def _not_finite(after: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """The first part of the state that a step has made NaN or infinite; a sum of squares tells, unless it is too large."""
    with np.errstate(all="ignore"):
        for name, value in after.items():
            if value is before[name]:
                continue
            if type(value) is np.ndarray:
                total = np.vdot(value, value) if value.dtype.kind == "f" else 0.0
            else:
                total = value if type(value) in (int, float) else 0.0
            if not math.isfinite(total) and not is_finite(value) and is_finite(before[name]):
                return name
    return None


def check_patterns(patterns: tuple[str, ...], names: list[str]) -> None:
    """Each pattern of what is trained must fit a parameter; LookupError else."""
    for pattern in patterns:
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names) or f"Parameters are: {', '.join(names[:12]) or 'none'}."
            raise LookupError(f"trained: no parameter is called '{pattern}'. {hint}")


def inputs_of_loss(graph: Graph, loss: Node, arrays: Arrays) -> dict[str, Variable]:
    """The inputs that the loss is computed from, by name; each must have data, and all data an input."""
    used = ancestors(loss)
    named: dict[str, Node] = {**graph.inputs} or {name: graph[name] for name in arrays}
    for name in arrays:
        if name not in named:
            raise DataError(f"there is data for '{name}', which is no input of the graph. Inputs: {', '.join(named)}")
    wanted = {name: node for name, node in named.items() if isinstance(node, Variable) and node in used}
    check_given(wanted, arrays, "data")
    return wanted


def check_given(inputs: Mapping[str, Variable], arrays: Mapping[str, Any], what: str) -> None:
    """Every input has rows."""
    for name in inputs:
        if name not in arrays:
            raise DataError(f"the input '{name}' of the graph has no {what}. There is {what} for: {', '.join(arrays)}")


def _check_scalar(loss: Node, program: Program, values: list[Any]) -> None:
    spec = program.plan(*values).roots[0].spec
    if spec.ndim != 0:
        raise ValueError(
            f"the loss {loss.describe()} has rank {spec.ndim} ({spec}): it must be one number. "
            'Take its mean, as { op = "Mean", in = "..." }'
        )
