"""Files that may come from anyone: only regular files are opened, and no more is read than a bound allows."""

from __future__ import annotations

import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

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
            raise FileError(f"{what} is larger than {_size(MAX_UNPACKED)}: split it, or save it with numpy.savez")
        pieces.append(piece)
    return b"".join(pieces)


def _size(count: int) -> str:
    return f"{count / 2**30:g} GiB" if count >= 2**20 else f"{count:,} bytes"


def read_arrays(file: BinaryIO) -> dict[str, Any]:
    """The arrays of numbers in an NPZ file by name; in the place of one that cannot be used, the ValueError."""
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive.infolist(), size)
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
    except FileError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError) as error:
        raise FileError(f"the file is damaged: {error}") from None


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Members that are stored cannot hold more than the file does, the compressed ones not more than the bound."""
    stored = sum(info.file_size for info in members if info.compress_type == zipfile.ZIP_STORED)
    packed = sum(info.file_size for info in members if info.compress_type == zipfile.ZIP_DEFLATED)
    if stored > size:
        raise FileError(f"the file is damaged: it says that it holds {stored:,} bytes, and has {size:,}")
    if packed > MAX_UNPACKED:
        raise FileError(
            f"its compressed arrays hold more than {_size(MAX_UNPACKED)}: save them uncompressed, with numpy.savez"
        )
    for info in members:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"'{info.filename}' is compressed as numpy.savez_compressed never does it")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """One array, after its header was compared with the bytes that are there."""
    with archive.open(info) as file:
        try:
            shape, dtype = _header(file)
        except ValueError as error:
            return error
        left = info.file_size - file.tell()
    if dtype.kind not in "biuf":
        return ValueError(f"{dtype}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        return ValueError(f"{dtype} of shape {list(shape)}, as its header says, does not fit its {left:,} bytes")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype in the header of an NPY file."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"an NPY file of version {version[0]}.{version[1]}")  # 3.0 is for structured arrays only
    try:
        shape, _, dtype = readers[version](file)
    except (SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ValueError(f"its header cannot be read: {error}") from None
    return shape, dtype
