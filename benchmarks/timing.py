"""Sides of a comparison: they must compute the same numbers, then they are timed in turn."""

import importlib.util
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

STEADY = 0.97  # less of the processor than this: other processes disturbed the measurement

# A run trains from the first parameters: it gives the loss of each step, and the last parameters by name.
Run = Callable[[], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Side:
    """One way to compute a work: ``build(problem)`` makes the run, where the packages that it ``needs`` are installed."""

    name: str
    build: Callable[[Any], Run]
    needs: tuple[str, ...] = ()


@dataclass
class Row:
    """What was measured of one side, a number a round."""

    name: str
    rounds: list[float]

    @property
    def median(self):
        return statistics.median(self.rounds)


@dataclass
class Table:
    """Measurements that can be compared: less is better, and ratios are to the first row."""

    work: str
    title: str
    unit: str
    rows: list[Row]
    missing: dict[str, str] = field(default_factory=dict)  # side: why it is not there
    notes: list[str] = field(default_factory=list)

    def ratios(self, row):
        """How many times the first row it is, round by round."""
        first = self.rows[0].rounds
        if len(first) != len(row.rounds):
            return [row.median / self.rows[0].median]
        return [mine / yardstick for mine, yardstick in zip(row.rounds, first, strict=True)]


class DisagreementError(Exception):
    """Two sides did not compute the same numbers."""


def lacking(side):
    """Why the side cannot run here, or ""."""
    from benchmarks.sides import compiler_trouble

    absent = [name for name in side.needs if name != "compiler" and importlib.util.find_spec(name) is None]
    if absent:
        return f"{', '.join(absent)} is not installed"
    return compiler_trouble() if "compiler" in side.needs else ""


def compare(work, title, sides, problem, options, tolerance):
    """The table of microseconds a step: who can run here, the same numbers, then rounds in turn."""
    missing = {side.name: trouble for side in sides if (trouble := lacking(side))}
    runs = {side.name: side.build(problem) for side in sides if side.name not in missing}
    worst = agree(title, {name: numbers(run()) for name, run in runs.items()}, tolerance)
    found = in_turn(runs, options)
    rows = [Row(name, [seconds / problem.steps * 1e6 for seconds in found[name]]) for name in runs]
    note = f"{problem.steps} steps; the sides differ by {worst:.0e} of the largest number at most"
    return Table(work, title, "µs a step", rows, missing, [note])


def in_turn(runs, options, steady=True):
    """Seconds of a run of each side, round by round; a quick one is repeated until a clock can time it.

    ``steady``: what was measured while other processes had the processor is measured again. Not for runs that wait.
    """
    repeats = {name: max(1, math.ceil(options.seconds / _timed(run, 1)[0])) for name, run in runs.items()}
    found = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            for _ in range(options.tries if steady else 1):
                seconds, share = _timed(run, repeats[name])
                if share > STEADY:
                    break
            found[name].append(seconds)
    return found


def _timed(run, repeats):
    """Seconds of one run, and the share of this time for which this process had a processor."""
    start, used = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    used, seconds = time.process_time() - used, time.perf_counter() - start
    return seconds / repeats, used / seconds


def numbers(result):
    """What a run gave, as NumPy arrays by name, whoever's arrays they are."""
    losses, parameters = result
    return {"the losses": _array(losses), **{name: _array(value) for name, value in parameters.items()}}


def _array(value):
    if isinstance(value, (list, tuple)):
        return np.array([_array(each) for each in value])
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def agree(title, found, tolerance):
    """The largest difference between the sides; DisagreementError where it is more than ``tolerance``.

    A difference is measured by the largest number of its array, or by a thousandth of the largest of all: some gradients
    are 0 but for rounding, as that of the bias of the keys in an attention.
    """
    (first, wanted), *others = found.items()
    worst, floor = 0.0, max(float(np.abs(array).max()) for array in wanted.values()) / 1000
    for name, values in others:
        for key, array in wanted.items():
            if values[key].shape != array.shape:
                shapes = f"{list(values[key].shape)} beside {list(array.shape)}"
                raise DisagreementError(f"{title}: {key} of '{name}' and of '{first}' have different shapes: {shapes}")
            scale = max(float(np.abs(array).max()), floor)
            difference = float(np.abs(values[key] - array).max()) / scale
            if not difference <= tolerance:
                raise DisagreementError(
                    f"{title}: '{name}' and '{first}' do not compute the same numbers: {key} differ by "
                    f"{difference:.1e} of the largest, more than {tolerance:.0e}; nothing was timed"
                )
            worst = max(worst, difference)
    return worst
