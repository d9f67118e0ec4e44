"""What training tells, written for TensorBoard (needs tensorboardX): losses, metrics and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ourdl_core import hookimpl, hooks

VALIDATION = "validation_"


@contextmanager
def writer(directory: str | Path) -> Iterator[None]:
    """While it is entered, training in this process is written to an event file in ``directory``.

    Over epochs: ``loss/training``, ``loss/validation``, ``accuracy/validation``, ... and ``lr``. Over steps: ``step/loss``
    and ``step/lr``. ``tensorboard --logdir runs`` shows them. ImportError without tensorboardX.
    """
    listener = Listener(directory)
    hooks.register(listener)
    try:
        yield
    finally:
        hooks.unregister(listener)
        listener.close()


class Listener:
    """Listens to the events of training."""

    def __init__(self, directory: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            message = 'writing for TensorBoard needs tensorboardX: python -m pip install "ourdl[tensorboard]"'
            raise ImportError(message) from None
        self._events = SummaryWriter(str(directory), write_to_disk=True)

    @hookimpl
    def ourdl_step_ended(self, step: int, loss: float, rate: float) -> None:
        """The numbers of one step."""
        self._events.add_scalar("step/loss", loss, step)
        self._events.add_scalar("step/lr", rate, step)

    @hookimpl
    def ourdl_epoch_ended(self, epoch: int, row: Mapping[str, Any]) -> None:
        """The numbers of one epoch; what is NaN is left out, since TensorBoard draws nothing for it."""
        for name, value in row.items():
            if name not in ("epoch", "seconds") and isinstance(value, (int, float)) and not math.isnan(value):
                self._events.add_scalar(tag_of(name), value, epoch)
        self._events.flush()

    def close(self) -> None:
        """Write what is left."""
        self._events.close()


def tag_of(name: str) -> str:
    """What a number of an epoch is called in TensorBoard, which groups by what is before the ``/``."""
    if name.startswith(VALIDATION):
        return f"{name.removeprefix(VALIDATION)}/validation"
    return "lr" if name == "lr" else f"{name}/training"
