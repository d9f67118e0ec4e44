"""What training gives, step by step and in the end, and the two ways in which it ends early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ourdl_train.early_stopping import Best
from ourdl_train.evaluate import Score


@dataclass(frozen=True)
class Step:
    """One step that ended: its number (from 1, over all epochs), its epoch, its loss, the state after it, its rows, the rows
    of the epoch up to it, and the learning rate.
    """

    number: int
    epoch: int
    loss: float
    state: Mapping[str, Any]
    rows: int
    row: int
    rate: float


@dataclass
class Fit:
    """What training gives.

    ``state`` is that of the best epoch where early stopping restores it, else the last; training may go on from it.
    ``weights`` are what to predict with: the same, or the averages where the optimizer keeps them. ``history`` has one row
    of numbers an epoch, ``test`` is the score on the rows held out for the test, ``best`` the best epoch on the rows for
    validation, ``run`` the directory of the run.
    """

    state: dict[str, Any]
    weights: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    test: Score | None = None
    steps: int = 0
    seconds: float = 0.0
    best: Best | None = None
    run: Path | None = None


class DivergedError(ArithmeticError):
    """The loss or a parameter is NaN or infinite; the message says where it began. ``fit`` holds the last good state."""

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a request to end, while training; ``fit`` holds what was reached."""

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit
