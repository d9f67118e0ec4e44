"""Whether training that is taken up again is the training that was begun: same settings, same rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ourdl_train.data import rows_of
from ourdl_train.rows import DataError

SAMPLE = 100  # rows at each end by which data are recognised
MAY_CHANGE = ("epochs",)


def fingerprint(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """By what data are recognised: number of rows, dtypes and shapes, and a checksum of the rows at both ends."""
    count = rows_of(arrays)
    ends = [slice(0, SAMPLE), slice(max(0, count - SAMPLE), count)]
    found: dict[str, Any] = {"rows": count}
    for name, array in sorted(arrays.items()):
        checksum = 0
        for end in ends:
            part = np.ascontiguousarray(array[end])
            checksum = zlib.crc32(part.tobytes(), checksum)
        found[name] = [str(part.dtype), list(part.shape[1:]), checksum]
    return found


def check_settings(before: Mapping[str, Any], now: Mapping[str, Any], run: Any) -> None:
    """The settings of a run may not change, but for the number of epochs."""
    for name in now:
        if name not in MAY_CHANGE and before.get(name) != now[name]:
            what = f"{run}: this run was begun with {name} = {before.get(name)!r}, now it is {now[name]!r}"
            raise ValueError(f"{what}: a run goes on as it began, but for the number of epochs. Begin another run for it")


def check_data(before: Mapping[str, Any], now: Mapping[str, Any], run: Any) -> None:
    """The rows to train on may not change."""
    if before != now:
        raise DataError(f"{run}: the rows to train on are not those of this run: their number or values changed")
