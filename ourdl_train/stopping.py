"""Ctrl-C and a request to end (SIGTERM) while training: the step that runs is finished first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self


class Stopping:
    """While it is entered, the first signal is noted in ``asked``; a second one interrupts at once.

    Signals reach the main thread of Python only; in another one nothing changes.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before not in (None, signal.SIG_IGN):  # who has a program ignore a signal means it
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            self._restore()
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)

    def _restore(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)

    def __exit__(self, *error: object) -> None:
        self._restore()
