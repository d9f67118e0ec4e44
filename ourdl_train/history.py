"""The log of a run read back: its epochs, some of its steps, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ourdl_core import did_you_mean

LOG = "log.jsonl"


@dataclass
class Log:
    """What a log tells. ``epochs`` and ``steps`` are rows of numbers by name, in order; NaN is what was not finite.

    ``best`` is the number of the best epoch, ``test`` the score on the rows for the test, ``confusion`` the last confusion
    matrix and whose it is, ``note`` says what was left out.
    """

    name: str
    epochs: list[dict[str, float]] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    best: int | None = None
    test: dict[str, Any] = field(default_factory=dict)
    confusion: tuple[str, list[list[int]]] | None = None
    note: str | None = None


def read_log(run: str | Path) -> Log:
    """The log of a run, given its directory or the file; ValueError for one that is empty or damaged.

    A last line that is cut off, as when the process was killed, is left out; the log says so in ``note``.
    """
    path = _file_of(Path(run))
    found = Log(path.resolve().parent.name if path.name == LOG else path.stem)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is not None:
            _take(found, entry)
        elif number == len(lines):
            found.note = f"{path}: the last line is cut off and was left out"
        elif line.strip():
            raise ValueError(f"{path}:{number}: is damaged: expected a JSON object, found {line.strip()!r:.60}")
    for name in ("epochs", "steps"):  # what came again after a checkpoint counts
        setattr(found, name, list({row[name[:-1]]: row for row in getattr(found, name)}.values()))
    if not found.epochs and not found.steps:
        raise ValueError(f"{path}: tells of no step and no epoch: wait until one has ended")
    return found


def _file_of(run: Path) -> Path:
    if run.is_file():
        return run
    if not run.is_dir():
        near = [str(each) for each in sorted(run.parent.iterdir()) if each.is_dir()] if run.parent.is_dir() else []
        hint = did_you_mean(str(run), near) or "A run is a directory that 'ourdl train' made, as runs/digits-1."
        raise FileNotFoundError(f"{run}: there is no such run. {hint}")
    if not (run / LOG).is_file():
        raise FileNotFoundError(f"{run}: is no run, there is no {LOG} in it")
    return run / LOG


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _take(log: Log, entry: Mapping[str, Any]) -> None:
    """Add what one line tells; events that are not known tell nothing."""
    event = entry.get("event")
    if event in ("epoch", "step"):
        row = {name: _number(value) for name, value in entry.items() if _is_number(value)}
        if event in row:
            (log.epochs if event == "epoch" else log.steps).append(row)
        _take_confusion(log, "validation", entry.get("validation_confusion_matrix"))
    elif event == "ended":
        best, test = entry.get("best"), entry.get("test")
        if isinstance(best, Mapping) and isinstance(best.get("epoch"), int):
            log.best = best["epoch"]
        if isinstance(test, Mapping):
            log.test = dict(test)
            _take_confusion(log, "test", test.get("confusion_matrix"))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _number(value: Any) -> float:
    return float("nan") if value is None else value


def _take_confusion(log: Log, whose: str, matrix: Any) -> None:
    square = isinstance(matrix, list) and all(isinstance(row, list) and len(row) == len(matrix) for row in matrix)
    if square and matrix and all(isinstance(count, int) for row in matrix for count in row):
        log.confusion = whose, matrix
