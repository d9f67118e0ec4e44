"""Checkpoints: everything that a run of training needs to go on as if it had never stopped, in one file.

A checkpoint is a safetensors file: the whole state by name (parameters, running statistics, keys, the states of the
optimizer), the state of the best epoch as ``best/<name>``, and in its metadata, under ``ourdl``, as JSON: the place in the
data, the history, the settings, and the model file. It is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ourdl_train.early_stopping import Best
from ourdl_train.files import FileError
from ourdl_train.safetensors import read_safetensors, write_safetensors
from ourdl_train.weights import WeightsError, fitted

FORMAT = 1
BEST = "best/"


@dataclass(frozen=True)
class Position:
    """How far training is: the epoch, the rows of it that were used, the steps in all; the sum of the losses of this epoch,
    and the rate of the last step.
    """

    epoch: int = 1
    row: int = 0
    step: int = 0
    loss_sum: float = 0.0
    rate: float = 0.0


@dataclass
class Checkpoint:
    """Where training stands. ``arrays`` are the states as they are in the file; ``model`` is the text of the model file."""

    position: Position
    arrays: Mapping[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    model: str | None = None

    def write(self, path: Path) -> None:
        """Write the file, in whole or not at all."""
        best = self.best
        arrays = {**self.arrays, **({} if best is None else {f"{BEST}{n}": v for n, v in best.state.items()})}
        about = {
            "format": FORMAT,
            "position": asdict(self.position),
            "history": self.history,
            "best": None if best is None else {"epoch": best.epoch, "value": best.value},
            "settings": self.settings,
            "data": self.data,
            "model": self.model,
        }
        write_safetensors(path, arrays, {"ourdl": json.dumps(about)})

    def state(self, like: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The state as the graph holds it; WeightsError where the graph is another one."""
        extra = [name for name in self.arrays if name not in like]
        if extra:
            what = f"{path}: it holds '{extra[0]}', which this training has not"
            raise WeightsError(f"{what}: the model or the optimizer is another")
        return fitted(self.arrays, like, str(path))


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file; WeightsError where it is none, or damaged."""
    try:
        arrays, metadata = read_safetensors(path)
    except FileError as error:
        raise WeightsError(f"{path}: {error}") from None
    if "ourdl" not in metadata:
        raise WeightsError(f"{path}: holds weights, but no checkpoint to go on from")
    try:
        return _checkpoint(arrays, json.loads(metadata["ourdl"]), path)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: the checkpoint is damaged: {error}") from None


def _checkpoint(arrays: dict[str, Any], about: dict[str, Any], path: Path) -> Checkpoint:
    if about["format"] != FORMAT:
        what = f"{path}: is a checkpoint of format {about['format']}"
        raise WeightsError(f"{what}; this version of OurDL reads format {FORMAT}")
    best = None
    if about["best"] is not None:
        kept = {name.removeprefix(BEST): value for name, value in arrays.items() if name.startswith(BEST)}
        best = Best(int(about["best"]["epoch"]), float(about["best"]["value"]), kept)
    own = {name: value for name, value in arrays.items() if not name.startswith(BEST)}
    history = [dict(row) for row in about["history"]]
    position = Position(**about["position"])
    _check_parts(position, history, about)
    return Checkpoint(position, own, history, best, about["settings"], about["data"], about["model"])


def _check_parts(position: Position, history: list[dict[str, Any]], about: Mapping[str, Any]) -> None:
    """ValueError for what no run has written."""
    whole = (position.epoch, position.row, position.step)
    if not all(type(each) is int and each >= 0 for each in whole) or position.epoch < 1:
        raise ValueError(f"its place is {position}")
    if not all(isinstance(each, (int, float)) for each in (position.loss_sum, position.rate)):
        raise ValueError(f"its place is {position}")
    if [row.get("epoch") for row in history] != list(range(1, position.epoch)):
        raise ValueError("its history is not that of the epochs before its place")
    if not isinstance(about["settings"], dict) or not isinstance(about["data"], dict):
        raise ValueError("its settings are no table")
    if not isinstance(about["model"], (str, type(None))):
        raise ValueError("its model is no text")
