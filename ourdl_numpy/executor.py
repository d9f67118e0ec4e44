"""The specialising executor: a layout becomes straight-line NumPy for each set of shapes that it is run on."""

from __future__ import annotations

import itertools
import linecache
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

import numpy as np

from ourdl_core.execute import Executor, Stepper, Timing, named, note_node
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_numpy.scalars import NumberSource
from ourdl_numpy.source import OtherResultError, Writer
from ourdl_numpy.tracing import Tracer
from ourdl_numpy.values import UntraceableError

# Above so many steps a layout is interpreted: to write and compile source would cost more than it saves.
MOST_STEPS = 20_000
MOST_KEPT = 16  # specialisations of one layout
MOST_SEEN = 1000  # shapes that are counted
MOST_WITH_MEMORY = 2  # of these, how many keep their arenas between runs: whole batches, and the last one

_numbers = itertools.count(1)


class Specialising(Executor):
    """Runs a layout as straight-line Python, written at the first run for the shapes of its leaves."""

    def runner(self) -> Callable[[list[Any]], list[Any]]:
        plain = super().runner()
        self._kept: dict[Any, Specialised] = {}
        self._seen: dict[Any, int] = {}  # how often shapes came for which there was no room
        self._varies = False  # whether an op gives results of one shape now and of another then
        self._writing = threading.RLock()
        self._loop: Any = None
        self._recent: list[Specialised] = []  # whose memory is kept
        if len(self.layout.steps) > MOST_STEPS:
            return plain
        if self.layout.scalar:
            return self._of_numbers(plain)
        kept = self._kept

        def specialised(leaves: list[Any]) -> list[Any]:
            key = shapes_of(leaves)
            program = kept.get(key)
            if program is None:
                if self._varies or not self._is_worth(key):
                    return plain(leaves)
                program = self.specialise(key, leaves)
            if program not in self._recent:
                self._keep_memory(program)
            try:
                return program(leaves)
            except OtherResultError:
                self._varies = True
                kept.clear()
                self._recent.clear()
                return plain(leaves)

        return specialised

    def _of_numbers(self, plain: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
        """One function of Python's arithmetic, written at the first run; where that raises, the plain executor computes."""
        written: list[Any] = []

        def numbers(leaves: list[Any]) -> list[Any]:
            if not written:
                try:
                    with self._writing:
                        written.append(self._write_numbers(leaves))
                except Exception:  # of an op: the plain executor says of which
                    return plain(leaves)
            function = written[0]
            if function is not None:
                try:
                    found: list[Any] = function(*leaves)
                    return found
                except (ArithmeticError, ValueError):
                    pass
            return plain(leaves)

        return numbers

    def _write_numbers(self, leaves: list[Any]) -> Any:
        try:
            source = NumberSource(self.layout, leaves)
            return compiled(source.run(), source.functions)["run"]
        except UntraceableError:
            return None

    def loop(
        self, sequences: Sequence[Any], state: list[Any], updated: dict[int, Any], keys: list[int]
    ) -> tuple[list[Any], list[Any]]:
        if not self.layout.scalar or len(self.layout.steps) > MOST_STEPS or not sequences:
            return super().loop(sequences, state, updated, keys)
        if self._loop is None:
            with self._writing, suppress(Exception):  # of an op: the plain way says of which
                self._loop = self._write_loop([*(each[0] for each in sequences), *state], len(sequences), list(updated))
        function = self._loop
        if not function:
            return super().loop(sequences, state, updated, keys)
        step = super().stepper(state, updated, keys)
        steps = len(sequences[0])
        outputs, step.state = function(sequences, state)
        while outputs and len(outputs[0]) < steps:  # there Python's arithmetic raised: this step the plain way
            done = len(outputs[0])
            for column, value in zip(outputs, [*step([each[done] for each in sequences]), None], strict=False):
                column.append(value)
            rest, step.state = function([each[done + 1 :] for each in sequences], step.state)
            for column, values in zip(outputs, rest, strict=True):
                column.extend(values)
        return outputs[: len(self.layout.outputs) - len(updated)], step.state

    def _write_loop(self, leaves: list[Any], inputs: int, places: list[int]) -> Any:
        try:
            source = NumberSource(self.layout, leaves)
            return compiled(source.loop(inputs, places), source.functions)["loop"]
        except UntraceableError:
            return False

    def specialise(
        self, key: Any, leaves: list[Any], owned: Sequence[tuple[int, int]] = (), held: Sequence[int] = ()
    ) -> Specialised:
        """The program for leaves of these shapes, written if it is not there (see ``Specialised``)."""
        with self._writing:
            found = self._kept.get(key)
            if found is None:
                if len(self._kept) >= MOST_KEPT:
                    del self._kept[min(self._kept, key=lambda each: self._kept[each].runs)]
                found = self._kept[key] = Specialised(self.layout, leaves, owned, held)
        return found

    def _is_worth(self, key: Any) -> bool:
        """Whether to write a program for these shapes: while there is room, and else if they come more often than others.

        So shapes that change all the time are run the plain way, and do not cost more than they gain.
        """
        if len(self._kept) < MOST_KEPT:
            return True
        with self._writing:
            if len(self._seen) > MOST_SEEN:
                self._seen.clear()
            count = self._seen[key] = self._seen.get(key, 0) + 1
            worth = count > 2 + 2 * min(each.runs for each in self._kept.values())
            for each in self._kept.values() if worth else ():
                each.runs //= 2
        return worth

    def _keep_memory(self, program: Specialised) -> None:
        """Keep the memory of this program and of the one used before, and let go of that of others."""
        with self._writing:
            for each in self._recent[: 1 - MOST_WITH_MEMORY]:
                each.pool.clear()
            self._recent = [*self._recent[1 - MOST_WITH_MEMORY :], program]

    def stepper(self, state: list[Any], updated: dict[int, Any], keys: list[int]) -> Any:
        if self.layout.scalar or len(self.layout.steps) > MOST_STEPS or any(type(each) is not np.ndarray for each in state):
            return super().stepper(state, updated, keys)
        return OwningStepper(self, state, updated, keys)

    def source(self, leaves: list[Any]) -> str:
        if len(self.layout.steps) > MOST_STEPS:
            count = f"{len(self.layout.steps):,} steps, more than {MOST_STEPS:,}"
            raise TypeError(f"this Program has {count}, and runs step by step: there is no source, print(program) shows it")
        if self.layout.scalar:
            try:
                return NumberSource(self.layout, leaves).run()
            except UntraceableError:
                what = "an op of this Program looks at values in a way that is no arithmetic, so it runs step by step"
                raise TypeError(f"{what}: there is no source, print(program) shows the steps") from None
        return Specialised(self.layout, leaves).source.text()

    def timings(self, leaves: list[Any], repeats: int) -> list[Timing]:
        if self.layout.scalar or len(self.layout.steps) > MOST_STEPS:
            return super().timings(leaves, repeats)
        return Specialised(self.layout, leaves).timings(leaves, repeats)


def shapes_of(values: Sequence[Any]) -> tuple[Any, ...]:
    """What a program is written for, beside ranks and dtypes."""
    return tuple([(v.shape, v.strides) if type(v) is np.ndarray else type(v) for v in values])


def compiled(text: str, names: dict[str, Any]) -> dict[str, Any]:
    """What ``text`` defines, where it may use ``names``."""
    found = dict(names)
    exec(compile(text, "<ourdl numbers>", "exec"), found)
    return found


class Specialised:
    """A layout for leaves of given shapes. Each thread that runs it at the same time has an arena of its own.

    ``owned`` are the leaves, by place, that are parameters and states which the program keeps: pairs of the place of a leaf
    and of the output that is its new value. They are written in place.
    """

    def __init__(
        self, layout: Any, leaves: Sequence[Any], owned: Sequence[tuple[int, int]] = (), held: Sequence[int] = ()
    ) -> None:
        with np.errstate(all="ignore"):
            given, outputs = Tracer().trace(layout, leaves)
        updates = [(given[place], outputs[output]) for place, output in owned]
        updates += [(given[place], given[place]) for place in held]
        written = {output for _, output in owned}
        rest = [value for i, value in enumerate(outputs) if i not in written]
        self.source = Writer(given, layout.leaves, rest, updates, layout.shared).source()
        self.fits = all(_kind(leaf) == _kind(value) for leaf, value in updates)
        self.name = f"<ourdl program {next(_numbers)}>"
        text = self.source.text()
        self.code = compile(text, self.name, "exec")
        self.pool: list[Any] = []
        self.runs = 0
        linecache.cache[self.name] = (len(text), None, text.splitlines(keepends=True), self.name)  # for tracebacks
        weakref.finalize(self, linecache.cache.pop, self.name, None)

    def build(self, state: Sequence[Any] = ()) -> Callable[..., list[Any]]:
        """The function that runs, with memory of its own."""
        names: dict[str, Any] = {}
        exec(self.code, names)
        found: Callable[..., list[Any]] = names["build"](self.source.arena(), self.source.constants, self.source.ops, state)
        return found

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        self.runs += 1
        try:
            run = self.pool.pop()
        except IndexError:
            run = self.build()
        try:
            with np.errstate(all="ignore"):
                found: list[Any] = run(*leaves)
                return found
        except Exception as error:
            self.blame(error)
            raise
        finally:
            self.pool.append(run)

    def blame(self, error: Exception) -> None:
        """Say in which node an error was raised."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.name and trace.tb_frame.f_code.co_name == "run":
                line = self.source.line_at(trace.tb_lineno)
                if line is not None and line.node is not None:
                    values = [trace.tb_frame.f_locals.get(name) for name in line.reads]
                    note_node(error, line.node, [v for v in values if hasattr(v, "shape") or type(v) in NUMBER_TYPES])
                return
            trace = trace.tb_next

    def timings(self, leaves: Sequence[Any], repeats: int) -> list[Timing]:
        names: dict[str, Any] = {}
        source = self.source
        seconds = [0.0] * len(source.lines)
        exec(compile(source.text(timed=True), self.name, "exec"), names)
        run = names["build"](source.arena(), source.constants, source.ops, (), seconds)
        found: list[list[float]] = [[] for _ in source.lines]
        with np.errstate(all="ignore"):
            run(*leaves)
            for _ in range(repeats):
                seconds[:] = [0.0] * len(seconds)
                run(*leaves)
                for each, value in zip(found, seconds, strict=True):
                    each.append(value)
        rows = [(line, each) for line, each in zip(source.made, found, strict=True) if line is not None]
        return [Timing(*named(line.node), line.call, median(each), line.bytes) for line, each in rows]


def _kind(value: Any) -> Any:
    array = getattr(value, "array", value)
    return getattr(array, "shape", None), getattr(array, "dtype", None)


class OwningStepper(Stepper):
    """Steps whose state is written in place. A step of other shapes is specialised on the same state."""

    def __init__(self, executor: Specialising, state: list[Any], updated: dict[int, Any], keys: list[int]) -> None:
        super().__init__(executor.run, [np.array(each) for each in state], updated, keys, executor.layout.shared)
        self._executor = executor
        self._programs: dict[Any, Any] = {}
        self._plain = False  # for good, once a step was plain: it put other arrays in the place of the state
        self._next = np.array([0, 0, 1], np.uint32)

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        if self._plain:
            return super().__call__(inputs)
        key = shapes_of(inputs)
        run = self._programs.get(key)
        if run is None:
            if len(self._programs) >= MOST_WITH_MEMORY:
                self._programs.clear()
            run = self._programs[key] = self._build(inputs)
        specialised, function = run
        if specialised is None:
            self._plain = True
            return super().__call__(inputs)
        try:
            found: list[Any] = function(*inputs)
        except OtherResultError:  # nothing of the state is written yet
            self._plain = True
            return super().__call__(inputs)
        except Exception as error:
            specialised.blame(error)
            raise
        for place in self.shared:
            if place < len(found) and type(found[place]) is np.ndarray:
                found[place] = found[place].copy()
        for place in self.keys:
            np.add(self.state[place], self._next, out=self.state[place])
        return found

    def again(self) -> Callable[[Sequence[Any]], list[Any]]:
        if self._plain or self.keys or self.shared or len(self._programs) != 1:
            return self.__call__
        ((_, function),) = self._programs.values()

        def step(inputs: Sequence[Any]) -> list[Any]:
            if self._plain:
                return self(inputs)
            try:
                found: list[Any] = function(*inputs)
                return found
            except Exception:  # what it is, the whole way tells: nothing of the state is written yet
                return self(inputs)

        return step

    def _build(self, inputs: Sequence[Any]) -> Any:
        first, count = len(inputs), len(self._executor.layout.outputs) - len(self.updated)
        owned = [(first + place, count + i) for i, place in enumerate(self.updated)]
        held = [first + place for place in range(len(self.state)) if place not in self.updated]
        leaves = [*inputs, *self.state]
        key = ("owned", *shapes_of(leaves))
        specialised = self._executor.specialise(key, leaves, owned, held)
        if not specialised.fits:
            return None, None  # the plain way says what is wrong
        order = sorted([place for place, _ in owned] + held)
        return specialised, specialised.build([self.state[place - first] for place in order])


