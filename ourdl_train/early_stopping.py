"""Early stopping: training ends when a number has not become better for some epochs, and the best state is kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ourdl_core import Range, Record, did_you_mean

VALIDATION_LOSS = "validation_loss"


class EarlyStopping(Record):
    """Stop when ``monitor``, a number of the history, was not better for ``patience`` epochs.

    Better is by more than ``min_delta``. ``mode`` says whether less (``"min"``) or more (``"max"``) is better; ``"auto"``:
    less for what is called a loss or an error, more for the metrics that say so. With ``restore_best`` the state of the best
    epoch is the result, else that of the last.
    """

    monitor: str = VALIDATION_LOSS
    patience: Annotated[int, Range(low=0)] = 5
    min_delta: Annotated[float, Range(low=0, high=math.inf, open_high=True)] = 0.0
    mode: Literal["auto", "min", "max"] = "auto"
    restore_best: bool = True


@dataclass
class Best:
    """The best epoch so far: its number, the value of what was monitored, and the state after it."""

    epoch: int
    value: float
    state: dict[str, Any]


class Judge:
    """Says which epoch is the best, and whether to stop."""

    def __init__(self, settings: EarlyStopping | None, more_is_better: Collection[str]) -> None:
        self.settings = settings
        self.monitor = VALIDATION_LOSS if settings is None else settings.monitor
        mode = "auto" if settings is None else settings.mode
        more = self.monitor.removeprefix("validation_") in more_is_better if mode == "auto" else mode == "max"
        self.sign = -1.0 if more else 1.0
        self.best: Best | None = None

    def look(self, row: Mapping[str, Any], state: dict[str, Any]) -> bool:
        """Whether this epoch is the best so far; it is remembered then. NaN is never better."""
        value = row.get(self.monitor)
        if value is None and self.settings is None:
            return False
        if not isinstance(value, (int, float)):
            raise LookupError(self._missing(row))
        least = 0.0 if self.settings is None else self.settings.min_delta
        if self.best is not None and not self.sign * value < self.sign * self.best.value - least:
            return False
        if math.isnan(value):
            return False
        self.best = Best(int(row["epoch"]), float(value), state)
        return True

    def _missing(self, row: Mapping[str, Any]) -> str:
        known = [name for name, value in row.items() if isinstance(value, (int, float)) and name != "epoch"]
        hint = did_you_mean(self.monitor, known) or f"There are: {', '.join(known)}."
        why = " There are no rows for validation." if VALIDATION_LOSS not in row and "validation" in self.monitor else ""
        return f"early_stopping: no number of an epoch is called '{self.monitor}'. {hint}{why}"

    def enough(self, epoch: int) -> bool:
        """Whether to stop after this epoch."""
        if self.settings is None:
            return False
        return epoch - (0 if self.best is None else self.best.epoch) >= max(1, self.settings.patience)
