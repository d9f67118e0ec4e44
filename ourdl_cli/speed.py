"""How fast a step runs: time and memory of a Program, by several executors, in rounds that take turns."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from time import perf_counter
from typing import Any

import numpy as np

from ourdl_cli.workload import Work
from ourdl_core import Program

EXECUTORS = ("numpy", "plain")
ROUND = 0.1  # seconds that a round takes, where nobody says how many steps it has
FIRST = 3  # how often the time to the first step is measured


@dataclass
class Speed:
    """What one executor needs: seconds a step in each round, seconds to the first step, and bytes of arrays."""

    rounds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.rounds)

    def to_dict(self, rows: int) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "seconds_a_step": self.median,
            "rows_a_second": rows / self.median,
            "first_step_seconds": statistics.median(self.first),
            "peak_bytes": self.peak_bytes,
            "rounds": self.rounds,
        }


@dataclass(frozen=True)
class Comparison:
    """The speeds of one step by executor."""

    rows: int
    steps: int
    speeds: Mapping[str, Speed]

    def ratios(self) -> list[float]:
        """How many times faster the first executor is than the last, in each round."""
        first, *_, last = (speed.rounds for speed in self.speeds.values())
        return [b / a for a, b in zip(first, last, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        executors = {name: speed.to_dict(self.rows) for name, speed in self.speeds.items()}
        return {"rows": self.rows, "steps": self.steps, "ratio": statistics.median(self.ratios()), "executors": executors}


def compare(work: Work, steps: int | None, rounds: int) -> Comparison:
    """Run ``rounds`` rounds of ``steps`` steps by each executor; these take turns, so that a busy moment meets them all."""
    speeds = {executor: Speed() for executor in EXECUTORS}
    begun: dict[str, tuple[Program, dict[str, Any]]] = {}
    for _ in range(FIRST):
        for executor, speed in speeds.items():
            began = perf_counter()
            program, state = work.begin(executor)
            program(state, *work.batches[0])
            speed.first.append(perf_counter() - began)
            begun[executor] = program, state
    count = steps or _steps_of_a_round(*begun[EXECUTORS[0]], work.batches)
    for _ in range(rounds):
        for executor, speed in speeds.items():
            speed.rounds.append(seconds_a_step(*begun[executor], work.batches, count))
    begun.clear()
    for executor, speed in speeds.items():
        speed.peak_bytes = _peak_bytes(work, executor)
    return Comparison(work.rows, count, speeds)


def seconds_a_step(program: Program, state: Mapping[str, Any], batches: Sequence[list[Any]], steps: int) -> float:
    """The mean time of ``steps`` steps in a row, on these batches again and again."""
    values = list(islice(cycle(batches), steps))
    collecting = gc.isenabled()
    gc.disable()
    try:
        began = perf_counter()
        for each in values:
            _, state = program(state, *each)
        return (perf_counter() - began) / steps
    finally:
        if collecting:
            gc.enable()


def _steps_of_a_round(program: Program, state: Mapping[str, Any], batches: Sequence[list[Any]]) -> int:
    once = min(seconds_a_step(program, state, batches, 3) for _ in range(3))
    return max(1, round(ROUND / once))


def _peak_bytes(work: Work, executor: str) -> int:
    """The bytes of arrays that live at most during a step, beside the state and the rows that it is given.

    What a Program keeps between steps counts, so the Program is made where memory is traced.
    """
    gc.collect()
    tracemalloc.start()
    try:
        program, state = work.begin(executor)
        own = _array_bytes()
        program(state, *work.batches[0])
        gc.collect()
        kept = _array_bytes() - own
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        program(state, *work.batches[0])
        _, peak = tracemalloc.get_traced_memory()
        return kept + peak - before
    finally:
        tracemalloc.stop()


def _array_bytes() -> int:
    """The bytes of arrays among what is traced."""
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    traces = tracemalloc.take_snapshot().filter_traces([arrays]).statistics("filename")
    return sum(each.size for each in traces)
