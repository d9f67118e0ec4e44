"""Run directories: the log of a training run, its checkpoint, its best weights and its model file, in one place.

``log.jsonl`` has one JSON object a line, by ``event``: ``began``, ``step`` (some of them), ``epoch``, ``stopped``,
``resumed``, ``diverged`` and ``ended``. What is not a finite number is null.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ourdl_core.atomic import write_atomically
from ourdl_train.checkpoints import Checkpoint, Position, read_checkpoint
from ourdl_train.weights import save_weights

CHECKPOINT, WEIGHTS, BEST = "checkpoint.safetensors", "weights.safetensors", "best.safetensors"
LOG, MODEL = "log.jsonl", "model.toml"
FILES = (CHECKPOINT, WEIGHTS, BEST, LOG, MODEL)
HALF = re.compile(r"\.\d+-\d+\.(safetensors|jsonl|toml)")  # what write_atomically calls a file until it is whole


def new_directory(parent: Path, stem: str) -> Path:
    """A directory of its own, ``<stem>-<n>``, made now: two runs that begin at once get two."""
    parent.mkdir(parents=True, exist_ok=True)
    taken = [_number(each.name, stem) for each in parent.iterdir()]
    number = max(taken, default=0) + 1
    while True:
        with suppress(FileExistsError):
            (parent / f"{stem}-{number}").mkdir()
            return parent / f"{stem}-{number}"
        number += 1


def _number(name: str, stem: str) -> int:
    rest = name.removeprefix(f"{stem}-")
    return int(rest) if name.startswith(f"{stem}-") and rest.isascii() and rest.isdecimal() else 0


class Run:
    """The directory of one run, which is being written."""

    def __init__(self, path: str | Path, pause: float) -> None:
        self.path = Path(path)
        self.pause = pause  # seconds between two checkpoints
        self._log: TextIO | None = None
        self._lock: int | None = None
        self._saved = time.monotonic()

    @classmethod
    def begin(cls, path: str | Path, pause: float) -> Run:
        """A new run; ValueError where the directory has a file that it would write over."""
        run = cls(path, pause)
        taken = [name for name in FILES if os.path.lexists(run.path / name)]
        if CHECKPOINT in taken:
            raise ValueError(f"{run.path}: there is a run already. Go on with it (resume), or choose another directory")
        if taken:
            raise ValueError(f"{run.path / taken[0]}: is there, and a run would write over it: choose another directory")
        return run

    @classmethod
    def resume(cls, path: str | Path, pause: float) -> tuple[Run, Checkpoint]:
        """A run to go on with, and where it stands; ValueError where a file of it is none of its own."""
        run = cls(path, pause)
        found = checkpoint_of(run.path)
        for name in FILES:
            _check_own(run.path / name)
        run.take()
        try:
            return run, read_checkpoint(found)
        except Exception:
            run.close()
            raise

    def take(self) -> None:
        """Make the directory, and keep other processes out as long as this one lives; ValueError where one is in it."""
        if self._lock is not None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with suppress(ImportError):  # where there are no such locks
            import fcntl

            self._lock = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.close()
                raise ValueError(f"{self.path}: another process trains in this run") from None

    def clean(self, position: Position) -> None:
        """Take away what a kill left behind: halves of files, and lines of the log about steps that will come again."""
        for left in self.path.iterdir():
            if HALF.fullmatch(left.name):
                left.unlink(missing_ok=True)
        path = self.path / LOG
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        kept = [line for line in lines if _is_before(line, position)]
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode())

    def write(self, event: str, **entries: Any) -> None:
        """One line of the log."""
        if self._log is None:
            self._log = open(self.path / LOG, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()
        self._log.write(json.dumps({"event": event, **_finite(entries)}, allow_nan=False, ensure_ascii=False) + "\n")

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self._saved >= self.pause

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint in place of the last one."""
        self.take()
        checkpoint.write(self.path / CHECKPOINT)
        self._saved = time.monotonic()

    def save_weights(self, name: str, state: Mapping[str, Any]) -> None:
        """Write the weights of the best epoch, or those that training results in."""
        save_weights(self.path / name, state)

    def save_model(self, text: str) -> None:
        """Write the model file, resolved."""
        write_atomically(self.path / MODEL, text.encode())

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def checkpoint_of(path: Path) -> Path:
    """The file of the checkpoint in a run directory; FileNotFoundError that says what is wrong."""
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: there is no such run: a directory that 'ourdl train' made, as runs/digits-1")
    if not (path / CHECKPOINT).exists():
        raise FileNotFoundError(f"{path}: there is no {CHECKPOINT} in it, so nothing to go on from: train anew")
    return path / CHECKPOINT


def _check_own(path: Path) -> None:
    """A file of a run is a file: what is written to a link or a pipe would go elsewhere."""
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise ValueError(f"{path}: is no file of its own but a link, a pipe or a directory: a run does not write there")


def _is_before(line: str, position: Position) -> bool:
    """Whether a line of the log tells of what a checkpoint at ``position`` has seen."""
    try:
        entry = json.loads(line)
        event = entry["event"]
        if event in ("step", "stopped", "resumed"):
            return bool(entry["step"] <= position.step)
        return bool(event == "began" or (event == "epoch" and entry["epoch"] < position.epoch))
    except (ValueError, TypeError, LookupError, RecursionError):  # cut off, or not written by a run
        return False


def _finite(value: Any) -> Any:
    """Numbers that are not finite as None, deep."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
