"""Files of arrays by name in the format safetensors: a header in JSON, then the bytes. Nothing in them can run code.

The format is that of https://github.com/huggingface/safetensors (format 0.x): 8 bytes, little-endian, the size of the
header; the header, ``{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {...}}``, where
metadata are texts by name; then the arrays, C order, little-endian, without gaps.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ourdl_core.atomic import write_atomically
from ourdl_train.files import FileError, open_regular

MOST_HEADER = 100_000_000  # bytes; the bound of the format's own library
MOST_DIMENSIONS = 64  # of NumPy
METADATA = "__metadata__"
_PREFIX = 8

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
    "C64": "<c8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}

Arrays = dict[str, np.ndarray[Any, Any]]


def write_safetensors(path: str | Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write a file, in whole or not at all; the same arrays and metadata give the same bytes."""
    write_atomically(path, _pieces({name: np.asarray(value) for name, value in arrays.items()}, metadata or {}))


def _pieces(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> Iterator[bytes]:
    """The file: the widest numbers first, so that each array stands where its dtype may be read in place."""
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        start, end = end, end + arrays[name].nbytes
        shape = list(arrays[name].shape)
        header[name] = {"dtype": _dtype_name(name, arrays[name]), "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _PREFIX)
    yield len(text).to_bytes(_PREFIX, "little")
    yield text
    for name in order:
        yield np.asarray(arrays[name], DTYPES[_dtype_name(name, arrays[name])], order="C").tobytes()


def _dtype_name(name: str, array: np.ndarray[Any, Any]) -> str:
    try:
        return NAMES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise TypeError(f"'{name}' is {array.dtype}, which a safetensors file cannot hold: {', '.join(DTYPES)}") from None


def read_safetensors(path: str | Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the metadata in a file; FileError where it is not what the format says, to the last byte."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        header, start = _header(file, size)
        metadata = _metadata(header.pop(METADATA, {}))
        places = _places(header, size - start)
        return {name: _array(file, start, header[name], places[name]) for name in header}, metadata


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the bytes of the arrays begin."""
    length = int.from_bytes(file.read(_PREFIX), "little")
    start = _PREFIX + length
    if size < _PREFIX or length > MOST_HEADER or start > size or file.read(1) != b"{":
        raise FileError("is not a safetensors file, or not the whole of one")
    text = b"{" + file.read(length - 1)
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise FileError(f"its header is damaged: {error}") from None
    return header, start


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} is there twice")
        found[name] = value
    return found


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise FileError("its header is damaged: metadata are texts by name")
    return found


def _places(header: dict[str, Any], size: int) -> dict[str, tuple[int, int]]:
    """Where each array begins and ends; together they must be all the bytes that there are."""
    places = {name: _place(name, entry) for name, entry in header.items()}
    end = 0
    for name, (start, stop) in sorted(places.items(), key=lambda item: item[1]):
        if start != end:
            raise FileError(f"its header is damaged: '{name[:60]}' begins at byte {start}, not at {end}")
        end = stop
    if end != size:
        raise FileError(f"the file is damaged: its header says that it holds {end:,} bytes of arrays, it has {size:,}")
    return places


def _place(name: str, entry: Any) -> tuple[int, int]:
    """The two offsets of an array, if its entry makes sense."""
    damaged = FileError(f"its header is damaged at '{name[:60]}': {str(entry)[:100]}")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise damaged
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or len(shape) > MOST_DIMENSIONS:
        raise damaged
    if math.prod(size or 1 for size in shape) >= 2**48:
        raise damaged
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise FileError(f"'{name[:60]}' is of dtype {entry['dtype']!r:.20}, which NumPy has not: {', '.join(DTYPES)}")
    if offsets[1] - offsets[0] != math.prod(shape) * np.dtype(DTYPES[entry["dtype"]]).itemsize:
        raise damaged
    return offsets[0], offsets[1]


def _sizes(found: Any) -> bool:
    return isinstance(found, list) and all(type(each) is int and 0 <= each < 2**63 for each in found)


def _array(file: BinaryIO, start: int, entry: dict[str, Any], place: tuple[int, int]) -> np.ndarray[Any, Any]:
    dtype = np.dtype(DTYPES[entry["dtype"]])
    file.seek(start + place[0])
    data = bytearray(place[1] - place[0])
    if file.readinto(data) != len(data):  # type: ignore[attr-defined]
        raise FileError("the file became shorter while it was read")
    return np.frombuffer(data, dtype).reshape(entry["shape"]).astype(dtype.newbyteorder("="), copy=False)
