"""A line on the terminal that says how far training is. Nothing where stderr is no terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

PAUSE = 0.1  # seconds between two drawings: enough for the eye, and no cost


class Progress:
    """The line: a bar, the epoch, the mean loss of the epoch so far, rows a second."""

    def __init__(self, epochs: int, rows: int) -> None:
        self.epochs, self.rows = epochs, rows
        self.shown = sys.stderr.isatty()
        self._began = time.perf_counter()
        self._next = 0.0
        self._epoch = self._seen = self._all = self._done = 0
        self._sum = 0.0
        self._open = False

    def step(self, step: Any) -> None:
        """Take note of a step, and draw if it is time."""
        if step.epoch != self._epoch:
            self._epoch, self._seen, self._sum = step.epoch, 0, 0.0
        self._seen += step.rows
        self._all += step.rows
        self._done = (step.epoch - 1) * self.rows + step.row  # also those of a run before, which this one goes on with
        self._sum += step.loss * step.rows
        now = time.perf_counter()
        if now >= self._next or self._done >= self.epochs * self.rows:
            self._next = now + PAUSE
            self._draw(now)

    def _draw(self, now: float) -> None:
        width = shutil.get_terminal_size().columns - 1
        rate = self._all / max(now - self._began, 1e-9)
        text = f"epoch {self._epoch}/{self.epochs}  loss {self._sum / self._seen:.4g}  {rate:,.0f} rows/s"
        size = min(30, width - len(text) - 3)
        if size >= 5:
            full = round(size * self._done / (self.epochs * self.rows))
            text = f"[{'#' * full}{'-' * (size - full)}] {text}"
        sys.stderr.write("\r" + text[:width].ljust(width))
        sys.stderr.flush()
        self._open = True

    def close(self) -> None:
        """Leave the line as it is, and go to the next."""
        if self._open:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._open = False
