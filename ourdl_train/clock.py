"""The clock of a training: the scalar states that all parameters share, and the rate that follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ourdl_core import Node, State, Variable, ops
from ourdl_core.node import order_of
from ourdl_train.schedule import Multiplier, Schedule


class Clock:
    """How many steps were taken, and what the schedule remembers; Python numbers where parameters are.

    ``time`` is the number of this step (1, 2, ...). Of ``accumulate`` runs only the last takes a step: ``moves`` is the node
    of whether this one does, None where every one does.
    """

    def __init__(self, loss: Node, schedule: Schedule, accumulate: int, steps: int | None) -> None:
        self.schedule = schedule
        self.numbers = any(isinstance(v, Variable) and v.trained and _is_number(v.value) for v in order_of([loss]))
        self.step = self._state("step", 0)
        self.time: Node = self.step + 1
        self.moves: Node | None = None
        self._after: dict[Variable, Node] = {}
        if accumulate > 1:
            steps = None if steps is None else max(1, steps // accumulate)
            self._accumulate(accumulate)
        schedule.check_steps(steps)
        self.memory = {name: self._state(name, value) for name, value in schedule.memory().items()}
        self.factor: Node | None = None
        if schedule.varies:
            self.factor = Multiplier(schedule=schedule, steps=steps)(self.step, loss, *self.memory.values())

    def _accumulate(self, count: int) -> None:
        gathered = self._state("gathered", 0)
        self.moves = ops["ourdl::Equal"](gathered + 1, count)
        self._after[gathered] = ops["ourdl::Where"](self.moves, 0, gathered + 1)

    def _state(self, name: str, value: float) -> Variable:
        """A scalar state: a whole number is int32, another float64, as the memory of a schedule is kept."""
        if self.numbers:
            return Variable(value, made=State(), name=f"optimizer.{name}")
        dtype = "int32" if isinstance(value, int) else "float64"
        return Variable(np.asarray(value, dtype), made=State(dtype=dtype), name=f"optimizer.{name}")

    def updates(self, timed: bool) -> dict[Variable, Node]:
        """The new values of the states; those that nothing uses are left out."""
        if not (timed or self.factor is not None):
            return self._after
        moved = self.time if self.moves is None else ops["ourdl::Where"](self.moves, self.time, self.step)
        return {self.step: moved, **self._after, **{memory: memory for memory in self.memory.values()}}

    def epoch_ended(
        self, state: Mapping[str, Any], row: Mapping[str, Any], more_is_better: Collection[str]
    ) -> Mapping[str, Any]:
        """The state after an epoch, at which the schedule may change what it remembers."""
        names = {name: str(variable.name) for name, variable in self.memory.items()}
        if not names:
            return state
        values = {name: state[place] if _is_number(state[place]) else state[place].item() for name, place in names.items()}
        after = self.schedule.epoch_ended(values, row, more_is_better)
        return {**state, **{names[name]: _as(state[names[name]], value) for name, value in after.items()}}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _as(old: Any, value: float) -> Any:
    """A new number as the kind of value that the old one is."""
    return value if _is_number(old) else np.asarray(value, old.dtype)
