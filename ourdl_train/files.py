"""Files that may come from anyone: only regular files are opened, and no more is read than a bound allows."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

# How much compressed data may hold: a few bytes of gzip or zip can stand for a thousand times as many.
MAX_UNPACKED = 2**30
PIECE = 2**20


class FileError(ValueError):
    """A file is not of the kind that is wanted, damaged, or too large; the message leaves its name to the caller."""


def open_regular(path: str | Path) -> BinaryIO:
    """A file to read from; FileError for a pipe or a device, which would block or never end."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - it is handed to the caller
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileError("is not a regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    """Open, also a pipe that nobody writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bounded(file: Any, what: str) -> bytes:
    """All that is left in a file, in pieces, so that what it says of its size is not believed."""
    pieces: list[bytes] = []
    size = 0
    while piece := file.read(PIECE):
        size += len(piece)
        if size > MAX_UNPACKED:
            raise FileError(f"{what} is larger than {size_text(MAX_UNPACKED)}: split it, or save it with numpy.savez")
        pieces.append(piece)
    return b"".join(pieces)


def size_text(count: int) -> str:
    """A number of bytes, for messages."""
    return f"{count / 2**30:g} GiB" if count >= 2**20 else f"{count:,} bytes"
