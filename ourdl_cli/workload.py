"""What ``ourdl bench`` and ``ourdl profile`` run: the step of a model file, for training and for inference, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ourdl_core import Node, Program, Variable
from ourdl_core.problems import Problem
from ourdl_files import Model, ModelFileError
from ourdl_files.formats import read_document
from ourdl_train import Data, inputs_of, read_data
from ourdl_train.feeding import feeding
from ourdl_train.training import Training

BATCH = 32
MOST_BATCHES = 8  # that a round goes through, again and again
MOST_SINGLE = 256  # the same for steps of one row each
NO_LIMIT = 2**20  # an input that takes whole numbers up to this takes any
MADE_UP_TO = 9  # whole numbers that are made where any will do


@dataclass(frozen=True)
class Work:
    """A step to run: what builds its Program for an executor, and the values of some batches of ``rows`` rows each."""

    mode: str
    program: Callable[[str], Program]
    batches: list[list[Any]]
    rows: int
    seed: int

    def begin(self, executor: str) -> tuple[Program, dict[str, Any]]:
        """A new Program and its first state."""
        program = self.program(executor)
        return program, program.init(*self.batches[0], seed=self.seed)


class Workload:
    """The work of a model file, on the rows of its [data] or, where it has none, on rows that are made."""

    def __init__(self, model: Model, batch: int | None = None) -> None:
        self.model = model
        self.batch = batch or (BATCH if model.train is None else model.train.batch)
        if model.data is not None:
            self.data = read_data(model.data, model.graph.inputs, model.folder)
            self.source = "rows of [data]"
        else:
            if batch is None:
                self.batch = _fixed_batch(model) or self.batch
            made = Made(model, self.batch)
            self.data = Data(made.arrays)
            self.source = f"rows that were made ({made.text})"

    @property
    def modes(self) -> list[str]:
        """What the model file can be run for."""
        return ["training", "inference"] if self.model.train is not None else ["inference"]

    def work(self, mode: str) -> Work:
        """The step for training (forward, gradient, update) or for inference (the outputs)."""
        return self._training() if mode == "training" else self._inference()

    def _training(self) -> Work:
        model = self.model
        if model.train is None:
            message = "the section [train] is needed for a step of training"
            raise ModelFileError(str(model.path), [Problem((), message, "missing-section")])
        settings = model.train.replace(batch=self.batch)
        loss = model.graph[settings.loss]
        begin = partial(Training, model.graph, loss, settings, self.data)
        feeds = begin().feeding

        def program(executor: str) -> Program:
            return begin().step_program(executor)

        return self._work("training", program, feeds, settings.seed)

    def _inference(self) -> Work:
        graph = self.model.graph
        inputs = inputs_of(graph.outputs, graph.inputs)

        def program(executor: str) -> Program:
            return Program(inputs, dict(graph.outputs), mode="inference", executor=executor)

        seed = 0 if self.model.train is None else self.model.train.seed
        return self._work("inference", program, feeding(inputs, self.data.train, self.batch), seed)

    def _work(self, mode: str, program: Callable[[str], Program], feeds: Any, seed: int) -> Work:
        """The work on the first batches, all of one size."""
        most = MOST_SINGLE if feeds.batch is None else MOST_BATCHES
        found = list(islice(feeds.feeds(self.data.train), most))
        rows = found[0][0]
        return Work(mode, program, [values for count, values in found if count == rows], rows, seed)


def _fixed_batch(model: Model) -> int | None:
    """The size that an input declares for every batch."""
    first = [variable.sizes[0] for variable in model.graph.inputs.values() if variable.sizes]
    return next((size for size in first if isinstance(size, int)), None)


class Made:
    """Rows for the inputs of a model file without [data], by the shapes and dtypes that they declare.

    Floating numbers are normal, whole numbers such as the model takes: for labels and indices that is found by trying.
    Sizes that vary are ``batch``.
    """

    def __init__(self, model: Model, batch: int) -> None:
        self._model = model
        self._batch = batch
        self._inputs = model.graph.inputs
        _check_declared(model)
        sizes = [variable.sizes or () for variable in self._inputs.values()]
        fixed = {each[0] for each in sizes if each and isinstance(each[0], int)}
        # Of inputs without a batch dimension a step takes one row.
        self._single = any(not each for each in sizes) or len(fixed) > 1
        self._random = np.random.default_rng(0)
        self._trial = _all_of(model)
        self._state: dict[str, Any] | None = None
        self._limits = {name: self._limit(name) for name in self._inputs if _dtype(self._inputs[name]).kind in "iu"}
        self.arrays = {name: self._rows(name) for name in self._inputs}

    @property
    def text(self) -> str:
        """What was made, in words."""
        kinds = {name: _dtype(variable).kind for name, variable in self._inputs.items()}
        words = {"f": "normal", "c": "normal", "b": "true or false"}
        return ", ".join(f"{n} {words.get(kind) or f'0 to {self._limits[n]}'}" for n, kind in kinds.items())

    def _shape(self, name: str, rows: int) -> tuple[int, ...]:
        sizes = tuple(self._inputs[name].sizes or ())
        if self._single:
            return (rows, *(self._size(size) for size in sizes))
        first = sizes[0] if isinstance(sizes[0], int) and rows < sizes[0] else rows
        return (first, *(self._size(size) for size in sizes[1:]))

    def _size(self, size: int | str | None) -> int:
        return size if isinstance(size, int) else self._batch

    def _rows(self, name: str) -> Any:
        train = self._model.train
        batches = max(MOST_BATCHES, 0 if train is None else train.optimizer.accumulate)
        shape = self._shape(name, MOST_SINGLE if self._single else batches * self._batch)
        dtype = _dtype(self._inputs[name])
        if dtype.kind in "iu":
            return self._random.integers(0, self._limits[name], shape, endpoint=True).astype(dtype)
        if dtype.kind == "b":
            return self._random.integers(0, 2, shape).astype(dtype)
        return self._random.standard_normal(shape).astype(dtype)

    def _limit(self, name: str) -> int:
        """The largest whole number that the model takes for an input."""
        most = min(NO_LIMIT, int(np.iinfo(_dtype(self._inputs[name])).max))
        if self._takes(name, most):
            return min(MADE_UP_TO, most)
        good, bad = 0, 1
        while bad < most and self._takes(name, bad):
            good, bad = bad, min(2 * bad, most)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._takes(name, middle) else (good, middle)
        return good

    def _takes(self, name: str, number: int) -> bool:
        """Whether the model runs where this number stands everywhere in this input, and 0 in others of whole numbers."""
        try:
            self._try({each: number if each == name else 0 for each in self._inputs})
        except (IndexError, ValueError):
            return False
        return True

    def _try(self, numbers: Mapping[str, int]) -> None:
        values = []
        for name, variable in self._inputs.items():
            dtype = _dtype(variable)
            array = np.full(self._shape(name, 1), numbers[name] if dtype.kind in "iu" else 1, dtype)
            values.append(array[0] if self._single else array)
        if self._state is None:
            self._state = self._trial.init(*values)
        self._trial(self._state, *values)


def _all_of(model: Model) -> Program:
    """Everything that a model file computes: what its outputs and its loss take, its rows must be."""
    targets: list[Node] = [*model.graph.outputs.values()]
    if model.train is not None:
        targets.append(model.graph[model.train.loss])
    return Program(model.graph.inputs, targets, mode="inference", executor="plain")


def _dtype(variable: Variable) -> np.dtype[Any]:
    return variable.spec.dtype


def _check_declared(model: Model) -> None:
    """Rows can be made for inputs that declare their shape."""
    silent = [name for name, variable in model.graph.inputs.items() if variable.sizes is None]
    if silent:
        message = 'declares no shape, so no rows can be made: write shape = ["batch", ...], or a section [data]'
        problems = [Problem(("inputs", name), f"the input '{name}' {message}", "missing-data") for name in silent]
        document = None if model.path is None else read_document(model.path)
        raise ModelFileError(str(model.path), problems, document)
