"""What a picture of training shows: one panel for the loss, one for each metric, one for the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ourdl_core import did_you_mean

VALIDATION = "validation_"
CONFUSION = "confusion_matrix"
_NO_CURVES = ("epoch", "step", "seconds")
_MOST_POINTS = 500  # of single steps: more cannot be told apart


@dataclass(frozen=True)
class Curves:
    """One run: its name, a row of numbers by name for each epoch, those of some steps, and the best epoch.

    ``confusion`` is a confusion matrix, and whose it is (``"test"``).
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, Any]] = ()
    best: int | None = None
    confusion: tuple[str, Sequence[Sequence[int]]] | None = None

    def best_epoch(self) -> int | None:
        """The epoch that is told to be the best, else that of the smallest loss on the rows for validation."""
        key = f"{VALIDATION}loss"
        found = [(row[key], row["epoch"]) for row in self.rows if is_finite(row.get(key))]
        return self.best if self.best is not None or not found else int(min(found)[1])


@dataclass
class Line:
    """One curve: of which run, and which part of the rows it is of (``training``, ``validation``, ``steps``)."""

    run: int
    part: str
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes."""

    name: str
    lines: list[Line]


def is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def panels_of(runs: Sequence[Curves], wanted: Sequence[str] = ()) -> list[Panel]:
    """The panels of some runs: all that say something, or those of ``wanted``; LookupError for one that is not there."""
    keys = dict.fromkeys(key for run in runs for row in (*run.rows, *run.steps) for key in row if key not in _NO_CURVES)
    names = dict.fromkeys(["loss", *(key.removeprefix(VALIDATION) for key in keys if key != "lr"), "lr"])
    found = {name: Panel(name, _lines(runs, name)) for name in names}
    found = {name: panel for name, panel in found.items() if panel.lines}
    known = [*found, *([CONFUSION] if any(run.confusion for run in runs) else [])]
    asked = [name.removeprefix(VALIDATION) for name in wanted]
    for name in asked:
        if name not in known:
            hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
            raise LookupError(f"no run tells of a metric '{name}'. {hint}")
    if asked:
        return [found[name] for name in dict.fromkeys(asked) if name in found]
    return [panel for panel in found.values() if panel.name != "lr" or _changes(panel)]


def _changes(panel: Panel) -> bool:
    return any(len(set(line.y)) > 1 for line in panel.lines)


def _lines(runs: Sequence[Curves], name: str) -> list[Line]:
    found = []
    for place, run in enumerate(runs):
        if run.steps and (len(runs) == 1 or not run.rows):
            found.append(_of_steps(place, run, name))
        for part, key in (("training", name), ("validation", VALIDATION + name)):
            rows = [row for row in run.rows if key in row]
            found.append(Line(place, part, [row["epoch"] for row in rows], [_number(row[key]) for row in rows]))
    return [line for line in found if any(map(is_finite, line.y))]


def _of_steps(place: int, run: Curves, name: str) -> Line:
    """The steps, along the epochs where these have ended; of very many, the means of neighbours."""
    ends = {0: 0, **{int(row["epoch"]): row["step"] for row in run.rows if "step" in row}}
    length = max((ends[e] - ends[e - 1] for e in ends if e - 1 in ends), default=0)
    pairs = []
    for row in run.steps:
        before = int(row.get("epoch", 1)) - 1
        if name in row and not run.rows:
            pairs.append((float(row["step"]), _number(row[name])))
        elif name in row and length and before in ends:
            pairs.append((before + (row["step"] - ends[before]) / length, _number(row[name])))
    size = math.ceil(len(pairs) / _MOST_POINTS)
    groups = [pairs[i : i + size] for i in range(0, len(pairs), size or 1)]
    means = [[math.fsum(each) / len(group) for each in zip(*group, strict=True)] for group in groups]
    return Line(place, "steps" if run.rows else "training", [mean[0] for mean in means], [mean[1] for mean in means])


def _number(value: Any) -> float:
    return float(value) if is_finite(value) else math.nan
