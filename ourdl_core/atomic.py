"""Files written whole or not at all: beside the old one, checked, then put in its place."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_count = itertools.count()


def write_atomically(
    path: str | Path, content: bytes | Iterable[bytes], check: Callable[[Path], None] = lambda written: None
) -> None:
    """Write a file, in one piece or several, unless ``check`` of what was written raises.

    An existing file keeps its permissions, a link stays a link: the file that it leads to is replaced. After a loss of
    power there is the old file or the new one.
    """
    target = Path(os.path.realpath(path))
    mode = _mode(target, path)
    beside = target.with_name(f".{os.getpid()}-{next(_count)}{target.suffix}")
    try:
        try:
            with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
                file.writelines([content] if isinstance(content, bytes) else content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # which names the file beside, or none
            raise type(error)(error.errno, error.strerror, str(path)) from None
        check(beside)
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(beside)
    _sync_folder(target.parent)


def _mode(target: Path, path: str | Path) -> int | None:
    """The permissions of an existing file, which must be one that may be written."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path}: is not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError(13, os.strerror(13), str(path))
    return stat.S_IMODE(found.st_mode)


def _sync_folder(folder: Path) -> None:
    """Make the new name last, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
