"""Arrays in NPY and NPZ files, mapped into memory where they are not compressed: only what is used of them is read."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

from ourdl_train import files
from ourdl_train.files import FileError, size_text

LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member of a zip file: its mark, the lengths of its name and its extra field


def map_npy(file: BinaryIO) -> np.ndarray[Any, Any]:
    """The array of an NPY file; FileError where it is none, or where its header and its size do not agree."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise FileError("the file is empty")
    if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
        raise FileError("is not an NPY file, as numpy.save writes it")
    file.seek(0)
    return _map(file, size)


class Archive:
    """An NPZ file: ``names`` of arrays, and ``array(name)``, which reads or maps one of them."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        if not zipfile.is_zipfile(file):
            raise FileError("is not an NPZ file, as numpy.savez writes it, or only a part of one")
        try:
            self.zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError, NotImplementedError) as error:
            raise FileError(f"the file is damaged: {error}") from None
        self.members = {info.filename.removesuffix(".npy"): info for info in self.zip.infolist()}
        self.size = os.fstat(file.fileno()).st_size

    @property
    def names(self) -> list[str]:
        """The names of the arrays, in the order of the file."""
        return list(self.members)

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The array of that name: mapped if it is not compressed. FileError where it is none of numbers."""
        info = self.members[name]
        try:
            if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:
                self.file.seek(self._begin(info))
                return _map(self.file, info.file_size)
            return self._unpacked(info)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError) as error:
            raise FileError(f"is damaged: {error}") from None

    def _begin(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a member that is not compressed begin; all of them must be there."""
        self.file.seek(info.header_offset)
        mark, name, extra = LOCAL_HEADER.unpack(self.file.read(LOCAL_HEADER.size))
        begin = info.header_offset + LOCAL_HEADER.size + name + extra
        if mark != b"PK\x03\x04" or begin + info.file_size > self.size:
            raise FileError(f"is damaged: it takes {info.file_size:,} bytes, and the whole file has {self.size:,}")
        return begin

    def _unpacked(self, info: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError("is compressed as numpy.savez_compressed never does it")
        if info.file_size > files.MAX_UNPACKED:
            bound = size_text(files.MAX_UNPACKED)
            raise FileError(f"is compressed and holds more than {bound}: save it uncompressed, with numpy.savez")
        with self.zip.open(info) as file:
            _checked_header(file, info.file_size)
        with self.zip.open(info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _map(file: BinaryIO, size: int) -> np.ndarray[Any, Any]:
    """The array in NPY format that takes the next ``size`` bytes; what is empty cannot be mapped."""
    shape, fortran, dtype = _checked_header(file, size)
    if math.prod(shape) * dtype.itemsize == 0:
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _checked_header(file: Any, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The header of an array that takes ``size`` bytes with it, if those agree; the file stands behind it then."""
    start = file.tell()
    shape, fortran, dtype = _header(file)
    if dtype.kind == "O":
        raise FileError("holds Python objects, which are never loaded: save an array of numbers")
    if dtype.kind not in "biuf":
        raise FileError(f"is not numbers: {dtype}")
    left, wanted = size - (file.tell() - start), math.prod(shape) * dtype.itemsize
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape) or wanted != left:
        raise FileError(f"is damaged: its header says {dtype} of shape {list(shape)}, which does not fit its {left:,} bytes")
    return shape, fortran, dtype


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype in the header of an NPY file."""
    try:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:  # 3.0 is for structured arrays only
            raise FileError(f"is not numbers: an NPY file of version {version[0]}.{version[1]}")
        return readers[version](file)
    except FileError:
        raise
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        told = str(error).partition("\n")[0]  # what NumPy advises is to trust the file
        raise FileError(f"is damaged: its header cannot be read: {told}") from None
