"""What a check may cost: a time limit that ends a hang, and what the op prints held back."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
SHOWN = 300  # how much of what an op prints is kept for the message


class OutOfTime(BaseException):
    """A check ran past its limit."""


def within(seconds: float, function: Callable[[], T]) -> T:
    """What ``function()`` returns; ``OutOfTime`` if that takes longer than ``seconds``.

    A signal interrupts whatever Python is doing, in the main thread of a POSIX system. Elsewhere the function runs in a
    thread of its own, which is left behind if it does not come back.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _by_signal(seconds, function)
    return _by_thread(seconds, function)


def _by_signal(seconds: float, function: Callable[[], T]) -> T:
    alarms = 0
    lines = 0
    over = False

    def stop(number: int, frame: Any) -> None:
        nonlocal alarms, lines
        alarms += 1
        if over:
            return
        if alarms == 1:
            raise OutOfTime(seconds)
        # A bare ``except:`` in a loop has swallowed it. Raise a few lines on, one line later each time: outside its ``try``.
        lines = alarms % 10
        sys.settrace(count)
        while frame is not None and not _is_ours(frame):
            frame.f_trace = count
            frame = frame.f_back

    def count(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines -= event == "line"
        if lines < 0 and not over and not _is_ours(frame):
            raise OutOfTime(seconds)
        return count

    before, trace = signal.signal(signal.SIGALRM, stop), sys.gettrace()
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        try:
            return function()
        finally:
            over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if alarms > 1:
            sys.settrace(trace)
        signal.signal(signal.SIGALRM, before)


def _is_ours(frame: Any) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.startswith("ourdl_contract.") and not name.startswith("ourdl_contract.mutants")


def _by_thread(seconds: float, function: Callable[[], T]) -> T:
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as error:  # handed on to the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise OutOfTime(seconds)
    if failed:
        raise failed[0]
    return found[0]


class Sink(io.TextIOBase):
    """Takes what is printed; keeps the beginning and counts the rest, in the caller's memory as little as on screen."""

    def __init__(self) -> None:
        self.count = 0
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.count += len(text)
        if len(self.text) < SHOWN:
            self.text += text[: SHOWN - len(self.text)]
        return len(text)


@contextlib.contextmanager
def silence(sink: Sink) -> Iterator[None]:
    """Send what is printed inside to ``sink``: by Python's ``print`` and by C code or a child process alike."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sink))
        stack.enter_context(contextlib.redirect_stderr(sink))
        file = stack.enter_context(tempfile.TemporaryFile())
        try:
            kept = [(number, os.dup(number)) for number in (1, 2)]
        except OSError:  # a program without these
            kept = []
        for number, _ in kept:
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
            size = os.fstat(file.fileno()).st_size
            if size:
                os.lseek(file.fileno(), 0, os.SEEK_SET)
                sink.write(os.read(file.fileno(), SHOWN).decode(errors="replace"))
                sink.count += max(size - SHOWN, 0)


def flush() -> None:
    """Write out what is buffered, so that it does not turn up among what an op prints."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
